// The panel of kept conversations: whether any are kept, and what can be done with those that are.

import { h } from "./dom.js";
import { asMarkdown, save } from "./export.js";
import { say, tell, words } from "./words.js";

export class Conversations {
  /** `does`: open(conversation) shows one; current() keeps the one on the page, from now on. */
  constructor(kept, memory, does) {
    this.kept = kept;
    this.memory = memory;
    this.does = does;
  }

  /** The nodes of the panel. */
  view(signal) {
    this.signal = signal;
    this.settings = h("div", { className: "form" });
    this.list = h("div", { className: "kept" });
    this.#draw();
    return [this.settings, this.list];
  }

  /** `focus`: what is focused once it is drawn anew. */
  async #draw(focus = null) {
    const all = await this.kept.list().catch(() => []);
    if (this.signal.aborted) return;
    this.settings.replaceChildren(...this.#settings(all));
    this.list.replaceChildren(...(this.kept.wanted ? this.#entries(all) : []));
    if (focus) (this.list.querySelector(focus) ?? this.settings.querySelector(focus) ?? this.settings.querySelector("input")).focus();
  }

  #settings(all) {
    const keep = checkbox("keep", this.kept.wanted);
    keep.field.onchange = () => (keep.field.checked ? this.#begin(keep) : this.#end(keep, all));
    const nodes = [keep.node, say(h("p", { className: "fine" }), "keep_note")];
    if (!this.kept.wanted) return nodes;
    const after = checkbox("keep_after", this.memory.get("after") === true);
    after.field.onchange = () => this.memory.set("after", after.field.checked || undefined);
    return [...nodes, after.node, say(h("p", { className: "fine" }), "keep_after_note")];
  }

  async #begin(keep) {
    try {
      await this.kept.begin();
      await this.does.current();
      await this.#draw("input");
    } catch {
      keep.field.checked = false;
      this.settings.append(say(h("p", { className: "aside", role: "alert" }), "keep_failed"));
    }
  }

  async #end(keep, all) {
    if (all.length && !(await sure(keep.node, "keep_stop", { n: all.length }))) {
      keep.field.checked = true;
      keep.field.focus();
      return;
    }
    await this.kept.end();
    tell("deleted");
    await this.#draw("input");
  }

  #entries(all) {
    if (!all.length) return [say(h("p", { className: "fine" }), "none_kept")];
    const everything = say(h("button", { type: "button", className: "quiet" }), "delete_all");
    const row = h("div", { className: "actions" }, everything);
    everything.onclick = async () => {
      if (!(await sure(row, "delete_everything", { n: all.length }))) return everything.focus();
      await this.kept.clear();
      tell("deleted");
      await this.#draw("input");
    };
    return [h("ol", { className: "entries" }, all.map((each) => this.#entry(each))), row];
  }

  #entry(conversation) {
    const { id, title, at, turns } = conversation;
    const name = h("span", { className: "name", dir: "auto" }, title);
    const when = [["kept_at", { at: new Date(at), n: [["kept_turns", { n: turns.length }]] }]];
    const button = h(
      "button",
      { type: "button", className: "source" },
      h("span", { className: "about" }, name, say(h("span", { className: "where" }), "plain", { text: when })),
    );
    button.dataset.kept = id;
    button.onclick = () => this.does.open(conversation);
    const row = h("div", { className: "actions" });
    const item = h("li", {}, button, row);
    row.append(
      this.#action("rename", title, () => this.#rename(item, conversation)),
      this.#action("save_markdown", title, () => save(`${title}.md`, "text/markdown", asMarkdown(conversation))),
      this.#action("save_json", title, () => save(`${title}.json`, "application/json", asJson(conversation))),
      this.#action("delete", title, () => this.#remove(row, conversation)),
    );
    return item;
  }

  #action(key, title, act) {
    const button = say(h("button", { type: "button", className: "quiet small" }), key);
    say(button, "about_conversation", { action: [[key, {}]], title }, "sayLabel");
    button.onclick = act;
    return button;
  }

  #rename(item, conversation) {
    const field = h("input", { type: "text", value: conversation.title, maxLength: 120, dir: "auto", required: true });
    const form = h(
      "form",
      { className: "renaming" },
      h("label", { className: "labelled" }, say(h("span"), "new_name"), field),
      say(h("button", { className: "secondary" }), "save"),
    );
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (field.value.trim()) await this.kept.rename(conversation.id, field.value.trim());
      await this.#draw(`[data-kept="${conversation.id}"]`);
    };
    field.onkeydown = (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      event.preventDefault();
      this.#draw(`[data-kept="${conversation.id}"]`);
    };
    item.replaceChildren(form);
    field.select();
  }

  async #remove(row, { id }) {
    if (!(await sure(row, "delete_one"))) return row.querySelector("button:last-child").focus();
    await this.kept.remove(id);
    tell("deleted");
    await this.#draw("[data-kept]");
  }
}

function checkbox(key, checked) {
  const field = h("input", { type: "checkbox", checked });
  return { field, node: h("label", { className: "check" }, field, say(h("span"), key)) };
}

/** Asks below a node whether it is meant. */
function sure(node, key, given = {}) {
  return new Promise((resolve) => {
    const yes = say(h("button", { type: "button", className: "secondary danger" }), "delete");
    const no = say(h("button", { type: "button", className: "secondary" }), "cancel");
    const box = h("div", { className: "sure", role: "alertdialog" }, say(h("p"), key, given), h("div", { className: "actions" }, yes, no));
    box.ariaLabel = words(key, given);
    for (const [button, answer] of [[yes, true], [no, false]])
      button.onclick = () => {
        box.remove();
        resolve(answer);
      };
    node.after(box);
    no.focus();
  });
}

function asJson({ title, at, turns }) {
  return JSON.stringify({ title, at: new Date(at).toISOString(), turns }, null, 2);
}
