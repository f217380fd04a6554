// The page: who is signed in, what is asked, and that nothing is left when they go.

import { Problem, Service } from "./api.js";
import { at, h } from "./dom.js";
import { Panel } from "./panel.js";
import { Turn } from "./turn.js";
import { choose, preferred, say, speak, tell } from "./words.js";

const KEPT = "clearance.key";
const LINKED = "clearance.linked"; // where the address pointed before the sign-in at a provider
const HAS_SESSION = "__Host-clearance-page=1";
const FAILED = "#sign-in-failed";
const HISTORY_TURNS = 20;
const HISTORY_CHARACTERS = 60_000;
const LINK = /^#passage=([\w-]{1,64})$/;

const panel = new Panel();
let service = null; // null: nobody is signed in
let turns = [];
let asking = null; // what stops the question on its way

// --- who asks ------------------------------------------------------------------------------------------------------

async function signIn(key) {
  if (!key) return refuse("key_missing");
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse("problem_sign_in");
  const candidate = new Service(key);
  try {
    const who = await candidate.whoami(AbortSignal.timeout(20_000));
    service = candidate;
    sessionStorage.setItem(KEPT, key);
    enter(who.name.replace(/^user:/, ""));
  } catch (error) {
    if (error.status === 401) sessionStorage.removeItem(KEPT);
    refuse(error.status === 401 ? "problem_sign_in" : "problem_unreachable");
    if (error.status !== 401) at("key").value = key; // it may well be right
  }
}

/** Who has signed in at a provider needs no key. */
async function resume() {
  const candidate = new Service(null);
  try {
    const who = await candidate.whoami(AbortSignal.timeout(20_000));
    service = candidate;
    enter(who.name.replace(/^user:/, ""));
  } catch (error) {
    leave(error.status === 401 ? undefined : "problem_unreachable");
    follow();
  }
}

async function offerProviders() {
  const names = await Service.providers(AbortSignal.timeout(20_000)).catch(() => []);
  at("providers").replaceChildren(
    ...names.map((name) => {
      const link = h("a", { className: "primary", href: `sign-in?provider=${encodeURIComponent(name)}` });
      link.onclick = () => sessionStorage.setItem(LINKED, location.hash);
      return say(link, "sign_in_with", { name });
    }),
  );
  at("providers").hidden = names.length === 0;
}

async function signOut() {
  const leaving = service;
  unlink();
  leave("signed_out");
  if (leaving.key) return;
  const address = await leaving.signOut().catch(() => null);
  if (address) location.assign(address);
}

function refuse(key) {
  leave();
  say(at("key-problem"), key);
  at("key").ariaInvalid = "true";
  at("key").focus();
}

function enter(name) {
  at("key").value = "";
  at("key").ariaInvalid = null;
  say(at("key-problem"), "plain");
  at("who").textContent = name;
  say(at("who"), "signed_in", { name }, "sayTitle");
  for (const id of ["desk", "composer", "account", "skip"]) at(id).hidden = false;
  at("door").hidden = true;
  tell("signed_in", { name });
  fresh();
  follow();
}

/** Takes everything off the screen and out of storage. `key`: what is said at the door. */
function leave(key) {
  service = null;
  sessionStorage.removeItem(KEPT);
  wipe();
  for (const id of ["desk", "composer", "account", "skip", "fresh"]) at(id).hidden = true;
  at("who").textContent = "";
  say(at("who"), "plain", {}, "sayTitle");
  at("key").value = "";
  say(at("key-problem"), key ?? "plain");
  at("key-problem").classList.toggle("calm", key === "signed_out");
  at("door").hidden = false;
  tell(key ?? "plain");
  at("key").focus();
}

function hasSession() {
  return document.cookie.split("; ").includes(HAS_SESSION);
}

function wipe() {
  asking?.abort();
  asking = null;
  turns = [];
  panel.wipe();
  for (const id of ["turns", "spoken"]) at(id).replaceChildren();
  at("question").value = "";
  getSelection()?.removeAllRanges();
}

function fresh() {
  wipe();
  busy(false);
  grow();
  at("welcome").hidden = false;
  at("fresh").hidden = true;
  say(at("question"), "ask_here", {}, "sayPlaceholder");
  at("question").focus();
}

// --- links to passages: behind the # of the address, where no server and no log sees them, and never with a key -----

/** The id of the passage that the address points at. */
function linked() {
  return LINK.exec(location.hash)?.[1];
}

