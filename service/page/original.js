// The file that a document was made from: to look at, or to keep.

import { h } from "./dom.js";
import { saveFile } from "./export.js";
import { known, say } from "./words.js";

const SHOWN = new Map([
  ["application/pdf", "application/pdf"],
  ["image/png", "image/png"],
  ["image/jpeg", "image/jpeg"],
  ["text/plain", "text/plain;charset=utf-8"],
]); // by browsers, and nothing in them runs

/** Buttons for the original of a passage, or nothing if none is kept. `version`: of the file, as the service told it. */
export function original(service, passage, version, page, signal) {
  if (!version) return [];
  const row = h("div", { className: "actions originals" });
  const said = h("p", { className: "aside", role: "alert", hidden: true });
  const file = { service, passage, version, signal, said };
  const type = passage.media_type;
  if (SHOWN.has(type)) row.append(button(file, opens(page, type), true, (blob) => look(blob, type, page)));
  row.append(button(file, ["download", {}], false, (blob) => saveFile(passage.path.split("/").at(-1), blob)));
  return [row, said];
}

function opens(page, type) {
  return type === "application/pdf" && page ? ["original_page", { n: String(page.number) }] : ["original", {}];
}

/** Fetched when it is pressed, so that the service checks again who asks. */
function button({ service, passage, version, signal, said }, [key, given], inline, use) {
  const made = say(h("button", { type: "button", className: "secondary" }), key, given);
  made.onclick = async () => {
    if (made.ariaDisabled === "true") return;
    made.ariaDisabled = "true";
    said.hidden = true;
    say(made, "fetching");
    try {
      use(await service.original(passage.document_id, version, inline, signal));
    } catch (problem) {
      if (signal.aborted) return;
      say(said, wrong(problem));
      said.hidden = false;
    }
    made.ariaDisabled = null;
    say(made, key, given);
  };
  return made;
}

function wrong({ kind }) {
  if (kind === "not-found") return "original_gone";
  return known(`problem_${kind}`) ? `problem_${kind}` : "problem_internal-error";
}

/** In a tab of its own. The kind of file is the one that was expected, whatever came: nothing in it can become a page. */
function look(blob, type, page) {
  const address = URL.createObjectURL(new Blob([blob], { type: SHOWN.get(type) }));
  const shown = window.open(type === "application/pdf" && page ? `${address}#page=${page.number}` : address, "_blank");
  if (shown) shown.opener = null;
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
