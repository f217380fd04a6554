// What went wrong with a question, in words, with what can be done about it.

import { h } from "./dom.js";
import { known, say } from "./words.js";

const REPORTED = new Set(["internal-error", "corpus-unavailable", "model-broken"]); // for whoever runs the service

/** `again(options)`: asks the same question once more. */
export function trouble(problem, again) {
  const key = known(`problem_${problem.kind}`) ? problem.kind : problem.status === 429 ? "too-many" : null;
  const title = h("p", { className: "problem-title" });
  if (key) say(title, `problem_${key}`);
  else title.textContent = problem.title ?? problem.kind;
  const box = h("div", { className: "problem", role: "alert" }, title);
  if (problem.detail) box.append(h("p", { dir: "auto" }, problem.detail));
  else if (key && known(`problem_${key}_note`)) box.append(say(h("p"), `problem_${key}_note`));
  if (problem.request && REPORTED.has(problem.kind))
    box.append(say(h("p", { className: "fine" }), "request", { id: problem.request }));
  box.append(h("div", { className: "actions" }, retry(problem, again), quotes(problem, again) ?? ""));
  return box;
}

function retry(problem, again) {
  const button = h("button", { type: "button", className: "secondary" });
  button.onclick = () => button.ariaDisabled !== "true" && again();
  count(button, Math.ceil(problem.retryAfter ?? 0));
  return button;
}

/** Counts the seconds down until it may be tried again. */
function count(button, seconds) {
  if (seconds <= 0) {
    button.ariaDisabled = null;
    say(button, "try_again");
    return;
  }
  button.ariaDisabled = "true";
  say(button, "wait", { n: seconds });
  setTimeout(() => count(button, seconds - 1), 1000);
}

function quotes(problem, again) {
  if (!problem.kind.startsWith("model-") && problem.kind !== "broken-off") return null;
  const button = say(h("button", { type: "button", className: "secondary" }), "with_quotes");
  button.onclick = () => again({ answerer: "quotes" });
  return button;
}
