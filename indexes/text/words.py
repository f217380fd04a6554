"""Sentences, content words and script of a text, for languages with spaces and for Chinese."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Script = Literal["en", "zh"]

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = "\u3040-\u30ff"
IDEOGRAPHS = re.compile(f"[{HAN}]")
LETTERS = re.compile(r"[^\W\d_]")

LONGEST_SENTENCE = 600  # characters; a table without a full stop is cut here, at a space
WRAPPED_LINE = (
    # characters; a line at least this long that goes on in lower case was broken by the page, not
    # the writer
    40
)

_STOP = re.compile(
    r"[.!?]+[\"'”’)\]»]*(?=\s)"  # a space must follow: 3.5, example.com
    r"|[。！？!?؟।…]+[”’」』）》】\"')\]]*"
    r"|[ \t]*\n\s*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“\"'])(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]?|mr|mrs|ms|dr|prof|st|sr|jr|vs|no|nos|fig|figs|eq|art|sec|vol|pp|ca|cf|al|inc|ltd|co|corp"
    r"|dept|approx|gen|col|capt|lt|gov|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e)\.$",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s*(\S)")
_LINE_STARTS_ITEM = re.compile(r"[-*•·|#>\d(（]")
_BREAK = re.compile(r"[\s,;，；、]")

_TERM = re.compile(
    rf"[{HAN}{KANA}]+|\d+(?:[.,]\d+)*|(?:[^\W\d_{HAN}{KANA}]|\d)+(?:['’][^\W\d_{HAN}{KANA}]+)?"
)
_CJK_RUN = re.compile(rf"[{HAN}{KANA}]+")
_QUESTION_ZH = re.compile(
    "为什么|为何|什么时候|什么样|什么地方|什么|怎么样|怎么|怎样|如何|哪里|哪儿|哪个|哪些|哪一|哪年|哪种|哪位|哪|何时|何地|何处|何人|何种|何|多少|多久|多长|多大|多高|多远|几个|几年|几|谁"
    "|是否|请问|吗|呢|吧|的|了|是|在|有|和|与|及|或|被|把|将|于|之|其|这|那|为|从|对|由|以|也|都|就|要|会"
)
_STOP_WORDS = """
    a an and are as at be been being but by can could did do does for from had has have having he her hers him his
    how i if in into is it its itself me my no nor not of on or our out over own per shall she should so some such
    than that the their theirs them then there these they this those through to too under until up us very was we
    were what when where which while who whom whose why will with would you your yours about after before between
    during many much name named called also any each other same just only more most kind type someone something
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Term:
    """A content word or a pair of ideographs, as it is compared, and where it stands."""

    form: str
    start: int


def script(text: str) -> Script:
    """`zh` where at least three of ten letters are Chinese and none is Japanese kana, else `en`."""
    han = len(IDEOGRAPHS.findall(text))
    if not han or re.search(f"[{KANA}]", text):
        return "en"
    return "zh" if han * 10 >= len(LETTERS.findall(text)) * 3 else "en"


def sentences(text: str) -> list[tuple[int, int]]:
    """Offsets of the sentences, in order, white space around them left out; together they hold
    every other character.

    Text that is appended may change the last sentence, never one before it: answers are split while
    they grow.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for match in _STOP.finditer(text):
        if match.start() >= start and _ends(text, start, match):
            found.extend(_trimmed(text, start, match.end()))
            start = match.end()
    found.extend(_trimmed(text, start, len(text)))
    return found


def terms(text: str, *, question: bool = False) -> Iterator[Term]:
    """The content words of a text, in order: lower case, without their endings; Chinese as
    overlapping pairs.

    question: leaves out Chinese question words and particles too, which in a text are parts of
    words.
    """
    for match in _TERM.finditer(text):
        word = match.group().lower()
        if _CJK_RUN.match(word):
            for part in _runs(word) if question else ((0, word),):
                yield from _pairs(part[1], match.start() + part[0])
        elif word not in STOP_WORDS:
            yield Term(_stem(word), match.start())


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    mark = stop.group()
    follows = _NEXT.match(text, stop.end())
    if follows is None:
        return False  # the rest is white space: it is the last sentence either way
    if "\n" in mark:
        return _line_ends(text, start, stop, follows.group(1))
    if mark[0] == ".":
        return not follows.group(1).islower() and not _ABBREVIATION.search(
            text, max(start, stop.start() - 12), stop.start() + 1
        )
    return mark[0] not in "!?…" or not follows.group(1).islower()


def _line_ends(text: str, start: int, stop: re.Match[str], follows: str) -> bool:
    """A blank line, a list item or a short line ends a sentence; a long line that just goes on does
    not.
    """
    if stop.group().count("\n") > 1 or _LINE_STARTS_ITEM.match(follows):
        return True
    line = stop.start() - max(text.rfind("\n", start, stop.start()) + 1, start)
    return line < WRAPPED_LINE or not (follows.islower() or IDEOGRAPHS.match(follows))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretch without the space around it, in pieces that are not too long."""
    while start < end and text[start].isspace():
        start += 1
    while end - start > LONGEST_SENTENCE:
        breaks = [
            match.end()
            for match in _BREAK.finditer(
                text, start + LONGEST_SENTENCE // 2, start + LONGEST_SENTENCE
            )
        ]
        cut = breaks[-1] if breaks else start + LONGEST_SENTENCE
        yield start, start + len(text[start:cut].rstrip())
        start = cut
        while start < end and text[start].isspace():
            start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def _runs(word: str) -> Iterator[tuple[int, str]]:
    """What question words and particles leave of a run of ideographs."""
    start = 0
    for match in _QUESTION_ZH.finditer(word):
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


def _stem(word: str) -> str:
    """The word without the commonest English endings; the same rules on both sides are what
    matters.
    """
    word = re.sub(r"['’]s?$|['’]s$", "", word)
    if word[0].isdigit():
        return word.replace(",", "").lstrip("0") or "0"
    for ending, rest in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("ed", ""),
        ("es", ""),
        ("s", ""),
        ("ly", ""),
    ):
        if (
            word.endswith(ending)
            and len(word) - len(ending) + len(rest) >= 3
            and not word.endswith(("ss", "us", "is"))
        ):
            word = word[: len(word) - len(ending)] + rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
