"""The content words of a text, as they are compared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from indexes.text import stop_words
from indexes.text.scripts import UNSPACED
from indexes.text.stems import CONTRACTION, english_stem

_TERM = re.compile(
    rf"[{UNSPACED}]+|\d+(?:[.,]\d+)*|(?:[^\W\d_{UNSPACED}]|\d)+(?:['’][^\W\d_{UNSPACED}]+)?"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Term:
    """A content word, or a pair of characters of a script without spaces, as it is compared, and
    where it stands.
    """

    form: str
    start: int


def terms(text: str, *, question: bool = False) -> Iterator[Term]:
    """The content words of a text, in order: lower case, without their endings; scripts without
    spaces as overlapping pairs of characters.

    question: leaves out Chinese question words and particles too, which in a text are parts of
    words.
    """
    for match in _TERM.finditer(text):
        word = match.group().lower()
        if _UNSPACED.match(word):
            for start, run in _runs(word) if question else ((0, word),):
                yield from _pairs(run, match.start() + start)
        elif word[0].isdigit():
            yield Term(_number(word), match.start())
        elif (whole := CONTRACTION.sub("", word)) not in stop_words.ENGLISH:
            yield Term(english_stem(whole), match.start())


def _runs(word: str) -> Iterator[tuple[int, str]]:
    """What question words and particles leave of a run of ideographs."""
    start = 0
    for match in stop_words.CHINESE_IN_QUESTIONS.finditer(word):
        if match.start() > start:
            yield start, word[start : match.start()]
        start = match.end()
    if start < len(word):
        yield start, word[start:]


def _pairs(run: str, start: int) -> Iterator[Term]:
    if len(run) == 1:
        yield Term(run, start)
    for position in range(len(run) - 1):
        yield Term(run[position : position + 2], start + position)


def _number(word: str) -> str:
    """One form for a number written with or without separators of thousands and leading zeros."""
    return word.replace(",", "").lstrip("0") or "0"
