// Signs that are put into an answer before its Markdown is read, so that what they stand for is found again in the nodes,
// wherever the library has put the text: markers [n], and sentences that the passages do not support.
//
// They are characters that no text may hold (Unicode keeps them free for uses such as this); any that a text holds go.

const FREE = /[\uFDD0-\uFDEF]/g;
const SIGNS = /\uFDD0(\d+)\uFDD1|\uFDD2|\uFDD3|\uFDD4(\d+)\uFDD5/g; // a marker; a doubted stretch begins, ends; its reason
const MARKER = /\[(\d{1,6})\]/g;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const OPENING = /^(?:\s|[-*+•>#|]|\d{1,3}(?:[.)]\s|、))*/; // of a line, before its words
const CLOSING = /[\s|]*$/;
const BULLET = /^(\s*)•\s+/;
const CHINESE_NUMBER = /^(\s*\d{1,3})、\s*/; // a list in Chinese: the library knows `1.`

/** The text with its signs, and the markers in it: their numbers, and where each stands in the text. `doubts`: sentences. */
export function sign(text, doubts = []) {
  const markers = [...text.matchAll(MARKER)].map((found) => ({ n: Number(found[1]), position: found.index, written: found[0] }));
  const changes = markers.map(({ position, written }, index) => change(position, written.length, `\uFDD0${index}\uFDD1`));
  const lines = linesOf(text);
  for (const line of lines) changes.push(...asList(line));
  doubts.forEach((doubt, index) => changes.push(...doubted(lines, doubt, index)));
  return { signed: changed(text, changes), markers };
}

/** The text of a token in pieces: strings, {marker}, {doubted: true or false}, {reason}. */
export function pieces(text) {
  const found = [];
  let done = 0;
  for (const sign of text.matchAll(SIGNS)) {
    if (sign.index > done) found.push(text.slice(done, sign.index));
    if (sign[1] !== undefined) found.push({ marker: Number(sign[1]) });
    else if (sign[2] !== undefined) found.push({ reason: Number(sign[2]) });
    else found.push({ doubted: sign[0] === "\uFDD2" });
    done = sign.index + sign[0].length;
  }
  if (done < text.length) found.push(text.slice(done));
  return found;
}

/** A text as it was before signs were put into it. */
export function unsigned(text, markers) {
  return text.replace(SIGNS, (_, marker) => (marker === undefined ? "" : markers[marker].written));
}

function change(at, length, put) {
  return { at, length, put };
}

function changed(text, changes) {
  let made = "";
  let done = 0;
  for (const { at, length, put } of changes.sort((one, other) => one.at - other.at)) {
    made += text.slice(done, at).replace(FREE, "\uFFFD") + put;
    done = at + length;
  }
  return made + text.slice(done).replace(FREE, "\uFFFD");
}

/** The lines of a text, with where each begins, and whether it is code. */
function linesOf(text) {
  let start = 0;
  let fence = null;
  return text.split("\n").map((line) => {
    const [, mark] = FENCE.exec(line) ?? [];
    const found = { text: line, start, code: Boolean(fence) };
    if (fence && line.trim().startsWith(fence)) fence = null;
    else if (!fence && mark) fence = mark;
    start += line.length + 1;
    return found;
  });
}

function asList(line) {
  if (line.code) return [];
  const bullet = BULLET.exec(line.text);
  if (bullet) return [change(line.start + bullet[1].length, 1, "-")];
  const number = CHINESE_NUMBER.exec(line.text);
  return number ? [change(line.start + number[1].length, number[0].length - number[1].length, ". ")] : [];
}

/** Signs around a sentence, line by line: nothing of Markdown goes over the end of a line unless a paragraph does. */
function doubted(lines, { start, end }, index) {
  const stretches = lines
    .filter((line) => !line.code && line.start < end && line.start + line.text.length > start)
    .map((line) => {
      const opening = OPENING.exec(line.text)[0].length;
      const from = Math.max(start - line.start, opening);
      const cut = line.text.slice(0, Math.min(end - line.start, line.text.length));
      return [line.start + from, line.start + cut.replace(CLOSING, "").length];
    })
    .filter(([from, to]) => from < to);
  return stretches.flatMap(([from, to], place) => [
    change(from, 0, "\uFDD2"),
    change(to, 0, place === stretches.length - 1 ? `\uFDD3\uFDD4${index}\uFDD5` : "\uFDD3"),
  ]);
}
