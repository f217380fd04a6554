// The page: who is signed in, what is asked, and that nothing is left when they go.

import { Service } from "./api.js";
import { Choices } from "./choices.js";
import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { at, h } from "./dom.js";
import { Kept } from "./kept.js";
import { Memory } from "./memory.js";
import { Panel } from "./panel.js";
import { suggest } from "./suggestions.js";
import { choose, preferred, say, speak, tell } from "./words.js";

const KEPT = "clearance.key";
const LINKED = "clearance.linked"; // where the address pointed before the sign-in at a provider
const HAS_SESSION = "__Host-clearance-page=1";
const FAILED = "#sign-in-failed";
const LINK = /^#passage=([\w-]{1,64})$/;

const panel = new Panel();
let person = null; // {service, memory, choices, kept, leaving}; null: nobody is signed in
let conversation = null;

// --- who asks ------------------------------------------------------------------------------------------------------

async function signIn(key) {
  if (!key) return refuse("key_missing");
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse("problem_sign_in");
  const candidate = new Service(key);
  try {
    const who = await candidate.whoami(AbortSignal.timeout(20_000));
    sessionStorage.setItem(KEPT, key);
    enter(candidate, who.name);
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
    enter(candidate, who.name);
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
  const { service, memory, kept } = person;
  const stays = kept.wanted && memory.get("after") === true;
  unlink();
  leave(stays ? "signed_out_kept" : "signed_out");
  if (!stays) await forget(memory, kept);
  if (service.key) return;
  const address = await service.signOut().catch(() => null);
  if (address) location.assign(address);
}

/** Deletes what this browser holds of somebody. */
async function forget(memory, kept) {
  const some = kept.wanted;
  memory.forget(); // first, so that nothing is kept while the rest is deleted
  if (some) await kept.clear().catch(() => {});
}

function refuse(key) {
  leave();
  say(at("key-problem"), key);
  at("key").ariaInvalid = "true";
  at("key").focus();
}

function enter(service, user) {
  const name = user.replace(/^user:/, "");
  const memory = new Memory(user);
  const choices = new Choices(service, memory, tellChoices);
  person = { service, memory, choices, kept: new Kept(user, memory), leaving: new AbortController() };
  at("key").value = "";
  at("key").ariaInvalid = null;
  say(at("key-problem"), "plain");
  at("who").textContent = name;
  say(at("who"), "signed_in", { name }, "sayTitle");
  for (const id of ["desk", "composer", "account", "skip", "conversations"]) at(id).hidden = false;
  at("door").hidden = true;
  tell("signed_in", { name });
  tellChoices();
  fresh();
  follow();
  suggest(service, at("suggested"), (question) => conversation.ask(question), person.leaving.signal);
}

/** Takes everything off the screen and out of storage. `key`: what is said at the door. */
function leave(key) {
  person?.leaving.abort();
  person = null;
  sessionStorage.removeItem(KEPT);
  wipe();
  at("suggested").replaceChildren();
  say(at("choices-said"), "plain");
  for (const id of ["desk", "composer", "account", "skip", "fresh", "conversations", "suggested"]) at(id).hidden = true;
  at("who").textContent = "";
  say(at("who"), "plain", {}, "sayTitle");
  at("key").value = "";
  say(at("key-problem"), key ?? "plain");
  at("key-problem").classList.toggle("calm", key?.startsWith("signed_out"));
  at("door").hidden = false;
  tell(key ?? "plain");
  at("key").focus();
}

function hasSession() {
  return document.cookie.split("; ").includes(HAS_SESSION);
}

function wipe() {
  conversation?.end();
  conversation = null;
  panel.wipe();
  for (const id of ["turns", "spoken"]) at(id).replaceChildren();
  at("question").value = "";
  getSelection()?.removeAllRanges();
}

function fresh() {
  wipe();
  conversation = new Conversation(person, {
    open,
    context: (turn, opener) => panel.context(turn, opener),
    busy,
    signedOut: () => leave("problem_sign_in"),
  });
  busy(false);
  grow();
  at("welcome").hidden = false;
  at("talk-title").hidden = true;
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
  if (person) open({ id: linked() }, null, at("question"));
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

// --- the panel ---------------------------------------------------------------------------------------------------------

async function open(passage, citation, opener, turn = null) {
  if (passage.id !== linked()) unlink();
  try {
    await panel.passage(person.service, passage, citation, opener, turn);
  } catch (error) {
    if (error.status === 401) leave("problem_sign_in");
  }
}

panel.does = open;
panel.left = unlink;

function showChoices(opener) {
  panel.view("choices", opener, (signal) => person.choices.view(signal));
}

function tellChoices() {
  say(at("choices-said"), "plain", { text: person.choices.summary });
}

function showConversations(opener) {
  const view = new Conversations(person.kept, person.memory, {
    open: reopen,
    current: () => conversation.keep(),
  });
  panel.view("conversations", opener, (signal) => view.view(signal));
}

function reopen(kept) {
  unlink();
  fresh();
  conversation.restore(kept);
}

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
  if (!question || conversation.asking) return;
  at("question").value = "";
  grow();
  conversation.ask(question);
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
at("stop").onclick = () => conversation.stop();
at("choices").onclick = () => showChoices(at("choices"));
at("conversations").onclick = () => showConversations(at("conversations"));
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
