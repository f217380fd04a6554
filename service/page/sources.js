// What stands below an answer: how much of it the passages support, and the sources that it cites.

import { h } from "./dom.js";
import { placeOf } from "./export.js";
import { say } from "./words.js";

/** A line that tells how many sentences are supported. */
export function share(sentences) {
  const supported = sentences.filter((sentence) => sentence.supported).length;
  return say(h("p", { className: "fine" }), "supported", { supported, n: sentences.length });
}

/** Buttons for the sources, each once. `open(passage, citation, button)`: opens one in its document. */
export function sourceList(citations, passages, open) {
  const entries = citations.map((citation) => {
    const passage = passages.find((shown) => shown.n === citation.n);
    const button = source(citation);
    button.onclick = () => open(passage, citation, button);
    return h("li", {}, button);
  });
  return h("section", { className: "sources" }, say(h("h3"), "sources"), h("ol", {}, entries));
}

function source(citation) {
  return h(
    "button",
    { type: "button", className: "source" },
    h("span", { className: "number" }, String(citation.n)),
    h(
      "span",
      { className: "about" },
      h("span", { className: "name", dir: "auto" }, citation.title),
      say(h("span", { className: "where", dir: "auto" }), "plain", { text: placeOf(citation) }),
    ),
    citation.supported ? null : say(h("span", { className: "chip" }), "unsupported"),
  );
}
