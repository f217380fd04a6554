// One question and its answer: how it grows, what it cites, what supports it.

import { h, icon, positions } from "./dom.js";
import { asText, copy, placeOf, sourcesOf } from "./export.js";
import { Feedback } from "./feedback.js";
import { show } from "./markdown.js";
import { near } from "./near.js";
import { share, sourceList } from "./sources.js";
import { trouble } from "./trouble.js";
import { known, say, tell } from "./words.js";

const SENTENCE = /[.!?](?=\s)|[。！？\n]/g;
const COPY = "M7 7V4h9v9h-3M4 7h9v9H4z";
const READ = "M3 5h14M3 10h14M3 15h8";
const ON = "M10 4v12M5 11l5 5 5-5";
const WRITTEN_BY_NOBODY = "service"; // greetings, and what one can ask here

export class Turn {
  /**
   * `does`: what its buttons do: open(passage, citation, opener), context(turn, opener), again(turn, options), goOn(turn);
   * `service` takes what one thinks of the answer. `about`: the question that this one goes on with, if it does.
   */
  constructor(question, spoken, does, about = question) {
    this.question = question;
    this.about = about;
    this.text = "";
    this.passages = [];
    this.citations = new Map(); // by where the marker stands in the text
    this.doubts = new Map(); // sentences without support, by where they begin
    this.quotesFrom = null; // where quotes of the documents begin, below what the model wrote
    this.reply = null;
    this.finished = false;
    this.restored = false; // an answer of before, which is not read out
    this.spoken = spoken;
    this.does = does;
    this.heard = 0; // how much of the text has been read out
    this.#lay();
    this.spoken.replaceChildren();
    this.#stage("searching");
  }

