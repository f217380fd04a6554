// One question and its answer: how it grows, what it cites, what went wrong.

import { h, icon, positions } from "./dom.js";
import { show } from "./markdown.js";
import { known, place, say, tell } from "./words.js";

const SENTENCE = /[.!?](?=\s)|[。！？\n]/g;
const REPORTED = new Set(["internal-error", "corpus-unavailable", "model-broken"]); // for whoever runs the service
const COPY = "M7 7V4h9v9h-3M4 7h9v9H4z";
const READ = "M3 5h14M3 10h14M3 15h8";

export class Turn {
  /** `does`: what its buttons do: open(passage, citation, opener), context(turn, opener), again(turn, options). */
  constructor(question, spoken, does) {
    this.question = question;
    this.text = "";
    this.passages = [];
    this.citations = new Map(); // by where the marker stands in the text
    this.reply = null;
    this.finished = false;
    this.spoken = spoken;
    this.does = does;
    this.heard = 0; // how much of the text has been read out
    this.searched = h("p", { className: "searched", dir: "auto", hidden: true });
    this.stage = h("p", { className: "stage" });
    this.label = h("div", { className: "labels" });
    this.answer = h("div", { className: "answer", dir: "auto", "aria-busy": "true" });
    this.foot = h("div", { className: "foot" });
    this.node = h(
      "article",
      { className: "turn busy" },
      h("h2", { className: "asked", dir: "auto", tabIndex: -1 }, question),
      this.searched,
      this.stage,
      this.label,
      this.answer,
      this.foot,
    );
    this.spoken.replaceChildren();
    this.#stage("searching");
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
    } else if (name === "done") {
      this.#done(payload);
    }
  }

  stopped() {
    this.#end();
    this.foot.append(say(h("p", { className: "aside" }), "stopped"));
    this.#actions();
    tell("stopped");
  }

  /** Says what went wrong and what can be done about it. */
  failed(problem) {
    this.#end();
    const key = known(`problem_${problem.kind}`) ? problem.kind : problem.status === 429 ? "too-many" : null;
    const title = h("p", { className: "problem-title" });
    if (key) say(title, `problem_${key}`);
    else title.textContent = problem.title ?? problem.kind;
    const box = h("div", { className: "problem", role: "alert" }, title);
    if (problem.detail) box.append(h("p", { dir: "auto" }, problem.detail));
    else if (key && known(`problem_${key}_note`)) box.append(say(h("p"), `problem_${key}_note`));
    if (problem.request && REPORTED.has(problem.kind))
      box.append(say(h("p", { className: "fine" }), "request", { id: problem.request }));
    box.append(h("div", { className: "actions" }, this.#retry(problem), this.#quotes(problem)));
    this.foot.append(box);
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

  /** The answer and its sources as plain text. */
  get copied() {
    const sources = this.#sources().map((source) => {
      const where = say(h("span"), "plain", { text: this.#place(source) }).textContent;
      return `[${source.n}] ${[source.title, where].filter(Boolean).join(", ")} (${source.path})`;
    });
    const heading = say(h("span"), "sources").textContent;
    return sources.length ? `${this.text}\n\n${heading}\n${sources.join("\n")}\n` : `${this.text}\n`;
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
    const focused = this.answer.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    show(this.answer, this.text, (n, position) => this.#marker(n, position));
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
    const where = this.#place(source);
    const given = { n: source.n, title: source.title, place: where };
    say(button, where.length ? "marker_place" : "marker", given, "sayLabel");
    if (citation && !citation.supported) {
      button.classList.add("weak");
      say(button, "unsupported_note", {}, "sayTitle");
    }
  }

  #button(position) {
    return this.answer.querySelector(`[data-at="${CSS.escape(position)}"]`);
  }

  #cited(list) {
    const starts = positions(this.text, list.map((citation) => citation.span[0]));
    list.forEach((citation, index) => {
      this.citations.set(starts[index], citation);
      const button = this.#button(String(starts[index]));
      if (button) this.#describe(button, citation, citation);
    });
  }

  #place(source) {
    return place(source.pages ?? (source.page ? [source.page] : []), source.section);
  }

  #done(reply) {
    this.reply = reply;
    this.#searched(reply.standalone_question);
    this.passages = reply.passages;
    this.text = reply.answer;
    this.finished = true;
    this.#cited(reply.citations);
    this.#end();
    if (reply.abstained) this.#tag("nothing", "nothing_note");
    else if (reply.answerer === "quotes") this.#tag("quoted", "quoted_note");
    if (reply.notice) this.label.append(h("p", { className: "aside", dir: "auto" }, reply.notice));
    this.#list();
    this.#actions();
    tell(reply.abstained ? "nothing" : "finished", { n: this.#sources().length });
  }

  #end() {
    this.#draw();
    this.#read(true);
    this.stage.remove();
    this.node.classList.remove("busy");
    this.answer.removeAttribute("aria-busy");
  }

  #tag(key, note) {
    this.label.append(
      h("p", { className: `tag ${key}` }, say(h("strong"), key), " ", say(h("span"), note)),
    );
  }

  /** The cited passages, each once, in the order of the text; each as its first citation has it that holds. */
  #sources() {
    const found = new Map();
    for (const [, citation] of [...this.citations].sort(([one], [other]) => one - other))
      if (!found.has(citation.n) || (citation.supported && !found.get(citation.n).supported))
        found.set(citation.n, citation);
    return [...found.values()];
  }

  #list() {
    const sources = this.#sources();
    if (!sources.length) return;
    const entries = sources.map((citation) => {
      const passage = this.passages.find((shown) => shown.n === citation.n);
      const button = h(
        "button",
        { type: "button", className: "source" },
        h("span", { className: "number" }, String(citation.n)),
        h(
          "span",
          { className: "about" },
          h("span", { className: "name", dir: "auto" }, citation.title),
          say(h("span", { className: "where", dir: "auto" }), "plain", { text: this.#place(citation) }),
        ),
        citation.supported ? null : say(h("span", { className: "chip" }), "unsupported"),
      );
      button.onclick = () => this.does.open(passage, citation, button);
      return h("li", {}, button);
    });
    const heading = say(h("h3"), "sources");
    this.foot.append(h("section", { className: "sources" }, heading, h("ol", {}, entries)));
  }

  #actions() {
    const row = h("div", { className: "actions" });
    if (this.text) row.append(this.#copy());
    if (this.reply) {
      const button = h("button", { type: "button", className: "quiet" }, icon(READ), say(h("span"), "context"));
      button.onclick = () => this.does.context(this, button);
      row.append(button);
    }
    this.foot.append(row);
  }

  #copy() {
    const words = say(h("span"), "copy");
    const button = h("button", { type: "button", className: "quiet" }, icon(COPY), words);
    button.onclick = async () => {
      const key = (await copy(this.copied)) ? "copied" : "copy_failed";
      say(words, key);
      tell(key);
      setTimeout(() => say(words, "copy"), 2000);
    };
    return button;
  }

  #retry(problem) {
    const button = h("button", { type: "button", className: "secondary" });
    button.onclick = () => button.ariaDisabled !== "true" && this.does.again(this);
    this.#count(button, Math.ceil(problem.retryAfter ?? 0));
    return button;
  }

  /** Counts the seconds down until it may be tried again. */
  #count(button, seconds) {
    if (seconds <= 0) {
      button.ariaDisabled = null;
      say(button, "try_again");
      return;
    }
    button.ariaDisabled = "true";
    say(button, "wait", { n: seconds });
    setTimeout(() => this.#count(button, seconds - 1), 1000);
  }

  #quotes(problem) {
    if (!problem.kind.startsWith("model-") && problem.kind !== "broken-off") return null;
    const button = say(h("button", { type: "button", className: "secondary" }), "with_quotes");
    button.onclick = () => this.does.again(this, { answerer: "quotes" });
    return button;
  }
}

/** Puts a text on the clipboard; browsers offer the new way only over HTTPS and on the same machine. */
async function copy(text) {
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
