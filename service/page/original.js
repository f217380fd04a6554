// The file that a document was made from: to look at, or to keep.

import { h } from "./dom.js";
import { saveFile } from "./export.js";
import { say } from "./words.js";

const SHOWN = new Set(["application/pdf", "image/png", "image/jpeg", "text/plain"]); // by browsers, and nothing in them runs

/** Buttons for the original of a passage, or nothing if none is kept. `version`: of the file, as the service told it. */
export function original(service, passage, version, page, signal) {
  if (!version) return "";
  const row = h("div", { className: "actions originals" });
  const file = { service, passage, version, page, signal, row };
  const type = passage.media_type;
  if (SHOWN.has(type)) row.append(button(file, opens(page, type), true, (blob) => look(blob, type, page)));
  row.append(button(file, ["download", {}], false, (blob) => saveFile(passage.path.split("/").at(-1), blob)));
  return row;
}

function opens(page, type) {
  return type === "application/pdf" && page ? ["original_page", { n: String(page.number) }] : ["original", {}];
}

/** Fetched when it is pressed, so that the service checks again who asks. */
function button({ service, passage, version, signal, row }, [key, given], inline, use) {
  const made = say(h("button", { type: "button", className: "secondary" }), key, given);
  made.onclick = async () => {
    if (made.ariaDisabled === "true") return;
    made.ariaDisabled = "true";
    say(made, "fetching");
    try {
      use(await service.original(passage.document_id, version, inline, signal));
    } catch {
      if (signal.aborted) return;
      row.after(say(h("p", { className: "aside", role: "alert" }), "original_gone"));
    }
    made.ariaDisabled = null;
    say(made, key, given);
  };
  return made;
}

/** In a tab of its own. The kind of file is the one that was expected, whatever came: nothing in it can become a page. */
function look(blob, type, page) {
  const address = URL.createObjectURL(new Blob([blob], { type }));
  const shown = window.open(type === "application/pdf" && page ? `${address}#page=${page.number}` : address, "_blank");
  if (shown) shown.opener = null;
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
