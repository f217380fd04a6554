// Passages that do not answer, but come near, for a question that found no answer.

import { h, icon } from "./dom.js";
import { placeOf } from "./export.js";
import { laidOut } from "./tables.js";
import { say } from "./words.js";

const OPEN = "M8 5l5 5-5 5";

/** A section with the passages, folded. `open(passage, citation, button)`: opens one in its document. */
export function near(passages, open) {
  const entries = passages.map((passage) => {
    const button = h("button", { type: "button", className: "quiet small" }, icon(OPEN), say(h("span"), "near_open"));
    button.onclick = () => open({ id: passage.id, title: passage.title }, null, button);
    const heading = h(
      "summary",
      {},
      h("span", { className: "about" }, name(passage), say(h("span", { className: "where", dir: "auto" }), "plain", { text: placeOf(passage) })),
    );
    return h("li", {}, h("details", { className: "near" }, heading, text(passage), button));
  });
  return h("section", { className: "sources" }, say(h("h3"), "near"), h("ol", {}, entries));
}

function name({ title }) {
  return h("span", { className: "name", dir: "auto" }, title);
}

/** What stands there; a kept conversation holds no text of documents. */
function text({ spans = [], language }) {
  if (!spans.length) return null;
  const nodes = spans.flatMap(({ header, text: words }) =>
    laidOut([header, words].filter(Boolean).join("\n"), (header || "").split("\n")),
  );
  return h("div", { className: "near-text", lang: language ?? "" }, nodes);
}
