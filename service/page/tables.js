// Tables in texts: runs of lines whose cells stand between bars. A bar inside a cell is written `\|`.

import { h } from "./dom.js";

const BAR = " | ";
const RULE = /^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?$/; // the line below a header in Markdown

/** Whether a line is a row of a table. */
export function isRow(line) {
  return line.includes(BAR) || (line.startsWith("| ") && line.length > 2);
}

/** Whether a line only parts header and rows. */
export function isRule(line) {
  return RULE.test(line);
}

/** Where the cells of a row begin and end in its line. */
export function cellsOf(line) {
  let at = line.startsWith("| ") ? 2 : 0;
  const last = line.endsWith(" |") ? line.length - 2 : line.length;
  const cells = line.startsWith("| ") && !line.endsWith(" |") ? [[0, 0]] : []; // its first cell is empty
  while (at <= last) {
    const bar = line.indexOf(BAR, Math.max(0, at - 1));
    const end = bar < 0 || bar > last ? last : Math.max(at, bar);
    cells.push([at, end]);
    at = end + BAR.length;
  }
  return cells;
}

/** A table of rows; `fill(row, start, end)`: the nodes of a cell; `heads`: how many rows at its top name the columns. */
export function table(rows, fill, heads = 0) {
  const all = rows.map((row) => ({ row, cells: cellsOf(row.text) }));
  const width = Math.max(...all.map(({ cells }) => cells.length));
  const made = all.map(({ row, cells }, place) => {
    const filled = cells.map(([start, end]) => cell(place < heads, fill(row, start, end)));
    while (filled.length < width) filled.push(cell(place < heads, []));
    return h("tr", {}, filled);
  });
  const head = heads ? h("thead", {}, made.slice(0, heads)) : "";
  const whole = h("table", { className: "cells" }, head, h("tbody", {}, made.slice(heads)));
  return h("div", { className: "scrolls", tabIndex: 0 }, whole);
}

function cell(names, nodes) {
  return names ? h("th", { scope: "col", dir: "auto" }, nodes) : h("td", { dir: "auto" }, nodes);
}

/** The lines of a text, with runs of rows as tables; the first of `header` rows name the columns. */
export function laidOut(text, header = []) {
  const lines = text.split("\n");
  const nodes = [];
  for (let first = 0; first < lines.length; ) {
    const rows = isRow(lines[first]);
    let next = first + 1;
    while (rows && next < lines.length && isRow(lines[next])) next += 1;
    const run = lines.slice(first, next).map((line) => ({ text: line }));
    const heads = run.filter((row, place) => place < run.length - 1 && header.includes(row.text)).length;
    if (run.length > 1) nodes.push(table(run, (row, from, to) => unescaped(row.text.slice(from, to)), heads));
    else if (lines[first].trim()) nodes.push(h("p", { dir: "auto" }, lines[first]));
    first = next;
  }
  return nodes;
}

/** A cell as people read it. */
export function unescaped(text) {
  return text.replaceAll("\\|", "|");
}
