"""Where sentences end, in every script at once."""

import re
from collections.abc import Iterator

from indexes.text.scripts import IDEOGRAPH

LONGEST_SENTENCE = 600  # characters; a table without a full stop is cut here, at a space
# characters; a line at least this long that goes on in lower case was broken by the page, not the
# writer
WRAPPED_LINE = 40

ENDS_BEFORE_SPACE = ".!?…"
"""End a sentence if white space follows: 3.5 and example.com go on."""

ENDS = "。！？｡؟۔।॥။།។"
"""End a sentence whatever follows."""

CLOSING = "\"'”’)\\]»」』）》】"
"""What may still belong to a sentence after its end, as the inside of a character class."""

CLAUSE_ENDS = ",;，、；："
ANNOUNCES = ":："
QUESTION_MARKS = ("?", "？", "؟")
BULLETS = "•◦▪‣·●○■\uf0b7\uf0a7"
"""Begin an item of a list; the last two are those of old symbol fonts."""

_ENDING = re.compile(rf"[{ENDS_BEFORE_SPACE}{ENDS}][{CLOSING}]*$")
_STOP = re.compile(
    rf"[.!?]+[{CLOSING}]*(?=\s)"
    rf"|[!?…{ENDS}]+[{CLOSING}]*"
    r"|[ \t]*\n\s*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“\"'])(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]?|mr|mrs|ms|dr|prof|st|sr|jr|vs|no|nos"
    r"|fig|figs|eq|art|sec|vol|pp|ca|cf|al|inc|ltd|co|corp|dept|approx|gen|col|capt|lt|gov|rev|hon"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e)\.$",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s*(\S)")
_WORD = re.compile(r"\S+")
_LINE_STARTS_ITEM = re.compile(rf"[-*|#>\d(（{BULLETS}]")
_BREAK = re.compile(rf"[\s{CLAUSE_ENDS}]")


def ends_sentence(text: str) -> bool:
    """Whether the text stops where a sentence ends; a heading or a fragment does not."""
    return _ENDING.search(text) is not None


def ends_clause(text: str) -> bool:
    """Whether the text stops where a sentence or a part of one ends, or where something follows
    that it announces.
    """
    return text.endswith((*CLAUSE_ENDS, *ANNOUNCES)) or ends_sentence(text)


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
    not, nor does one of a paragraph in which the next word had no room on it.
    """
    if stop.group().count("\n") > 1 or _LINE_STARTS_ITEM.match(follows):
        return True
    begins = text.rfind("\n", 0, stop.start()) + 1
    line = stop.start() - begins
    if line < WRAPPED_LINE:
        return True
    return not (
        follows.islower()
        or IDEOGRAPH.match(follows)
        or _had_no_room(text, begins, line, stop.end())
    )


def _had_no_room(text: str, begins: int, line: int, follows: int) -> bool:
    """Whether the next word would have made this line longer than the one above it, which is not the
    last of a paragraph. A word that may still grow had none.
    """
    above = text[text.rfind("\n", 0, max(0, begins - 1)) + 1 : max(0, begins - 1)].rstrip()
    if len(above) < WRAPPED_LINE or ends_sentence(above):
        return False
    word = _WORD.match(text, follows)
    return word is not None and (
        word.end() == len(text) or line + 1 + len(word.group()) > len(above)
    )


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
