// First questions to begin with, made of the titles of what the person may read.

import { h } from "./dom.js";
import { say, words } from "./words.js";

const FORMS = ["suggest_about", "suggest_points", "suggest_know"];
const LOOKED_AT = 40; // documents
const LONGEST = 80; // characters of a title

/** Fills the box with questions; without documents it stays away. `ask(question)` puts one of them. */
export async function suggest(service, box, ask, signal) {
  const { documents } = await service.documents(LOOKED_AT, null, signal).catch(() => ({ documents: [] }));
  if (signal.aborted) return;
  const titles = chosen(documents);
  box.hidden = titles.length === 0;
  if (box.hidden) return;
  const entries = titles.map((title, place) => {
    const button = h("button", { type: "button", className: "secondary", dir: "auto" });
    say(button, FORMS[place % FORMS.length], { title });
    button.onclick = () => ask(words(FORMS[place % FORMS.length], { title }));
    return h("li", {}, button);
  });
  box.replaceChildren(say(h("h2", { id: "suggested-title" }), "suggested"), h("ul", {}, entries));
}

/** Titles of the documents that changed last, one of each folder before any has a second. */
function chosen(documents) {
  const latest = [...documents].sort((one, other) => (other.modified_at ?? "").localeCompare(one.modified_at ?? ""));
  const seen = new Set();
  const rank = new Map(latest.map((each) => [each, order(each, seen)]));
  const titles = latest.sort((one, other) => rank.get(one) - rank.get(other)).map((each) => each.title.trim());
  return [...new Set(titles.filter((title) => title && title.length <= LONGEST))].slice(0, FORMS.length);
}

function order(document, seen) {
  const folder = document.path.split("/").slice(0, -1).join("/");
  const again = seen.has(folder);
  seen.add(folder);
  return again ? 1 : 0;
}
