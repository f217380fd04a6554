"""The few sentences that the service itself says in an answer, as the question is written."""

from collections.abc import Mapping

from indexes.text.scripts import Writing

NOTHING_FOUND: Mapping[Writing, str] = {
    "en": "Nothing about this was found in the documents that you may read.",
    "zh": "在您可以阅读的文档中没有找到相关内容。",
    "zh-hant": "在您可以閱讀的文件中沒有找到相關內容。",
}
"""The same whether nothing exists or nothing is visible."""

NOT_ANSWERED: Mapping[Writing, str] = {
    "en": "The documents do not answer this question.",
    "zh": "文档没有回答这个问题。",
    "zh-hant": "文件沒有回答這個問題。",
}

OTHER_WORDS: Mapping[Writing, str] = {
    "en": "Try other words, or ask “What can I ask here?”.",
    "zh": "请换一种说法，或者问“这里可以问什么？”。",
    "zh-hant": "請換一種說法，或者問「這裡可以問什麼？」。",
}

WORDS_SUCH_AS: Mapping[Writing, str] = {
    "en": "Try other words, such as those of {names}.",
    "zh": "请换一种说法，例如使用{names}中的词语。",
    "zh-hant": "請換一種說法，例如使用{names}中的詞語。",
}

OR: Mapping[Writing, str] = {
    "en": " or ",
    "zh": "或",
    "zh-hant": "或",
}

QUOTED_INSTEAD: Mapping[Writing, str] = {
    "en": "The language model did not answer; these are quotes from the documents.",
    "zh": "语言模型没有回答，以下是文档原文的摘录。",
    "zh-hant": "語言模型沒有回答，以下是文件原文的摘錄。",
}

SHORTENED: Mapping[Writing, str] = {
    "en": "The answer was limited to {tokens} tokens, because the model's window holds no more beside the prompt.",
    "zh": "由于模型上下文窗口的限制，回答最多 {tokens} 个词元。",
    "zh-hant": "由於模型上下文視窗的限制，回答最多 {tokens} 個詞元。",
}

CUT_OFF: Mapping[Writing, str] = {
    "en": "The answer was cut off at {tokens} tokens.",
    "zh": "回答在 {tokens} 个词元处被截断。",
    "zh-hant": "回答在 {tokens} 個詞元處被截斷。",
}

HELLO: Mapping[Writing, str] = {
    "en": "Hello.",
    "zh": "您好。",
    "zh-hant": "您好。",
}

WELCOME: Mapping[Writing, str] = {
    "en": "You are welcome. Ask again at any time.",
    "zh": "不客气，随时可以再问。",
    "zh-hant": "不客氣，隨時可以再問。",
}

WHAT_IS_DONE: Mapping[Writing, str] = {
    "en": "Questions are answered here from the documents that you may read, with the place where each answer stands.",
    "zh": "这里根据您可以阅读的文档回答问题，并标明答案的出处。",
    "zh-hant": "這裡根據您可以閱讀的文件回答問題，並標明答案的出處。",
}

DOCUMENTS: Mapping[Writing, str] = {
    "en": "Documents that you may read: {count}.",
    "zh": "您可以阅读的文档：{count}份。",
    "zh-hant": "您可以閱讀的文件：{count}份。",
}

DOCUMENTS_BY_PLACE: Mapping[Writing, str] = {
    "en": "Documents that you may read: {count} ({places}).",
    "zh": "您可以阅读的文档：{count}份（{places}）。",
    "zh-hant": "您可以閱讀的文件：{count}份（{places}）。",
}

PLACE: Mapping[Writing, str] = {
    "en": "{name}: {count}",
    "zh": "{name}：{count}份",
    "zh-hant": "{name}：{count}份",
}

COMMA: Mapping[Writing, str] = {
    "en": ", ",
    "zh": "，",
    "zh-hant": "，",
}

SOME_OF_THEM: Mapping[Writing, str] = {
    "en": "Some of them:",
    "zh": "例如：",
    "zh-hant": "例如：",
}

NO_DOCUMENTS: Mapping[Writing, str] = {
    "en": "There are no documents here that you may read.",
    "zh": "这里没有您可以阅读的文档。",
    "zh-hant": "這裡沒有您可以閱讀的文件。",
}
"""The same whether nothing exists or nothing is visible."""

UNSUPPORTED: Mapping[Writing, str] = {
    "en": "The documents do not support {unsupported} of the {claims} sentences of this answer.",
    "zh": "这个回答的 {claims} 句中有 {unsupported} 句没有文档支持。",
    "zh-hant": "這個回答的 {claims} 句中有 {unsupported} 句沒有文件支持。",
}

REPEATED: Mapping[Writing, str] = {
    "en": "The answer was stopped, because the model began to repeat itself.",
    "zh": "模型开始重复，回答已停止。",
    "zh-hant": "模型開始重複，回答已停止。",
}

REPLACED: Mapping[Writing, str] = {
    "en": "The documents do not support what the language model answered; these are quotes from them.",
    "zh": "语言模型的回答没有文档支持，以下是文档原文的摘录。",
    "zh-hant": "語言模型的回答沒有文件支持，以下是文件原文的摘錄。",
}

WITHHELD: Mapping[Writing, str] = {
    "en": "The answer of the language model is not shown, because the documents do not support it.",
    "zh": "语言模型的回答没有文档支持，因此不予显示。",
    "zh-hant": "語言模型的回答沒有文件支持，因此不予顯示。",
}

QUOTES_BELOW: Mapping[Writing, str] = {
    "en": "The documents say:",
    "zh": "文档原文：",
    "zh-hant": "文件原文：",
}
"""Stands between an answer without support and the quotes below it."""

NOTICES = (QUOTED_INSTEAD, SHORTENED, CUT_OFF, UNSUPPORTED, REPEATED, REPLACED, WITHHELD)
"""What is said about an answer, beside it; one or more of them."""

NO_ANSWERS = (NOTHING_FOUND, NOT_ANSWERED)
"""What stands in place of an answer: by them a conversation tells what was not answered."""


def rewrite(sentence: str, writing: Writing) -> str:
    """The sentence that a template ends with if there is no answer, as the question is written; one
    that is not the service's own stays as it is.
    """
    if writing == "zh-hant" and sentence == NOT_ANSWERED["zh"]:
        return NOT_ANSWERED["zh-hant"]
    return sentence
