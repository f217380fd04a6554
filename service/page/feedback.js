// Thumbs up or down for an answer, and why.

import { h, icon } from "./dom.js";
import { say, tell } from "./words.js";

const UP = "M6 9v8H3V9zM6 9l4-6c1.5 0 2 1 1.7 2.3L11 8h5c1 0 1.6.9 1.3 1.8l-1.8 6c-.2.7-.8 1.2-1.5 1.2H6";
const DOWN = "M6 11V3H3v8zM6 11l4 6c1.5 0 2-1 1.7-2.3L11 12h5c1 0 1.6-.9 1.3-1.8l-1.8-6C15.3 3.5 14.7 3 14 3H6";
const LONGEST = { reason: 1_000, expected: 2_000 };

export class Feedback {
  /** `service`: judge(answer, judgement) and takeBack(answer). */
  constructor(service, answer, question) {
    this.service = service;
    this.answer = answer;
    this.question = question;
    this.verdict = null;
    this.buttons = { up: this.#thumb("up", "good", UP), down: this.#thumb("down", "bad", DOWN) };
    this.form = h("form", { className: "judging form", hidden: true });
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.#explain();
    };
    this.said = h("p", { className: "fine" });
  }

  /** The two buttons, for the row of what can be done with an answer. */
  get thumbs() {
    return h("span", { className: "thumbs" }, this.buttons.up, this.buttons.down);
  }

  /** Where one says why, below that row. */
  get details() {
    return h("div", { className: "judged" }, this.said, this.form);
  }

  #thumb(verdict, key, path) {
    const button = h("button", { type: "button", className: "quiet icon thumb", "aria-pressed": "false" }, icon(path));
    say(button, key, {}, "sayLabel");
    say(button, key, {}, "sayTitle");
    button.onclick = () => (this.verdict === verdict ? this.#takeBack() : this.#judge(verdict));
    return button;
  }

  async #judge(verdict) {
    if (!(await this.#tried(() => this.service.judge(this.answer, { verdict })))) return;
    this.#press(verdict);
    this.#ask();
    this.#tell("thanks");
  }

  async #takeBack() {
    if (!(await this.#tried(() => this.service.takeBack(this.answer)))) return;
    this.#press(null);
    this.#close("taken_back");
  }

  async #explain() {
    const judgement = { verdict: this.verdict };
    for (const name of Object.keys(LONGEST)) {
      const written = this.fields[name]?.value.trim();
      if (written) judgement[name] = written;
    }
    if (this.fields.question.checked) judgement.question = this.question;
    if (!(await this.#tried(() => this.service.judge(this.answer, judgement)))) return;
    this.#close("sent");
    this.buttons[this.verdict].focus();
  }

  /** What was written there does not stay on the page. */
  #close(key) {
    this.form.hidden = true;
    this.form.replaceChildren();
    this.#tell(key);
  }

  async #tried(send) {
    try {
      await send();
      return true;
    } catch {
      this.#tell("feedback_failed");
      return false;
    }
  }

  #press(verdict) {
    this.verdict = verdict;
    for (const [name, button] of Object.entries(this.buttons)) button.ariaPressed = String(name === verdict);
  }

  #ask() {
    this.fields = { reason: area("reason"), question: h("input", { type: "checkbox" }) };
    if (this.verdict === "down") this.fields.expected = area("expected");
    this.form.replaceChildren(
      labelled("why", this.fields.reason),
      this.fields.expected ? labelled("expected", this.fields.expected) : "",
      h("label", { className: "check" }, this.fields.question, say(h("span"), "with_question")),
      h("div", { className: "actions" }, say(h("button", { className: "secondary" }), "send"), say(h("span", { className: "fine" }), "feedback_note")),
    );
    this.form.hidden = false;
  }

  #tell(key) {
    say(this.said, key);
    tell(key);
  }
}

function area(name) {
  return h("textarea", { rows: 2, maxLength: LONGEST[name], dir: "auto" });
}

function labelled(key, field) {
  return h("label", { className: "labelled" }, say(h("span"), key), field);
}
