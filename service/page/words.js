// What the page itself says, in English and Chinese. Documents and answers keep their own language.

import { at } from "./dom.js";
import { english } from "./words-en.js";
import { simplified } from "./words-zh-hans.js";
import { traditional } from "./words-zh-hant.js";

const TEXTS = { en: english, "zh-Hans": simplified, "zh-Hant": traditional };
const TRADITIONAL = /^zh\b.*-(?:hant|tw|hk|mo)\b/i;
const CHINESE = /^zh\b/i;
const ENGLISH = /^en\b/i;
const REMEMBERED = "clearance.language";
const ATTRIBUTES = { say: "textContent", sayLabel: "ariaLabel", sayPlaceholder: "placeholder", sayTitle: "title" };
const values = new WeakMap(); // by node: what its words are filled in with

let chosen = "en";

/** The words for a key in the chosen language. A value may itself be a pair of key and values. */
export function words(key, given = {}) {
  const found = TEXTS[chosen][key] ?? TEXTS.en[key] ?? key;
  const form = Array.isArray(found) ? found[new Intl.PluralRules(chosen).select(given.n) === "one" ? 0 : 1] : found;
  return form.replace(/\{(\w+)\}/g, (_, name) => shown(given[name]));
}

export function known(key) {
  return key in TEXTS.en;
}

function shown(value) {
  if (typeof value === "number") return value.toLocaleString(chosen);
  if (value instanceof Date) return value.toLocaleString(chosen, { dateStyle: "medium", timeStyle: "short" });
  return Array.isArray(value) ? value.map(([key, given]) => words(key, given)).join(" · ") : (value ?? "");
}

/** Makes a node say something, now and after the language is changed. `as`: say, sayLabel, sayPlaceholder, sayTitle. */
export function say(node, key, given = {}, as = "say") {
  node.dataset[as] = key;
  values.set(node, { ...values.get(node), [as]: given });
  put(node, as);
  return node;
}

function put(node, as) {
  node[ATTRIBUTES[as]] = words(node.dataset[as], values.get(node)?.[as]);
}

/** Speaks another language from now on, everywhere on the page. */
export function speak(language) {
  chosen = Object.hasOwn(TEXTS, language) ? language : "en";
  document.documentElement.lang = TEXTS[chosen].language;
  for (const node of document.querySelectorAll("[data-say], [data-say-label], [data-say-placeholder], [data-say-title]"))
    for (const as of Object.keys(ATTRIBUTES)) if (as in node.dataset) put(node, as);
  for (const button of document.querySelectorAll("[data-language]"))
    button.ariaPressed = String(button.dataset.language === chosen);
}

export function choose(language) {
  speak(language);
  try {
    localStorage.setItem(REMEMBERED, chosen);
  } catch {
    // a browser that keeps nothing asks for the language again
  }
}

/** The language of the last visit, else the browser's. */
export function preferred() {
  let remembered = null;
  try {
    remembered = localStorage.getItem(REMEMBERED);
  } catch {
    // as above
  }
  return spoken([remembered ?? "", ...navigator.languages]);
}

/** The first of these languages that the page speaks. */
function spoken(names) {
  for (const name of names) {
    if (TRADITIONAL.test(name)) return "zh-Hant";
    if (CHINESE.test(name)) return "zh-Hans";
    if (ENGLISH.test(name)) return "en";
  }
  return "en";
}

/** Tells those who cannot see the page what happens. */
export function tell(key, given) {
  say(at("status"), key, given);
}

/** Page, slide, sheet or part, as pairs of key and values; `pages`: as the service gives them. */
export function place(pages, section = []) {
  const said = [];
  const [first] = pages;
  const last = pages.at(-1);
  if (first?.kind) {
    const { kind } = first;
    if (last.number !== first.number && !first.name) said.push([`${kind}s`, { n: String(first.number), last: String(last.number) }]);
    else if (first.name) said.push([`${kind}_named`, { n: String(first.number), name: first.name }]);
    else said.push([kind, { n: String(first.number) }]);
  }
  if (section.length) said.push(["plain", { text: section.join(" › ") }]);
  return said;
}
