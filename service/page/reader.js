// A passage in its document, with what stands around it.

import { at, h } from "./dom.js";
import { original } from "./original.js";
import { isRow, table, unescaped } from "./tables.js";
import { known, place, say } from "./words.js";

const MORE = 4000; // characters before or after, each time more is asked for

export class Reader {
  constructor(service, passage, citation, signal) {
    this.service = service;
    this.wanted = passage; // {id, n?, title?}
    this.citation = citation;
    this.signal = signal;
    this.marks = new Map(); // pages by where they start
  }

  async open(where, box) {
    this.where = where;
    this.box = box;
    const title = h("h2", { id: "panel-title", tabIndex: -1, dir: "auto" }, this.wanted.title ?? "");
    box.replaceChildren(title, say(h("p", { className: "stage", role: "status" }), "opening"));
    title.focus({ preventScroll: true });
    try {
      const found = await this.service.passage(this.wanted.id, this.signal);
      this.passage = found.passage;
      this.characters = found.characters;
      this.start = found.text_start;
      this.text = [...found.text];
      this.version = found.original; // of the file that it was made from, if that is kept
      await this.#reach();
      this.#draw();
      this.#reveal();
      at("panel-title")?.focus({ preventScroll: true });
    } catch (problem) {
      this.#failed(problem);
    }
  }

