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

OTHER_WORDS: Mapping[Script, str] = {
    "en": "Try other words, or ask “What can I ask here?”.",
    "zh": "请换一种说法，或者问“这里可以问什么？”。",
}

WORDS_SUCH_AS: Mapping[Script, str] = {
    "en": "Try other words, such as those of {names}.",
    "zh": "请换一种说法，例如使用{names}中的词语。",
}

OR: Mapping[Script, str] = {"en": " or ", "zh": "或"}

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

HELLO: Mapping[Script, str] = {"en": "Hello.", "zh": "您好。"}

WELCOME: Mapping[Script, str] = {
    "en": "You are welcome. Ask again at any time.",
    "zh": "不客气，随时可以再问。",
}

WHAT_IS_DONE: Mapping[Script, str] = {
    "en": "Questions are answered here from the documents that you may read, with the place where each answer stands.",
    "zh": "这里根据您可以阅读的文档回答问题，并标明答案的出处。",
}

DOCUMENTS: Mapping[Script, str] = {
    "en": "Documents that you may read: {count}.",
    "zh": "您可以阅读的文档：{count}份。",
}

DOCUMENTS_BY_PLACE: Mapping[Script, str] = {
    "en": "Documents that you may read: {count} ({places}).",
    "zh": "您可以阅读的文档：{count}份（{places}）。",
}

PLACE: Mapping[Script, str] = {"en": "{name}: {count}", "zh": "{name}：{count}份"}

COMMA: Mapping[Script, str] = {"en": ", ", "zh": "，"}

SOME_OF_THEM: Mapping[Script, str] = {"en": "Some of them:", "zh": "例如："}

NO_DOCUMENTS: Mapping[Script, str] = {
    "en": "There are no documents here that you may read.",
    "zh": "这里没有您可以阅读的文档。",
}
"""The same whether nothing exists or nothing is visible."""

NOTICES = (QUOTED_INSTEAD, SHORTENED, CUT_OFF)
"""What is said about an answer, beside it."""

NO_ANSWERS = (NOTHING_FOUND, NOT_ANSWERED)
"""What stands in place of an answer: by them a conversation tells what was not answered."""