  #lay() {
    this.searched = h("p", { className: "searched", dir: "auto", hidden: true });
    this.stage = h("p", { className: "stage" });
    this.label = h("div", { className: "labels" });
    this.answer = h("div", { className: "answer", dir: "auto", "aria-busy": "true" });
    this.below = h("div", { className: "answer", dir: "auto" });
    this.quotes = h("section", { className: "below" }, say(h("h3"), "quotes_below"), this.below);
    this.foot = h("div", { className: "foot" });
    this.node = h(
      "article",
      { className: "turn busy" },
      h("h2", { className: "asked", dir: "auto", tabIndex: -1 }, this.question),
      this.searched,
      this.stage,
      this.label,
      this.answer,
      this.foot,
    );
  }

  /** Takes one event of the stream. */
  take(name, payload) {
    if (name === "passages") {
      this.passages = payload.passages;
      this.#searched(payload.standalone_question);
      if (payload.passages.length) this.#stage("reading", { n: payload.passages.length });
    } else if (name === "token") {
      if (!this.text) this.#stage("writing");
      this.text += payload.text;
      this.#soon();
    } else if (name === "citation") {
      this.#cited([payload]);
    } else if (name === "support") {
      this.#doubt([payload]);
      this.#soon();
    } else if (name === "done") {
      this.#done(payload);
      tell(payload.abstained ? "nothing" : "finished", { n: sourcesOf(payload.citations).length });
    }
  }

  /** Shows an answer of before. */
  restore(reply) {
    this.restored = true;
    this.heard = reply.answer.length; // nobody waits for it
    this.#done(reply);
  }

  stopped() {
    this.#end();
    this.foot.append(say(h("p", { className: "aside" }), "stopped"));
    this.#actions();
    tell("stopped");
  }

  failed(problem) {
    this.#end();
    this.foot.append(trouble(problem, (options) => this.does.again(this, options)));
  }

  /** What goes into the next question's history. */
  get history() {
    if (!this.finished) return [];
    const said = this.text.replace(/[ \t]*\[\d+\]/g, "").trim();
    return [
      { role: "user", content: this.question },
      { role: "assistant", content: said },
    ];
  }

  /** What is kept of it in the browser if the person wants that: no text of documents but what the answer says. */
  get kept() {
    if (!this.finished) return null;
    const bare = ({ spans, header, quote, ...rest }) => rest;
    const { passages, citations, near: close = [], ...reply } = this.reply;
    return {
      question: this.question,
      about: this.about,
      reply: { ...reply, passages: passages.map(bare), citations: citations.map(bare), near: close.map(bare) },
    };
  }

  /** A follow-up is searched for as a question that stands alone; it is shown, so that nobody wonders. */
  #searched(question) {
    if (!question) return;
    say(this.searched, "searched_for", { text: question });
    this.searched.hidden = false;
  }

  #stage(key, given) {
    say(this.stage, key, given);
    tell(key, given);
  }

  #soon() {
    this.drawing ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    const cut = this.quotesFrom ?? this.text.length;
    const doubts = [...this.doubts.values()].sort((one, other) => one.start - other.start);
    show(this.answer, this.text.slice(0, cut), (n, position) => this.#marker(n, position), doubts);
    if (cut < this.text.length) {
      show(this.below, this.text.slice(cut), (n, position) => this.#marker(n, position + cut));
      this.answer.after(this.quotes);
    }
    if (focused) this.#button(focused)?.focus();
    this.#read();
  }

  /** Hands finished sentences to the region that is read out. */
  #read(all = false) {
    const rest = this.text.slice(this.heard);
    const ends = [...rest.matchAll(SENTENCE)].map((found) => found.index + 1);
    const end = all ? rest.length : (ends.at(-1) ?? 0);
    const said = rest.slice(0, end).replace(/\[\d+\]/g, "").replace(/[*`#]+/g, "").trim();
    this.heard += end;
    if (said) this.spoken.append(h("p", {}, said));
  }

  #marker(n, position) {
    const passage = this.passages.find((shown) => shown.n === n);
    if (!passage) return null;
    const button = h("button", { type: "button", className: "cite" }, String(n));
    button.dataset.at = position;
    button.onclick = () => this.does.open(passage, this.citations.get(position) ?? null, button);
    this.#describe(button, this.citations.get(position) ?? passage, this.citations.get(position));
    return button;
  }

  #describe(button, source, citation) {
    const where = placeOf(source);
    const given = { n: source.n, title: source.title, place: where };
    say(button, where.length ? "marker_place" : "marker", given, "sayLabel");
    if (citation && !citation.supported) {
      button.classList.add("weak");
      say(button, "unsupported_note", {}, "sayTitle");
    }
  }

  #button(position) {
    return this.node.querySelector(`.cite[data-at="${CSS.escape(position)}"]`);
  }

  #cited(list) {
    const starts = positions(this.text, list.map((citation) => citation.span[0]));
    list.forEach((citation, index) => {
      this.citations.set(starts[index], citation);
      const button = this.#button(String(starts[index]));
      if (button) this.#describe(button, citation, citation);
    });
  }

  /** Sentences that the passages do not support are marked, in words too. */
  #doubt(sentences) {
    const ends = positions(this.text, sentences.flatMap((sentence) => sentence.span));
    sentences.forEach(({ supported, reason }, index) => {
      const [start, end] = ends.slice(2 * index, 2 * index + 2);
      if (supported || this.doubts.has(start)) return;
      const key = known(`doubted_${reason}`) ? `doubted_${reason}` : "doubted";
      const node = say(h("span", { className: "chip doubt" }), key);
      this.doubts.set(start, { start, end, node: say(node, "doubted_note", {}, "sayTitle") });
    });
  }

  #done(reply) {
    this.reply = reply;
    this.#searched(reply.standalone_question);
    this.passages = reply.passages;
    this.text = reply.answer;
    this.finished = true;
    this.#cited(reply.citations);
    this.#weigh(reply.support ?? null);
    this.#end();
    this.#labels(reply);
    this.#sources(reply);
    if (reply.near?.length) this.foot.append(near(reply.near, this.does.open));
    this.#actions();
  }

  #weigh(support) {
    this.doubts.clear();
    if (!support) return;
    this.#doubt(support.sentences);
    if (support.quotes_from !== null) [this.quotesFrom] = positions(this.text, [support.quotes_from]);
  }

  #end() {
    this.#draw();
    this.#read(true);
    this.stage.remove();
    this.node.classList.remove("busy");
    this.answer.removeAttribute("aria-busy");
  }

  #labels(reply) {
    if (reply.abstained) this.#tag("nothing", "nothing_note");
    else if (reply.answerer === "quotes") this.#tag("quoted", "quoted_note");
    if (reply.notice) {
      this.label.append(h("p", { className: "aside", dir: "auto" }, reply.notice));
      if (!this.restored) this.spoken.append(h("p", {}, reply.notice));
    }
    if (reply.advice) this.foot.append(h("p", { dir: "auto" }, reply.advice));
    if (reply.cut_off) this.foot.append(this.#goOn());
  }

  #tag(key, note) {
    this.label.append(
      h("p", { className: `tag ${key}` }, say(h("strong"), key), " ", say(h("span"), note)),
    );
  }

  #goOn() {
    const button = h("button", { type: "button", className: "secondary" }, icon(ON), say(h("span"), "continue"));
    button.onclick = () => this.does.goOn(this);
    return h("div", { className: "cut-off" }, say(h("p", { className: "fine" }), "cut_off"), button);
  }

  #sources({ support }) {
    if (support?.sentences.length) this.foot.append(share(support.sentences));
    const sources = sourcesOf(this.citations.values());
    if (sources.length) this.foot.append(sourceList(sources, this.passages, this.does.open));
  }

  #actions() {
    const row = h("div", { className: "actions" });
    if (this.text) row.append(this.#copy());
    if (this.reply && this.reply.answerer !== WRITTEN_BY_NOBODY) row.append(this.#context());
    this.foot.append(row);
    if (!this.reply) return;
    const feedback = new Feedback(this.does.service, this.reply.answer_id, this.question);
    row.append(feedback.thumbs);
    this.foot.append(feedback.details);
  }

  #context() {
    const button = h("button", { type: "button", className: "quiet" }, icon(READ), say(h("span"), "context"));
    button.onclick = () => this.does.context(this, button);
    return button;
  }

  #copy() {
    const words = say(h("span"), "copy");
    const button = h("button", { type: "button", className: "quiet" }, icon(COPY), words);
    button.onclick = async () => {
      const copied = asText(this.text, this.citations.values(), this.reply?.notice);
      const key = (await copy(copied)) ? "copied" : "copy_failed";
      say(words, key);
      tell(key);
      setTimeout(() => say(words, "copy"), 2000);
    };
    return button;
  }
}
