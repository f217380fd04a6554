// The conversation on the page: what was asked, what is being asked, and what is kept of it.

import { Problem } from "./api.js";
import { at, h } from "./dom.js";
import { newId } from "./kept.js";
import { Turn } from "./turn.js";
import { say, tell, words } from "./words.js";

const HISTORY_TURNS = 20;
const HISTORY_CHARACTERS = 60_000;
const TITLE_CHARACTERS = 80;

export class Conversation {
  /**
   * `person`: {service, choices, kept} of who is signed in. `does`: open and context of the panel, busy(now), and
   * signedOut() if the service knows the person no more.
   */
  constructor(person, does) {
    this.person = person;
    this.does = does;
    this.id = newId();
    this.title = null; // that of a kept one; if null, its first question
    this.turns = [];
    this.asking = null; // what stops the question on its way
  }

  async ask(question, options = {}, about = question) {
    this.asking?.abort();
    const running = (this.asking = new AbortController());
    const asked = { question, history: this.#earlier(), ...this.person.choices.options, ...options };
    const turn = this.#begin(question, about);
    this.does.busy(true);
    try {
      for await (const [name, payload] of this.person.service.ask(asked, running.signal)) {
        if (running.signal.aborted) break;
        turn.take(name, payload);
      }
    } catch (error) {
      if (!running.signal.aborted) this.#trouble(error, turn);
    }
    if (this.asking !== running) return; // another question, or nobody, has taken its place
    if (running.signal.aborted && !turn.finished) turn.stopped();
    this.asking = null;
    this.does.busy(false);
    this.keep();
  }

  stop() {
    this.asking?.abort();
  }

  /** Leaves nothing of it behind. */
  end() {
    this.stop();
    this.asking = null;
    this.turns = [];
  }

  /** Keeps it in the browser if the person wants that. */
  async keep() {
    const turns = this.turns.map((turn) => turn.kept).filter(Boolean);
    if (!turns.length || !this.person.kept.wanted) return;
    const title = this.title ?? turns[0].question.replace(/\s+/g, " ").slice(0, TITLE_CHARACTERS);
    await this.person.kept.put({ id: this.id, at: Date.now(), title, turns }).catch(() => {}); // full, or forbidden since
  }

  /** Shows a kept one, and goes on with it. */
  restore({ id, title, at: then, turns }) {
    this.id = id;
    this.title = title;
    at("turns").append(say(h("p", { className: "fine reopened" }), "reopened", { at: new Date(then) }));
    for (const { question, about, reply } of turns) this.#begin(question, about).restore(reply);
    this.turns.at(-1)?.node.scrollIntoView({ block: "start" });
    tell("reopened", { at: new Date(then) });
  }

  #begin(question, about) {
    const turn = new Turn(
      question,
      at("spoken"),
      {
        service: this.person.service,
        open: this.does.open,
        context: this.does.context,
        again: (its, options) => this.#again(its, options),
        goOn: (its) => this.#goOn(its),
      },
      about,
    );
    this.turns.push(turn);
    at("welcome").hidden = true;
    at("talk-title").hidden = false;
    at("fresh").hidden = false;
    at("turns").append(turn.node);
    say(at("question"), "ask_more", {}, "sayPlaceholder");
    turn.node.scrollIntoView({ block: "start" });
    return turn;
  }

  #again(turn, options) {
    if (this.asking) return;
    this.turns = this.turns.filter((other) => other !== turn);
    turn.node.remove();
    at("question").focus();
    this.ask(turn.question, options, turn.about);
  }

  /** What is asked stands alone, so that the same passages are found once more. */
  #goOn(turn) {
    if (this.asking) return;
    at("question").focus();
    this.ask(words("continue_question", { question: turn.about }), {}, turn.about);
  }

  #trouble(error, turn) {
    if (error.status === 401) this.does.signedOut();
    else turn.failed(error instanceof Problem ? error : new Problem("broken-off"));
  }

  /** The latest finished turns, oldest first, as much as is worth sending. */
  #earlier() {
    let room = HISTORY_CHARACTERS;
    const sent = [];
    for (const turn of this.turns.flatMap((each) => each.history).reverse().slice(0, HISTORY_TURNS)) {
      room -= turn.content.length;
      if (room < 0) break;
      sent.unshift(turn);
    }
    return sent;
  }
}
