// Where to search and how to be answered, as the person chose it.

import { h } from "./dom.js";
import { say, tell } from "./words.js";

const QUOTES = "quotes"; // as a choice of model: nobody writes, sentences are quoted
const PAGE = 500; // documents in one reply
const MOST = 5_000; // documents that the list of collections and folders is made from

export class Choices {
  constructor(service, memory, changed) {
    this.service = service;
    this.memory = memory;
    this.changed = changed;
  }

  /** What goes into a question. */
  get options() {
    const { model, collection, folder } = this.#chosen();
    const asked = {};
    if (model === QUOTES) asked.answerer = "quotes";
    else if (model) asked.model = model;
    if (collection || folder)
      asked.filters = { ...(collection ? { collection } : {}), ...(folder ? { path_prefix: folder } : {}) };
    return asked;
  }

  /** The choice in words, as pairs of key and values. */
  get summary() {
    const { model, collection, folder } = this.#chosen();
    const where = [];
    if (collection) where.push(["in_collection", { name: collection }]);
    if (folder) where.push(["in_folder", { name: folder }]);
    if (!where.length) where.push(["all_documents", {}]);
    if (model) where.push(model === QUOTES ? ["by_quotes", {}] : ["plain", { text: model }]);
    return where;
  }

  /** The nodes of the panel; what can be chosen is asked for when it opens. */
  view(signal) {
    const waiting = say(h("p", { className: "stage", role: "status" }), "loading");
    const form = h("form", { className: "form" }, say(h("p", { className: "lead" }), "choices_lead"), waiting);
    form.onsubmit = (event) => event.preventDefault();
    this.#fill(form, waiting, signal);
    return [form];
  }

  async #fill(form, waiting, signal) {
    try {
      const [{ documents, more }, models] = await Promise.all([this.#documents(signal), this.service.models(signal)]);
      const collections = distinct(documents.map((each) => each.collection));
      const folders = distinct(documents.map((each) => /^[^/]+\//.exec(each.path)?.[0]));
      const gone = this.#forgetMissing({ collections, folders, models, more });
      waiting.remove();
      form.append(
        gone ? say(h("p", { className: "aside", role: "status" }), "choices_gone") : "",
        this.#where(collections, folders),
        more ? say(h("p", { className: "fine" }), "choices_part", { n: documents.length }) : "",
        this.#how(models),
        say(h("p", { className: "fine" }), "choices_note"),
      );
    } catch (problem) {
      if (signal.aborted) return;
      say(waiting, "choices_failed");
      waiting.className = "aside";
    }
  }

  async #documents(signal) {
    const documents = [];
    let cursor = null;
    do {
      const page = await this.service.documents(PAGE, cursor, signal);
      documents.push(...page.documents);
      cursor = page.next;
    } while (cursor && documents.length < MOST);
    return { documents, more: Boolean(cursor) };
  }

  #where(collections, folders) {
    const all = ["everything", ""];
    return h(
      "fieldset",
      {},
      say(h("legend"), "search_in"),
      this.#select("collection", "collection", [all, ...collections.map(named)]),
      this.#select("folder", "folder", [all, ...folders.map(named)]),
    );
  }

  #how(models) {
    const written = models.filter((model) => model.owned_by === "model-server").map((model) => model.id);
    return this.#select("answer_with", "model", [["as_set", ""], ...written.map(named), ["quotes_only", QUOTES]]);
  }

  /** `options`: pairs of what is said, a key or {name}, and the value. */
  #select(key, kept, options) {
    const field = h(
      "select",
      {},
      options.map(([said, value]) => {
        const option = h("option", { value });
        return typeof said === "string" ? say(option, said) : say(option, "plain", { text: said.name });
      }),
    );
    field.value = this.#chosen()[kept] ?? "";
    field.onchange = () => this.#set(kept, field.value || undefined);
    return h("label", { className: "labelled" }, say(h("span"), key), field);
  }

  /** Whether something had been chosen that is no longer offered. */
  #forgetMissing({ collections, folders, models, more }) {
    const { model, collection, folder } = this.#chosen();
    const lost = [];
    if (!more && collection && !collections.includes(collection)) lost.push("collection");
    if (!more && folder && !folders.includes(folder)) lost.push("folder");
    if (model && model !== QUOTES && !models.some((each) => each.id === model)) lost.push("model");
    for (const kept of lost) this.#set(kept, undefined);
    return lost.some((kept) => kept !== "model");
  }

  #chosen() {
    return this.memory.get("choices") ?? {};
  }

  #set(kept, value) {
    const all = { ...this.#chosen(), [kept]: value };
    const some = Object.values(all).some((each) => each !== undefined);
    this.memory.set("choices", some ? all : undefined);
    this.changed();
    tell("plain", { text: this.summary });
  }
}

function named(name) {
  return [{ name }, name];
}

function distinct(names) {
  return [...new Set(names.filter(Boolean))].sort((one, other) => one.localeCompare(other));
}
