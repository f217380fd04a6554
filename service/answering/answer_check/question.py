"""A question as the check reads it: what is asked for, and what must be met."""

import re
from dataclasses import dataclass

from indexes.text.folding import fold_han
from indexes.text.scripts import Script, script
from indexes.text.sentences import QUESTION_MARKS, sentences
from indexes.text.words import Term, terms
from service.answering.answer_check.asking_words import ASKED_FOR, COUNTED
from service.answering.answer_check.kinds import Kind, kind_of
from service.answering.answer_check.names import find_names, find_numbers
from service.answering.answer_check.opposites import negates, words_with_opposites

_ASKS = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how)\b|[什甚][么麼]|哪|[谁誰]|何|多少|几|幾|怎|是否|[吗嗎]",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(r"[:：]\s*([^:：]*[?？][^:：]*)$")
_COURTESY = re.compile(
    r"(?:^|(?<=[，,。！!；;？?]))[^，,。！!；;？?]*(?:你好|您好|谢谢|謝謝|感谢|麻烦|麻煩|请帮|請幫|帮我|幫我|注明出处|註明出處|拜托|拜託|劳驾|请教|請教)"
    r"[^，,。！!；;？?]*(?:[，,。！!；;]|$)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """What a question asks."""

    text: str
    language: Script
    kind: Kind
    order: tuple[Term, ...]  # its content words
    words: tuple[str, ...]  # as they are compared, each once
    names: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...]
    turning: frozenset[str]  # words that have an opposite
    negated: bool


def _what_is_asked(question: str) -> str:
    """The question without courtesy and what was said before it."""
    parts = [question[start:end] for start, end in sentences(question)]
    asking = [part for part in parts if part.endswith(QUESTION_MARKS)]
    kept = " ".join(asking) if asking and len(parts) > 1 else question
    after = _ANNOUNCED.search(kept)
    if after is not None and _ASKS.search(after.group(1)):
        kept = after.group(1)
    return _COURTESY.sub("", kept) or question


def read_question(question: str) -> AskedQuestion:
    """Everything that the question itself tells."""
    language = script(question)
    question = fold_han(_what_is_asked(question))
    order = tuple(terms(question, question=True)) or tuple(terms(question))
    words = tuple(dict.fromkeys(term.form for term in order))
    kind = kind_of(question)
    if language == "en":
        wanted = ASKED_FOR - COUNTED if kind is Kind.NUMBER else ASKED_FOR
        words = tuple(word for word in words if word not in wanted) or words
    return AskedQuestion(
        text=question,
        language=language,
        kind=kind,
        order=order,
        words=words,
        names=find_names(question, language),
        numbers=find_numbers(order),
        turning=words_with_opposites(question),
        negated=negates(question),
    )