  /** A citation may point at a neighbour that was shown together with this passage. */
  async #reach() {
    const cited = this.citation;
    if (!cited || (cited.start >= this.start && cited.end <= this.start + this.text.length)) return;
    const from = Math.max(0, Math.min(cited.start, this.passage.start) - MORE / 4);
    const to = Math.max(cited.end, this.passage.end) + MORE / 4;
    await this.#fetch(from, to - from, (text) => {
      this.start = from;
      this.text = text;
    });
  }

  async #fetch(start, length, use) {
    const found = await this.service.document(this.passage.document_id, start, length, this.signal);
    if (found.characters !== this.characters) throw Object.assign(new Error("changed"), { kind: "changed" });
    for (const [from, number, name] of found.pages) this.marks.set(from, { number, name, kind: found.page_kind });
    use([...found.text]);
  }

  #draw() {
    const { passage, citation } = this;
    const quoted = citation?.page ? [citation.page] : passage.pages;
    const where = place(quoted, citation ? citation.section : passage.section);
    const number = citation?.n ?? this.wanted.n;
    this.where.replaceChildren(
      number ? h("span", { className: "number" }, String(number)) : "",
      say(h("p", { className: "kicker", dir: "auto" }), where.length ? "plain" : "passage", { text: where }),
    );
    this.box.replaceChildren(
      h("h2", { id: "panel-title", tabIndex: -1, dir: "auto" }, passage.title),
      h("p", { className: "path", dir: "auto" }, passage.path),
      ...original(this.service, passage, this.version, quoted[0], this.signal),
      citation && !citation.supported ? say(h("p", { className: "aside" }), "unsupported_note") : "",
      this.#more("before", this.start > 0),
      h("div", { className: "page", dir: "auto", lang: passage.language ?? "" }, this.#lines()),
      this.#more("after", this.start + this.text.length < this.characters),
      say(h("p", { className: "fine" }), "checked"),
    );
  }

  /** Scrolls to the quote where it is not in sight. */
  #reveal() {
    const mark = this.box.querySelector("mark.quote") ?? this.box.querySelector("mark");
    if (mark && mark.getBoundingClientRect().bottom > this.box.getBoundingClientRect().bottom)
      mark.scrollIntoView({ block: "center" });
  }

  /** What names the columns of the table that is quoted, or begins the passage: words above it, and rows; `at`: in it. */
  #header() {
    const { passage, citation } = this;
    const [given, at] = citation?.header ? [citation.header, citation.start] : [passage.header ?? "", passage.start];
    const lines = given.split("\n").filter(Boolean);
    const before = this.text.slice(0, at - this.start).join("");
    const shown = before.includes(lines.at(-1) ?? "");
    return { words: shown ? [] : lines.filter((line) => !isRow(line)), rows: lines.filter(isRow), shown, at };
  }

  /** The text, with runs of rows as tables. A table that has begun before it gets its header all the same. */
  #lines() {
    const header = this.#header();
    const missing = header.shown ? [] : header.rows.map((text) => ({ text, from: null }));
    const lines = this.#split();
    const nodes = header.words.map((text) => h("p", { className: "above", dir: "auto" }, text));
    for (let first = 0; first < lines.length; ) {
      const rows = isRow(lines[first].text);
      let next = first + 1;
      while (next < lines.length && isRow(lines[next].text) === rows) next += 1;
      const run = lines.slice(first, next);
      const above = rows && holds(run, header.at) ? missing : [];
      const drawn = rows && run.length + above.length > 1;
      if (drawn) nodes.push(this.#table([...above, ...run], header.rows));
      else nodes.push(...this.#pieces(run[0].from, endOf(run.at(-1))));
      if (next < lines.length && !drawn) nodes.push("\n");
      first = next;
    }
    return nodes;
  }

  /** The lines of the text, with where each begins in the document. */
  #split() {
    let from = this.start;
    return this.text
      .join("")
      .split("\n")
      .map((text) => {
        const line = { text, from };
        from = endOf(line) + 1;
        return line;
      });
  }

  #table(rows, header) {
    let heads = 0;
    while (heads < rows.length - 1 && header.includes(rows[heads].text)) heads += 1;
    const fill = (row, from, to) => {
      if (row.from === null) return unescaped(row.text.slice(from, to));
      const before = row.from + [...row.text.slice(0, from)].length;
      const length = [...row.text.slice(from, to)].length;
      return this.#pieces(before, before + length).map((node) => {
        if (typeof node === "string") return unescaped(node);
        if (node.tagName === "MARK") node.textContent = unescaped(node.textContent);
        return node;
      });
    };
    return table(rows, fill, heads);
  }

  /** A stretch of the text cut where a page, the passage or the quote begins or ends. */
  #pieces(first, last) {
    const { passage, citation, start } = this;
    const inside = (from, to, offset) => offset >= from && offset < to;
    const cuts = new Set([first, last, passage.start, passage.end, ...this.marks.keys()]);
    if (citation) cuts.add(citation.start).add(citation.end);
    const ordered = [...cuts].filter((cut) => cut >= first && cut <= last).sort((one, other) => one - other);
    return ordered.slice(0, -1).flatMap((from, index) => {
      const text = this.text.slice(from - start, ordered[index + 1] - start).join("");
      const quoted = citation && inside(citation.start, citation.end, from);
      const marked = quoted || inside(passage.start, passage.end, from);
      const mark = this.marks.get(from);
      return [
        mark && from > start ? say(h("span", { className: "leaf" }), "plain", { text: place([mark]) }) : "",
        marked ? h("mark", { className: quoted ? "quote" : "passage" }, text) : text,
      ];
    });
  }

  #more(side, there) {
    if (!there) return "";
    const button = say(h("button", { type: "button", className: "quiet more" }), side);
    button.onclick = async () => {
      button.disabled = true;
      try {
        await (side === "before" ? this.#earlier() : this.#later());
      } catch (problem) {
        this.#failed(problem);
      }
    };
    return button;
  }

  async #earlier() {
    const from = Math.max(0, this.start - MORE);
    const below = this.box.scrollHeight - this.box.scrollTop;
    await this.#fetch(from, this.start - from, (text) => {
      this.text = [...text, ...this.text];
      this.start = from;
    });
    this.#draw();
    this.box.scrollTop = this.box.scrollHeight - below; // what was being read stays where it is
    at("panel-title")?.focus({ preventScroll: true });
  }

  async #later() {
    const scrolled = this.box.scrollTop;
    await this.#fetch(this.start + this.text.length, MORE, (text) => {
      this.text = [...this.text, ...text];
    });
    this.#draw();
    this.box.scrollTop = scrolled;
    at("panel-title")?.focus({ preventScroll: true });
  }

  /** What may not be read any more is not left on the screen either. */
  #failed(problem) {
    if (this.signal.aborted) return;
    const gone = problem.kind === "not-found";
    const key = gone ? "gone" : problem.kind === "changed" ? "changed" : `problem_${problem.kind}`;
    const title = h("h2", { id: "panel-title", tabIndex: -1 });
    say(title, known(key) ? key : "problem_internal-error");
    this.where.replaceChildren();
    this.box.replaceChildren(title, gone ? say(h("p", { className: "lead" }), "gone_note") : "");
    title.focus({ preventScroll: true });
    if (problem.kind === "not-authenticated") throw problem;
  }
}

/** Where a line ends in the document. */
function endOf({ from, text }) {
  return from + [...text].length;
}

/** Whether a place of the document stands in these lines. */
function holds(lines, at) {
  return lines[0].from <= at && at <= endOf(lines.at(-1));
}
