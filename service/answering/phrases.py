"""The few sentences that the service itself says in an answer, in the question's language."""

from collections.abc import Mapping

from indexes.text.scripts import Script

NOTHING_FOUND: Mapping[Script, str] = {
    "en": "Nothing about this was found in the documents that you may read.",
    "zh": "在您可以阅读的文档中没有找到相关内容。",
}
"""The same whether nothing exists or nothing is visible."""

NOT_ANSWERED: Mapping[Script, str] = {
    "en": "The documents do not answer this question.",
    "zh": "文档没有回答这个问题。",
}

QUOTED_INSTEAD: Mapping[Script, str] = {
    "en": "The language model did not answer; these are quotes from the documents.",
    "zh": "语言模型没有回答，以下是文档原文的摘录。",
}

SHORTENED: Mapping[Script, str] = {
    "en": "The answer was limited to {tokens} tokens, because the model's window holds no more beside the prompt.",
    "zh": "由于模型上下文窗口的限制，回答最多 {tokens} 个词元。",
}

CUT_OFF: Mapping[Script, str] = {
    "en": "The answer was cut off at {tokens} tokens.",
    "zh": "回答在 {tokens} 个词元处被截断。",
}

UNSUPPORTED: Mapping[Script, str] = {
    "en": "The documents do not support {unsupported} of the {claims} sentences of this answer.",
    "zh": "这个回答的 {claims} 句中有 {unsupported} 句没有文档支持。",
}

REPEATED: Mapping[Script, str] = {
    "en": "The answer was stopped, because the model began to repeat itself.",
    "zh": "模型开始重复，回答已停止。",
}

REPLACED: Mapping[Script, str] = {
    "en": "The documents do not support what the language model answered; these are quotes from them.",
    "zh": "语言模型的回答没有文档支持，以下是文档原文的摘录。",
}

WITHHELD: Mapping[Script, str] = {
    "en": "The answer of the language model is not shown, because the documents do not support it.",
    "zh": "语言模型的回答没有文档支持，因此不予显示。",
}

QUOTES_BELOW: Mapping[Script, str] = {
    "en": "The documents say:",
    "zh": "文档原文：",
}
"""Stands between an answer without support and the quotes below it."""

NOTICES = (QUOTED_INSTEAD, SHORTENED, CUT_OFF, UNSUPPORTED, REPEATED, REPLACED, WITHHELD)
"""What is said about an answer, beside it; one or more of them."""
