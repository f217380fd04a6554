// Answers and conversations as text that one can take along.

import { h } from "./dom.js";
import { place, words } from "./words.js";

/** The cited passages, each once, in the order of the text; each as its first citation has it that holds. */
export function sourcesOf(citations) {
  const found = new Map();
  for (const citation of [...citations].sort((one, other) => one.span[0] - other.span[0]))
    if (!found.has(citation.n) || (citation.supported && !found.get(citation.n).supported)) found.set(citation.n, citation);
  return [...found.values()];
}

/** Where a source stands, as pairs of key and values. */
export function placeOf(source) {
  return place(source.pages ?? (source.page ? [source.page] : []), source.section);
}

/** An answer with its sources. */
export function asText(text, citations, notice = null) {
  const lines = sourcesOf(citations).map((source) => {
    const where = words("plain", { text: placeOf(source) });
    return `[${source.n}] ${[source.title, where].filter(Boolean).join(", ")} (${source.path})`;
  });
  const parts = [text, notice, lines.length ? [words("sources"), ...lines].join("\n") : ""];
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** A kept conversation as one Markdown file. */
export function asMarkdown({ title, turns }) {
  const parts = turns.map(({ question, reply }) => {
    const lines = asText(reply.answer, reply.citations, reply.notice).trimEnd().replace(/^(\[\d+\] .*)$/gm, "- $1");
    return `## ${question.replace(/\s+/g, " ")}\n\n${lines}\n`;
  });
  return `# ${title}\n\n${parts.join("\n")}`;
}

/** Hands a text to the browser as a file. */
export function save(name, type, text) {
  saveFile(name, new Blob([text], { type: `${type};charset=utf-8` }));
}

export function saveFile(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: fileName(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A name that every system takes. */
function fileName(name) {
  return name.replace(/[\\/:*?"<>|\s\p{Cc}\p{Cf}]+/gu, " ").replace(/ (?=\.\w+$)/, "").trim();
}

/** Puts a text on the clipboard; browsers offer the new way only over HTTPS and on the same machine. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const before = document.activeElement;
    const field = h("textarea", { value: text, readOnly: true, className: "unseen" });
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}