function follow() {
  if (!linked()) return;
  if (service) open({ id: linked() }, null, at("question"));
  else invite();
}

/** Says at the door what waits behind it. */
function invite() {
  say(at("key-problem"), "linked");
  at("key-problem").classList.add("calm");
}

function unlink() {
  if (linked()) history.replaceState(null, "", location.pathname + location.search);
}

// --- asking --------------------------------------------------------------------------------------------------------

async function ask(question, options = {}) {
  asking?.abort();
  const running = (asking = new AbortController());
  const history = earlier();
  const turn = begin(question);
  busy(true);
  try {
    for await (const [name, payload] of service.ask({ question, history, ...options }, running.signal)) {
      if (running.signal.aborted) break;
      turn.take(name, payload);
    }
  } catch (error) {
    if (!running.signal.aborted) trouble(error, turn);
  }
  if (asking !== running) return; // another question, or nobody, has taken its place
  if (running.signal.aborted && !turn.finished) turn.stopped();
  asking = null;
  busy(false);
}

function begin(question) {
  const turn = new Turn(question, at("spoken"), {
    open,
    context: (its, opener) => panel.context(its, opener),
    again,
  });
  turns.push(turn);
  at("welcome").hidden = true;
  at("fresh").hidden = false;
  at("turns").append(turn.node);
  say(at("question"), "ask_more", {}, "sayPlaceholder");
  turn.node.scrollIntoView({ block: "start" });
  return turn;
}

function again(turn, options) {
  if (asking) return;
  turns = turns.filter((other) => other !== turn);
  turn.node.remove();
  at("question").focus();
  ask(turn.question, options);
}

function trouble(error, turn) {
  if (error.status === 401) leave("problem_sign_in");
  else turn.failed(error instanceof Problem ? error : new Problem("broken-off"));
}

/** The latest finished turns, oldest first, as much as is worth sending. */
function earlier() {
  let room = HISTORY_CHARACTERS;
  const kept = [];
  for (const turn of turns.flatMap((each) => each.history).reverse().slice(0, HISTORY_TURNS)) {
    room -= turn.content.length;
    if (room < 0) break;
    kept.unshift(turn);
  }
  return kept;
}

async function open(passage, citation, opener, turn = null) {
  if (passage.id !== linked()) unlink();
  try {
    await panel.passage(service, passage, citation, opener, turn);
  } catch (error) {
    if (error.status === 401) leave("problem_sign_in");
  }
}

panel.does = open;
panel.left = unlink;

// --- the keys and buttons -----------------------------------------------------------------------------------------

function busy(now) {
  const focused = document.activeElement === at("ask") || document.activeElement === at("stop");
  at("ask").hidden = now;
  at("stop").hidden = !now;
  if (focused) at(now ? "stop" : "question").focus();
}

function grow() {
  const field = at("question");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function submit() {
  const question = at("question").value.trim();
  if (!question || asking) return;
  at("question").value = "";
  grow();
  ask(question);
}

at("sign-in").onsubmit = (event) => {
  event.preventDefault();
  signIn(at("key").value.trim());
};
at("composer").onsubmit = (event) => {
  event.preventDefault();
  submit();
};
at("question").oninput = grow;
at("question").onkeydown = (event) => {
  const composing = event.isComposing || event.keyCode === 229; // Enter takes a word of an input method
  if (event.key !== "Enter" || event.shiftKey || composing) return;
  event.preventDefault();
  submit();
};
at("stop").onclick = () => asking?.abort();
at("fresh").onclick = () => {
  unlink();
  fresh();
};
at("sign-out").onclick = signOut;
addEventListener("hashchange", follow);
for (const button of document.querySelectorAll("[data-language]"))
  button.onclick = () => choose(button.dataset.language);
addEventListener("pageshow", (event) => {
  if (event.persisted && !sessionStorage.getItem(KEPT) && !hasSession()) leave();
});

speak(preferred());
offerProviders();
const kept = sessionStorage.getItem(KEPT);
if (location.hash === FAILED) {
  leave("sign_in_failed");
  history.replaceState(null, "", location.pathname + location.search);
} else if (kept) signIn(kept);
else if (hasSession()) {
  if (!location.hash) history.replaceState(null, "", sessionStorage.getItem(LINKED) || location.pathname);
  sessionStorage.removeItem(LINKED);
  resume();
} else {
  leave();
  follow();
}
