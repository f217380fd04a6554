// What the page itself says, in English and Chinese. Documents and answers keep their own language.

import { at } from "./dom.js";

const TEXTS = {
  en: {
    language: "en",
    plain: "{text}",
    skip: "Skip to the question",
    title: "Ask your documents",
    lead: "Answers made only of what you are cleared to read, each with its sources.",
    key: "API key",
    key_note: "The key stays in this tab until you sign out or close it.",
    key_missing: "Enter your API key.",
    sign_in: "Sign in",
    sign_in_with: "Sign in with {name}",
    sign_in_failed: "Signing in did not succeed. Try again, or ask whoever runs this service to let you in.",
    sign_out: "Sign out",
    signed_in: "Signed in as {name}",
    signed_out: "Signed out. Nothing is left on this page.",
    linked: "Sign in to open the passage that the link leads to.",
    fresh: "New conversation",
    question: "Your question",
    ask_here: "Ask a question…",
    ask_more: "Ask a follow-up question…",
    ask: "Ask",
    stop: "Stop",
    keys: "Enter asks, Shift + Enter begins a new line",
    answer: "Answer",
    close: "Close",
    back: "Back to what was read",
    searching: "Searching what you may read…",
    reading: ["Reading {n} passage…", "Reading {n} passages…"],
    writing: "Writing…",
    searched_for: "Searched for: {text}",
    stopped: "Stopped. The answer is not complete.",
    finished: ["The answer is complete, with {n} source.", "The answer is complete, with {n} sources."],
    nothing: "No answer found",
    nothing_note: "Only documents that you may read are searched.",
    quoted: "Quotes",
    quoted_note: "Sentences of your documents, word for word; not written by a language model.",
    notice: "Note",
    unsupported: "weak support",
    unsupported_note: "The passage does not clearly support this sentence. Please check it.",
    marker: "Source {n}: {title}",
    marker_place: "Source {n}: {title}, {place}",
    sources: "Sources",
    copy: "Copy with sources",
    copied: "Copied",
    copy_failed: "Copying is not possible here",
    context: "What was read",
    context_lead: "Everything the answer could draw on, and what did not fit.",
    shown: ["{n} passage was shown", "{n} passages were shown"],
    cited: "cited",
    cut: "shortened to fit",
    tokens: ["{n} token", "{n} tokens"],
    characters: ["{n} character", "{n} characters"],
    left_out: ["{n} passage was left out, whole or in part", "{n} passages were left out, whole or in part"],
    nothing_left_out: "Nothing that was found was left out.",
    duplicate: "says nothing new",
    document_cap: "enough from this document already",
    budget: "no room in the window",
    cut_reason: "its end did not fit",
    weak_evidence: "too little to do with the question",
    another: "A passage",
    window: "Context window",
    window_note: ["{used} of {n} token", "{used} of {n} tokens"],
    no_window: "No language model wrote this, so nothing had to fit into a window.",
    part_template: "Instructions",
    part_question: "Question",
    part_history: "Earlier turns",
    part_passages: "Passages",
    part_answer: "Kept free for the answer",
    part_unused: "Unused",
    dropped: ["{n} earlier turn did not fit and was dropped.", "{n} earlier turns did not fit and were dropped."],
    details: "Details",
    model: "Model",
    template: "Template",
    prompt_tokens: "Tokens read",
    completion_tokens: "Tokens written",
    search_time: "Search",
    first_token_time: "First word of the model",
    total_time: "In all",
    answer_id: "Answer",
    view_id: "View",
    milliseconds: "{n} ms",
    seconds: "{n} s",
    no_model: "none",
    opening: "Opening…",
    checked: "Your access was checked when this was opened.",
    passage: "Passage",
    before: "Show what comes before",
    after: "Show what comes after",
    changed: "The document has changed since. Open it again.",
    gone: "No longer available to you",
    gone_note: "It was changed or removed, or you may no longer read it.",
    page: "Page {n}",
    pages: "Pages {n}–{last}",
    slide: "Slide {n}",
    slides: "Slides {n}–{last}",
    sheet: "Sheet {n}",
    sheets: "Sheets {n}–{last}",
    part: "Part {n}",
    parts: "Parts {n}–{last}",
    slide_named: "Slide {n}, {name}",
    sheet_named: "Sheet “{name}”",
    part_named: "{name}",
    page_named: "Page {name}",
    try_again: "Try again",
    wait: "Try again in {n} s",
    with_quotes: "Answer with quotes instead",
    request: "Request {id}",
    problem_sign_in: "Please sign in again: this key is not valid, or no longer.",
    problem_unreachable: "The service cannot be reached.",
    problem_unreachable_note: "Check the connection, then try again.",
    "problem_broken-off": "The answer broke off.",
    "problem_broken-off_note": "What is here is not complete. Try again.",
    "problem_question-too-long": "The question is too long.",
    "problem_body-too-large": "That is more than the service accepts.",
    "problem_body-too-large_note": "Shorten the question, or begin a new conversation.",
    "problem_invalid-request": "The question was not understood.",
    "problem_not-permitted": "Your key does not allow this.",
    problem_busy: "The service is busy.",
    problem_busy_note: "Many people are asking. It will be your turn soon.",
    "problem_model-unavailable": "The language model cannot be reached.",
    "problem_model-unavailable_note": "It can still be answered with quotes from your documents.",
    "problem_model-timeout": "The language model is too slow.",
    "problem_model-timeout_note": "It can still be answered with quotes from your documents.",
    "problem_model-broken": "The language model did not give an answer.",
    "problem_model-broken_note": "It can still be answered with quotes from your documents.",
    "problem_index-not-ready": "The search is being prepared.",
    "problem_index-not-ready_note": "Try again in a moment.",
    "problem_corpus-unavailable": "The documents cannot be searched now.",
    "problem_corpus-unavailable_note": "Whoever runs this service has to act.",
    "problem_internal-error": "Something went wrong inside the service.",
    "problem_internal-error_note": "If it happens again, give the number below to whoever runs it.",
    "problem_too-many": "Too many questions at once.",
    "problem_too-many_note": "Wait a moment, then try again.",
  },
  zh: {
    language: "zh-Hans",
    plain: "{text}",
    skip: "跳到提问框",
    title: "向您的文档提问",
    lead: "答案只来自您有权阅读的内容，并附上出处。",
    key: "API 密钥",
    key_note: "密钥只保存在此标签页中，退出登录或关闭标签页后即清除。",
    key_missing: "请输入 API 密钥。",
    sign_in: "登录",
    sign_in_with: "使用 {name} 登录",
    sign_in_failed: "登录未成功。请重试，或请服务管理员为您开通。",
    sign_out: "退出登录",
    signed_in: "已登录：{name}",
    signed_out: "已退出登录，页面上的内容已全部清除。",
    linked: "请登录，以打开链接所指的段落。",
    fresh: "新对话",
    question: "您的问题",
    ask_here: "请输入问题……",
    ask_more: "继续提问……",
    ask: "提问",
    stop: "停止",
    keys: "按 Enter 提问，按 Shift + Enter 换行",
    answer: "回答",
    close: "关闭",
    back: "返回查阅的内容",
    searching: "正在搜索您有权阅读的文档……",
    reading: "正在阅读 {n} 个段落……",
    writing: "正在作答……",
    searched_for: "搜索的问题：{text}",
    stopped: "已停止，回答不完整。",
    finished: "回答完毕，共 {n} 处来源。",
    nothing: "没有找到答案",
    nothing_note: "只搜索您有权阅读的文档。",
    quoted: "原文摘录",
    quoted_note: "以下为文档原句，并非语言模型所写。",
    notice: "提示",
    unsupported: "依据不足",
    unsupported_note: "所引段落不能明确支持这句话，请核对原文。",
    marker: "来源 {n}：{title}",
    marker_place: "来源 {n}：{title}，{place}",
    sources: "来源",
    copy: "复制回答和来源",
    copied: "已复制",
    copy_failed: "此处无法复制",
    context: "查阅的内容",
    context_lead: "回答可以依据的全部内容，以及未能放入的内容。",
    shown: "提供了 {n} 个段落",
    cited: "已引用",
    cut: "因篇幅截短",
    tokens: "{n} 个词元",
    characters: "{n} 个字符",
    left_out: "{n} 个段落未放入或只放入一部分",
    nothing_left_out: "搜到的内容没有略去。",
    duplicate: "没有新内容",
    document_cap: "此文档已有足够的段落",
    budget: "上下文窗口已满",
    cut_reason: "末尾放不下",
    weak_evidence: "与问题关系不大",
    another: "段落",
    window: "上下文窗口",
    window_note: "共 {n} 个词元，已用 {used} 个",
    no_window: "并非语言模型所写，因此没有窗口限制。",
    part_template: "指令",
    part_question: "问题",
    part_history: "之前的对话",
    part_passages: "段落",
    part_answer: "为回答预留",
    part_unused: "未使用",
    dropped: "有 {n} 条之前的对话放不下，已略去。",
    details: "详细信息",
    model: "模型",
    template: "模板",
    prompt_tokens: "读入词元",
    completion_tokens: "写出词元",
    search_time: "搜索",
    first_token_time: "模型首字",
    total_time: "总计",
    answer_id: "回答编号",
    view_id: "视图编号",
    milliseconds: "{n} 毫秒",
    seconds: "{n} 秒",
    no_model: "无",
    opening: "正在打开……",
    checked: "打开时已核对您的访问权限。",
    passage: "段落",
    before: "显示前文",
    after: "显示后文",
    changed: "文档已有变动，请重新打开。",
    gone: "您已无法查看此内容",
    gone_note: "它已被修改或删除，或者您不再有权阅读。",
    page: "第 {n} 页",
    pages: "第 {n}–{last} 页",
    slide: "第 {n} 张幻灯片",
    slides: "第 {n}–{last} 张幻灯片",
    sheet: "第 {n} 个工作表",
    sheets: "第 {n}–{last} 个工作表",
    part: "第 {n} 部分",
    parts: "第 {n}–{last} 部分",
    slide_named: "第 {n} 张幻灯片，{name}",
    sheet_named: "工作表“{name}”",
    part_named: "{name}",
    page_named: "第 {name} 页",
    try_again: "重试",
    wait: "{n} 秒后可重试",
    with_quotes: "改用原文摘录回答",
    request: "请求编号 {id}",
    problem_sign_in: "请重新登录：此密钥无效或已失效。",
    problem_unreachable: "无法连接到服务。",
    problem_unreachable_note: "请检查网络连接，然后重试。",
    "problem_broken-off": "回答中断了。",
    "problem_broken-off_note": "已显示的内容不完整，请重试。",
    "problem_question-too-long": "问题太长。",
    "problem_body-too-large": "内容超出服务可接受的大小。",
    "problem_body-too-large_note": "请缩短问题，或开始新对话。",
    "problem_invalid-request": "未能理解这个问题。",
    "problem_not-permitted": "您的密钥没有此权限。",
    problem_busy: "服务繁忙。",
    problem_busy_note: "提问的人较多，请稍候。",
    "problem_model-unavailable": "无法连接语言模型。",
    "problem_model-unavailable_note": "仍可用文档原文摘录作答。",
    "problem_model-timeout": "语言模型响应太慢。",
    "problem_model-timeout_note": "仍可用文档原文摘录作答。",
    "problem_model-broken": "语言模型没有给出回答。",
    "problem_model-broken_note": "仍可用文档原文摘录作答。",
    "problem_index-not-ready": "搜索正在准备中。",
    "problem_index-not-ready_note": "请稍后再试。",
    "problem_corpus-unavailable": "目前无法搜索文档。",
    "problem_corpus-unavailable_note": "需要由服务管理员处理。",
    "problem_internal-error": "服务内部出错。",
    "problem_internal-error_note": "如果再次出现，请将下面的编号告诉服务管理员。",
    "problem_too-many": "提问过于频繁。",
    "problem_too-many_note": "请稍等片刻再试。",
  },
};

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
  chosen = language in TEXTS ? language : "en";
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
  return remembered ?? (navigator.languages.find((name) => /^(en|zh)\b/i.test(name)) ?? "en").slice(0, 2).toLowerCase();
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
