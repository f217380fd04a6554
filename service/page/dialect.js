// The Markdown of answers: that of the library, less what could lead away, with what models and documents write beside it.

import MarkdownIt from "./markdown-it.js";
import { cellsOf, isRow, isRule, unescaped } from "./tables.js";

const LEADS_AWAY = ["link", "image", "autolink", "reference", "html_block", "html_inline"];
const SURPRISES = ["entity", "code", "lheading"]; // indented lines are no code, a line of hyphens makes no heading
const MAX_BOLD = 2_000; // characters
const MAX_DEPTH = 24; // of lists and quotations in each other; what stands deeper is not shown as one

const library = new MarkdownIt("default", { html: false, linkify: false, typographer: false, maxNesting: MAX_DEPTH });
library.disable([...LEADS_AWAY, ...SURPRISES]);
library.inline.ruler.before("emphasis", "bold", bold);
library.block.ruler.before("paragraph", "rows", rows, { alt: ["paragraph"] });

/** The tokens of a text, as the library describes them. */
export function read(text) {
  return library.parse(text, {});
}

/** `**…**` wherever words touch it: by the common rule, bold Chinese that ends in a sign would not be bold. */
function bold(state, silent) {
  const { src, pos } = state;
  if (silent || !src.startsWith("**", pos) || /[\s*]/.test(src[pos + 2] ?? " ")) return false;
  const end = closing(state, pos + 3, Math.min(state.posMax, pos + MAX_BOLD));
  if (end < 0) return false;
  const { posMax } = state;
  state.push("strong_open", "strong", 1);
  state.pos = pos + 2;
  state.posMax = end;
  state.md.inline.tokenize(state);
  state.push("strong_close", "strong", -1);
  state.pos = end + 2;
  state.posMax = posMax;
  return true;
}

/** Where the next `**` is that ends words; -1: nowhere. What has been searched in vain is not searched again. */
function closing(state, from, to) {
  const { src } = state;
  const begin = Math.max(from, state.withoutClosing ?? 0);
  for (let at = src.indexOf("**", begin); at >= 0 && at + 2 <= to; at = src.indexOf("**", at + 1))
    if (src[at + 2] !== "*" && !/\s/.test(src[at - 1])) return at;
  state.withoutClosing = Math.max(begin, to - 1);
  return -1;
}

/** Rows of a table without the line below its header, as they stand in documents. One row alone is a line with bars in it. */
function rows(state, first, last, silent) {
  let next = first;
  while (next < last && state.sCount[next] >= state.blkIndent && isTabular(line(state, next))) next += 1;
  const lines = [];
  for (let at = first; at < next; at++) if (!isRule(line(state, at))) lines.push(at);
  if (lines.length < 2) return false;
  if (silent) return true;
  state.push("table_open", "table", 1).map = [first, next];
  state.push("tbody_open", "tbody", 1);
  for (const at of lines) row(state, at);
  state.push("tbody_close", "tbody", -1);
  state.push("table_close", "table", -1);
  state.line = next;
  return true;
}

function isTabular(text) {
  return isRow(text) || isRule(text);
}

function row(state, at) {
  const text = line(state, at);
  state.push("tr_open", "tr", 1);
  for (const [from, to] of cellsOf(text)) {
    state.push("td_open", "td", 1);
    const cell = state.push("inline", "", 0);
    cell.content = unescaped(text.slice(from, to));
    cell.children = [];
    state.push("td_close", "td", -1);
  }
  state.push("tr_close", "tr", -1);
}

function line(state, at) {
  return state.src.slice(state.bMarks[at] + state.tShift[at], state.eMarks[at]);
}
