// The little Markdown an answer may hold: paragraphs, lists, tables, bold, code, and markers [n]. All else stays as it is
// written.

import { h } from "./dom.js";
import { isRow, isRule, table, unescaped } from "./tables.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}#{1,6}\s+/;
const ITEM = /^(\s*)(?:([-*+•])\s+|(\d{1,3})(?:[.)]\s+|、\s*))/;
const INLINE = /`([^`]{1,2000})`|\*\*(?=\S)(.{1,2000}?)(?<=\S)\*\*|\[(\d{1,6})\]/g;
const NARROW = "\u202f"; // a marker stays close to its words, and on their line
const DEEPEST = 3;

/** Shows the text in `box`, touching only the blocks that changed. `cite(n, position)`: a node for a marker, or null. */
export function show(box, text, cite) {
  const wanted = blocks(text);
  wanted.forEach((block, place) => {
    const there = box.children[place];
    const signature = `${block.kind}\n${block.lines.map((line) => line.text).join("\n")}`;
    if (there?.signature === signature) return;
    const node = made(block, cite);
    node.signature = signature;
    if (there) there.replaceWith(node);
    else box.append(node);
  });
  while (box.children.length > wanted.length) box.lastElementChild.remove();
}

/** The blocks of a text: their kind, and their lines with where each begins in the text. */
function blocks(text) {
  const found = [];
  let open = null;
  let fence = null;
  let blank = false;
  for (const line of lines(text)) {
    if (fence) {
      if (line.text.trim().startsWith(fence)) fence = open = null;
      else open.lines.push(line);
      continue;
    }
    const [, mark] = FENCE.exec(line.text) ?? [];
    if (mark) {
      fence = mark;
      found.push((open = { kind: "code", lines: [] }));
    } else if (!line.text.trim()) {
      if (open?.kind !== "list") open = null;
    } else if (HEADING.test(line.text)) {
      found.push({ kind: "heading", lines: [after(line, HEADING)] });
      open = null;
    } else if (ITEM.test(line.text)) {
      if (open?.kind !== "list") found.push((open = { kind: "list", lines: [] }));
      open.lines.push(line);
    } else if (open?.kind === "table" && isRule(line.text)) {
      open.lines.push(line);
    } else if (isRow(line.text) && (open?.kind !== "list" || blank)) {
      if (open?.kind !== "table") found.push((open = { kind: "table", lines: [] }));
      open.lines.push(line);
    } else if (open?.kind === "list" && !blank) {
      open.lines.push(line); // goes on where the item broke its line
    } else {
      if (open?.kind !== "paragraph") found.push((open = { kind: "paragraph", lines: [] }));
      open.lines.push(line);
    }
    blank = !line.text.trim();
  }
  return found;
}

function lines(text) {
  let start = 0;
  return text.split("\n").map((line) => {
    const found = { text: line, start };
    start += line.length + 1;
    return found;
  });
}

function after(line, opening) {
  const [mark] = opening.exec(line.text);
  return { text: line.text.slice(mark.length), start: line.start + mark.length };
}

function made(block, cite) {
  if (block.kind === "code") return h("pre", {}, h("code", {}, block.lines.map((line) => line.text).join("\n")));
  if (block.kind === "heading") return h("p", { className: "heading", dir: "auto" }, written(block.lines, cite));
  if (block.kind === "list") return listed(block.lines, cite);
  if (block.kind === "table") return tabled(block.lines, cite);
  return h("p", { dir: "auto" }, written(block.lines, cite));
}

/** A list, with lists inside it by their indent. */
function listed(all, cite) {
  const open = []; // from the outermost list in
  for (const line of all) {
    const [, indent, bullet, number] = ITEM.exec(line.text) ?? [];
    if (bullet === undefined && number === undefined) {
      open.at(-1).list.lastElementChild.append("\n", ...inline(line, cite));
      continue;
    }
    while (open.length > 1 && open.at(-1).indent > indent.length) open.pop();
    if (!open.length || (indent.length > open.at(-1).indent + 1 && open.length < DEEPEST)) {
      const list = number === undefined ? h("ul") : h("ol", { start: Number(number) });
      open.at(-1)?.list.lastElementChild.append(list);
      open.push({ list, indent: indent.length });
    }
    open.at(-1).list.append(h("li", { dir: "auto" }, inline(after(line, ITEM), cite)));
  }
  return open[0].list;
}

/** One row alone is a line with bars in it. */
function tabled(all, cite) {
  const rows = all.filter((line) => !isRule(line.text));
  if (rows.length < 2) return h("p", { dir: "auto" }, written(rows, cite));
  return table(rows, ({ text, start }, from, to) => inline({ text: text.slice(from, to), start: start + from }, cite, unescaped));
}

function written(all, cite) {
  return all.flatMap((line, place) => (place ? ["\n", ...inline(line, cite)] : inline(line, cite)));
}

function inline({ text, start }, cite, read = (words) => words) {
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, code, bold, n] = found;
    const position = start + found.index;
    const node =
      code !== undefined
        ? h("code", {}, code)
        : bold !== undefined
          ? h("strong", {}, inline({ text: bold, start: position + 2 }, cite))
          : cite(Number(n), position);
    if (!node) continue;
    const before = read(text.slice(done, found.index));
    nodes.push((code ?? bold) ? before : before.replace(/ $/, NARROW), node);
    done = found.index + whole.length;
  }
  nodes.push(read(text.slice(done)));
  return nodes.filter((node) => node !== "");
}
