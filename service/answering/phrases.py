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

NOTICES = (QUOTED_INSTEAD, SHORTENED, CUT_OFF)
"""What is said about an answer, beside it."""


def rewrite(sentence: str, writing: Writing) -> str:
    """The sentence that a template ends with if there is no answer, as the question is written; one
    that is not the service's own stays as it is.
    """
    if writing == "zh-hant" and sentence == NOT_ANSWERED["zh"]:
        return NOT_ANSWERED["zh-hant"]
    return sentence
