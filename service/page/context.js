// What an answer was made from: the passages that were shown, those left out, and where the context window went.

import { h } from "./dom.js";
import { place, say } from "./words.js";

const PARTS = ["template", "question", "history", "passages", "answer", "unused"];

/** The nodes of this view; its title stands above them. `open(passage, citation, button)` opens one of the passages. */
export function context(turn, open) {
  const { reply } = turn;
  const cited = new Map([...reply.citations].reverse().map((citation) => [citation.n, citation]));
  return [
    say(h("p", { className: "lead" }), "context_lead"),
    ...ledger(reply),
    say(h("h3"), "shown", { n: reply.passages.length }),
    shown(reply, cited, open),
    ...leftOut(reply, open),
    ...details(reply),
  ];
}

function ledger({ budget, usage }) {
  if (budget.window === null) return [say(h("p", { className: "aside" }), "no_window")];
  const sizes = { ...budget, passages: budget.passages.reduce((sum, share) => sum + share.tokens, 0) };
  const parts = PARTS.filter((part) => sizes[part] > 0);
  const bar = h("div", { className: "bar-of-parts", "aria-hidden": "true" });
  for (const part of parts) {
    const piece = h("span", { className: `part of-${part}` });
    piece.style.flexGrow = sizes[part];
    bar.append(piece);
  }
  const rows = parts.map((part) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("span", { className: `key of-${part}`, "aria-hidden": "true" }), say(h("span"), `part_${part}`)),
      say(h("td"), "plain", { text: sizes[part] }),
    ),
  );
  const used = usage ? usage.prompt_tokens + usage.completion_tokens : budget.window - sizes.unused - sizes.answer;
  return [
    h("h3", {}, say(h("span"), "window"), say(h("span", { className: "beside-title" }), "window_note", { n: budget.window, used })),
    bar,
    h("table", { className: "ledger" }, h("tbody", {}, rows)),
    budget.dropped_turns ? say(h("p", { className: "aside" }), "dropped", { n: budget.dropped_turns }) : "",
  ];
}

function shown(reply, cited, open) {
  const tokens = new Map(reply.budget.passages.map((share) => [share.n, share.tokens]));
  const entries = reply.passages.map((passage) => {
    const where = place(passage.pages, passage.section);
    return entry(passage, where, cited.get(passage.n), open, [
      cited.has(passage.n) ? say(h("span", { className: "chip good" }), "cited") : null,
      passage.cut ? say(h("span", { className: "chip" }), "cut") : null,
      tokens.has(passage.n) ? say(h("span"), "tokens", { n: tokens.get(passage.n) }) : null,
    ]);
  });
  return h("ol", { className: "entries" }, entries);
}

function leftOut({ budget }, open) {
  if (!budget.left_out.length) return [say(h("p", { className: "fine" }), "nothing_left_out")];
  const entries = budget.left_out.map((left) => {
    const reason = left.reason === "cut" ? "cut_reason" : left.reason;
    const where = [...place(left.pages, left.section), [reason, {}]];
    return entry({ id: left.passage_id, title: left.title }, where, null, open, [
      say(h("span"), "characters", { n: left.characters }),
    ]);
  });
  return [say(h("h3"), "left_out", { n: entries.length }), h("ol", { className: "entries out" }, entries)];
}

function entry(passage, where, citation, open, beside) {
  const name = h("span", { className: "name", dir: "auto" }, passage.title ?? "");
  if (!passage.title) say(name, "another");
  const button = h(
    "button",
    { type: "button", className: "source" },
    h("span", { className: "number" }, String(passage.n ?? "–")),
    h("span", { className: "about" }, name, say(h("span", { className: "where", dir: "auto" }), "plain", { text: where })),
    h("span", { className: "aside-about" }, beside),
  );
  button.onclick = () => open(passage, citation ?? null, button);
  return h("li", {}, button);
}

function details(reply) {
  const { timings, usage } = reply;
  const rows = [
    ["model", reply.model ?? [["no_model", {}]]],
    ["template", reply.template],
    ["prompt_tokens", usage?.prompt_tokens],
    ["completion_tokens", usage?.completion_tokens],
    ["search_time", duration(timings.search_ms)],
    ["first_token_time", timings.first_token_ms === null ? null : duration(timings.first_token_ms)],
    ["total_time", duration(timings.total_ms)],
    ["answer_id", reply.answer_id],
    ["view_id", reply.view_id],
  ].filter(([, value]) => value !== null && value !== undefined);
  const list = rows.flatMap(([key, value]) => [say(h("dt"), key), say(h("dd"), "plain", { text: value })]);
  return [say(h("h3"), "details"), h("dl", { className: "details" }, list)];
}

function duration(milliseconds) {
  return milliseconds < 1000
    ? [["milliseconds", { n: Math.round(milliseconds) }]]
    : [["seconds", { n: Math.round(milliseconds / 100) / 10 }]];
}
