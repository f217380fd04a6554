// The panel beside the conversation: a passage in its document, or what an answer was made from.

import { at, h } from "./dom.js";
import { Reader } from "./reader.js";
import { context } from "./context.js";
import { say } from "./words.js";

const WIDE = matchMedia("(min-width: 1080px)");

export class Panel {
  constructor() {
    this.box = at("panel");
    this.place = at("panel-place");
    this.body = at("panel-body");
    this.back = at("panel-back");
    this.opener = null;
    this.turn = null; // whose context the back button leads to
    this.running = null;
    at("panel-close").onclick = () => this.close();
    this.back.onclick = () => this.context(this.turn, this.opener);
    this.box.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.box.open && !event.isComposing) this.close();
    });
    WIDE.addEventListener("change", () => {
      if (!this.box.open) return;
      this.box.close();
      this.#open();
    });
  }

  /** A passage, fetched now, so that the service checks again who asks. */
  async passage(service, passage, citation, opener, turn = null) {
    this.#show(opener, turn);
    this.back.hidden = turn === null;
    this.turn = turn;
    const reader = new Reader(service, passage, citation, this.running.signal);
    await reader.open(this.place, this.body);
  }

  /** What an answer was made from. */
  context(turn, opener) {
    this.#show(opener, turn);
    this.back.hidden = true;
    this.place.replaceChildren(say(h("h2", { id: "panel-title", tabIndex: -1 }), "context"));
    this.body.replaceChildren(...context(turn, (passage, citation, button) => this.does(passage, citation, button, turn)));
    this.#top();
  }

  /** Something of the page's own; `make(signal)`: its nodes. */
  view(key, opener, make) {
    this.#show(opener, null);
    this.back.hidden = true;
    this.place.replaceChildren(say(h("h2", { id: "panel-title", tabIndex: -1 }), key));
    this.body.replaceChildren(...make(this.running.signal));
    this.#top();
  }

  close() {
    this.left();
    this.wipe();
    if (this.opener?.isConnected) this.opener.focus();
    else at("question").focus();
    this.opener = null;
  }

  /** Closes it and leaves nothing in it. */
  wipe() {
    this.running?.abort();
    this.turn = null;
    this.place.replaceChildren();
    this.body.replaceChildren();
    if (this.box.open) this.box.close();
    document.body.classList.remove("beside");
  }

  #show(opener, turn) {
    this.running?.abort();
    this.running = new AbortController();
    if (!this.box.contains(opener)) this.opener = opener;
    this.turn = turn;
    this.place.replaceChildren();
    this.body.replaceChildren();
    this.#open();
  }

  #open() {
    document.body.classList.add("beside");
    if (this.box.open) return;
    if (WIDE.matches) this.box.show();
    else this.box.showModal();
  }

  #top() {
    this.body.scrollTop = 0;
    at("panel-title")?.focus({ preventScroll: true });
  }
}
