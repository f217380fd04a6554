// An answer as nodes. A library reads its Markdown (`dialect`); the nodes are made here, and text stays text.

import { read } from "./dialect.js";
import { h } from "./dom.js";
import { pieces, sign, unsigned } from "./signs.js";

const NARROW = "\u202f"; // a marker stays close to its words, and on their line
const HIGHEST = 3; // a heading of an answer stands below the question, which is an h2
const ENDS = /^[.,;:!?…)\]。，、；：！？）」』”’]+/;
const TAGS = new Set(["blockquote", "em", "hr", "li", "ol", "p", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"]);
const SIDE = /^text-align:(center|right)$/; // of a column, as the library tells it
const SPOKEN = new Set(["li", "p", "td", "th"]); // what has a direction of its own

/**
 * Shows the text in `box`, touching only the blocks that changed. `cite(n, position)`: a node for a marker, or null.
 * `doubts`: sentences that are not supported, {start, end, node}; the node is put behind the sentence.
 */
export function show(box, text, cite, doubts = []) {
  const { signed, markers } = sign(text, doubts);
  const writer = new Writer(markers, cite, doubts);
  const wanted = blocks(signed);
  wanted.forEach((block, place) => {
    const there = box.children[place];
    if (there?.signature === block.signature) return;
    const node = writer.block(block);
    node.signature = block.signature;
    if (there) there.replaceWith(node);
    else box.append(node);
  });
  while (box.children.length > wanted.length) box.lastElementChild.remove();
}

/** The outermost blocks: their tokens, and what tells one from another. */
function blocks(text) {
  const lines = text.split("\n");
  const levels = []; // of the headings that the next one may stand below
  const found = [];
  let open = null;
  for (const token of read(text)) {
    open ??= { tokens: [], map: token.map ?? [0, 0], level: 0 };
    open.tokens.push(token);
    if (token.type === "heading_open" && token.level === 0) open.level = below(levels, Number(token.tag[1]));
    if (token.level > 0 || token.nesting === 1) continue;
    const [first, end] = open.map;
    open.signature = [open.tokens[0].type, open.level, ...lines.slice(first, end)].join("\n");
    found.push(open);
    open = null;
  }
  return found;
}

/** How deep a heading stands, whatever its author counted from: no level is left out. */
function below(levels, written) {
  while (levels.length && levels.at(-1) >= written) levels.pop();
  levels.push(written);
  return Math.min(6, HIGHEST + levels.length - 1);
}

class Writer {
  constructor(markers, cite, doubts) {
    this.markers = markers;
    this.cite = cite;
    this.doubts = doubts;
    this.doubted = false; // whether the words that come are not supported
  }

  block({ tokens, level }) {
    const outer = h("div");
    this.#write(tokens, outer, level);
    return outer.firstElementChild ?? h("p");
  }

  #write(tokens, outer, level = 0) {
    const open = [outer]; // from the outermost node in
    for (const token of tokens) {
      if (token.nesting === -1) open.pop();
      else if (token.nesting === 1) open.push(this.#opened(token, open.at(-1), level));
      else this.#leaf(token, open.at(-1));
    }
  }

  /** The node that what follows goes into. */
  #opened(token, parent, level) {
    if (token.hidden) return parent; // a paragraph of a list whose items are lines
    const name = token.tag.match(/^h\d$/) ? `h${level || 6}` : TAGS.has(token.tag) ? token.tag : "span";
    const node = h(name, SPOKEN.has(name) || level ? { dir: "auto" } : {});
    if (name === "ol") node.start = Number(token.attrGet("start") ?? 1);
    if (name === "th") node.scope = "col";
    const [, side] = SIDE.exec(token.attrGet("style") ?? "") ?? [];
    if (side) node.className = `at-${side}`;
    if (name === "table") {
      node.className = "cells";
      parent.append(h("div", { className: "scrolls", tabIndex: 0 }, node));
    } else parent.append(node);
    return node;
  }

  #leaf(token, parent) {
    if (token.type === "inline") this.#write(token.children, parent);
    else if (token.type === "text") this.#text(token.content, parent);
    else if (token.type === "softbreak") parent.append("\n");
    else if (token.type === "hardbreak") parent.append(h("br"));
    else if (token.type === "code_inline") parent.append(h("code", {}, this.#plain(token.content)));
    else if (token.type === "hr") parent.append(h("hr"));
    else if (token.type === "fence" || token.type === "code_block")
      parent.append(h("pre", { tabIndex: 0 }, h("code", {}, this.#plain(token.content).replace(/\n$/, ""))));
    else this.#text(token.content, parent);
  }

  #plain(text) {
    return unsigned(text, this.markers);
  }

  #text(text, parent) {
    for (const piece of pieces(text)) {
      if (typeof piece === "string") this.#words(piece, parent);
      else if (piece.doubted !== undefined) this.doubted = piece.doubted;
      else if (piece.reason !== undefined) parent.append(this.doubts[piece.reason].node);
      else this.#marker(this.markers[piece.marker], parent);
    }
  }

  /** Signs that end a sentence stay on the line of the marker before them. */
  #words(text, parent) {
    const tied = parent.lastChild?.className === "tied" ? parent.lastChild : null;
    const [signs] = (tied && ENDS.exec(text)) ?? [""];
    tied?.append(signs);
    const rest = text.slice(signs.length);
    if (rest) parent.append(this.doubted ? h("span", { className: "doubted" }, rest) : rest);
  }

  #marker({ n, position, written }, parent) {
    const node = this.cite(n, position);
    if (!node) return this.#words(written, parent);
    const before = parent.lastChild?.className === "doubted" ? parent.lastChild.firstChild : parent.lastChild;
    const apart = before?.nodeType === Node.TEXT_NODE && before.data.endsWith(" ");
    if (apart) before.data = before.data.slice(0, -1);
    parent.append(h("span", { className: "tied" }, apart ? NARROW : "", node));
  }
}
