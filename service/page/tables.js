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

/** A table of rows; `fill(row, start, end)`: the nodes of a cell. */
export function table(rows, fill) {
  const all = rows.map((row) => ({ row, cells: cellsOf(row.text) }));
  const width = Math.max(...all.map(({ cells }) => cells.length));
  const made = all.map(({ row, cells }) => {
    const filled = cells.map(([start, end]) => h("td", { dir: "auto" }, fill(row, start, end)));
    while (filled.length < width) filled.push(h("td"));
    return h("tr", {}, filled);
  });
  return h("div", { className: "scrolls", tabIndex: 0 }, h("table", { className: "cells" }, h("tbody", {}, made)));
}

/** A cell as people read it. */
export function unescaped(text) {
  return text.replaceAll("\\|", "|");
}
