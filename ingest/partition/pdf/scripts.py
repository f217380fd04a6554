"""Raised and lowered letters: ten to the sixth is not one hundred and six."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from ingest.partition.pdf.page import Box, Word

# of the letters before them: browsers set five sixths, and sizes are rounded to half points
SMALLER = 0.9
MAX_LETTERS = 3  # of one that is drawn apart from what it stands at
MAX_APART = 500  # words of a page that may be such; more are a page of single letters
RAISED = (0.15, 0.95)  # of the size of the letters before them, upwards
LOWERED = (0.06, 0.6)
_ORDINAL = re.compile(r"^(?:st|nd|rd|th|er|ère|re|e|ème|o|a|º|ª)$", re.IGNORECASE)

# a unit or a variable, which has powers; raised letters at other words are marks of notes
_QUANTITY = re.compile(r"(?:^|[^A-Za-z])(?:[kcdmµn]?m|ft|yd|mi|sec|s|[a-zA-Z])$")


def join_scripts(words: Iterable[Word]) -> list[Word]:
    """The words, raised ones joined to what they stand at: with a "^" before them at a figure, a
    unit or a variable, plainly at other words, whose notes they are. Lowered ones and ordinals
    ("2nd") are joined plainly.
    """
    return _join_apart(list(_join_next(words)))


def _join_next(words: Iterable[Word]) -> Iterator[Word]:
    """Those joined that follow what they stand at in the file."""
    held: Word | None = None
    base: Word | None = None  # what the held word began as: its size and baseline decide
    for word in words:
        shift = _shift(base, held, word) if held is not None and base is not None else 0
        if held is not None and shift:
            held = _join(held, word, raised=shift > 0)
            continue
        if held is not None:
            yield held
        held = base = word
    if held is not None:
        yield held


def _join_apart(words: list[Word]) -> list[Word]:
    """Those joined that are drawn before or after all the rest, such as marks of notes."""
    apart = [
        place
        for place, word in enumerate(words)
        if _may_be_apart(word) and not _follows_its_like(words, place)
    ]
    if not 0 < len(apart) <= MAX_APART:
        return words
    ends = sorted((word.box.right, place) for place, word in enumerate(words) if not word.turned)
    joined = dict(enumerate(words))
    for place in apart:
        base = _base_of(words, place, ends)
        if base is not None and base in joined and not _has_neighbour(words, place):
            word = joined.pop(place)
            joined[base] = _join(joined[base], word, raised=words[base].baseline > word.baseline)
    return list(joined.values())


def _may_be_apart(word: Word) -> bool:
    return len(word.text) <= MAX_LETTERS and not word.turned and word.text[:1].isalnum()


def _follows_its_like(words: Sequence[Word], place: int) -> bool:
    """Whether the word before it in the file is part of its own line: most are."""
    word, before = words[place], words[place - 1]
    return (
        place > 0
        and before.size == word.size
        and before.baseline == word.baseline
        and 0 <= word.box.left - before.box.right < word.size
    )


def _base_of(words: Sequence[Word], place: int, ends: Sequence[tuple[float, int]]) -> int | None:
    """The place of the word that one stands at the end of, raised or lowered."""
    word = words[place]
    reach = word.size  # no base is so large that it may end farther away
    start = bisect_left(ends, word.box.left - reach, key=itemgetter(0))
    end = bisect_right(ends, word.box.left + reach, key=itemgetter(0))
    near = [
        (abs(right - word.box.left), other)
        for right, other in ends[start:end]
        if other != place and _shift(words[other], words[other], word)
    ]
    return min(near)[1] if near else None


def _has_neighbour(words: Sequence[Word], place: int) -> bool:
    """Whether it is part of a line of its own size."""
    word = words[place]
    return any(
        abs(other.baseline - word.baseline) < 0.1 * word.size
        and other.size <= word.size / SMALLER
        and -word.size < max(other.box.left - word.box.right, word.box.left - other.box.right)
        and max(other.box.left - word.box.right, word.box.left - other.box.right) < word.size
        for number, other in enumerate(words)
        if number != place
    )


def _shift(base: Word | None, held: Word | None, word: Word) -> int:
    """1 if the word is raised at the end of the held one, -1 if it is lowered, else 0."""
    if base is None or held is None or word.turned or base.turned:
        return 0
    if word.size > SMALLER * base.size or base.size <= 0:
        return 0
    gap = word.box.left - held.box.right
    if not -0.25 * base.size < gap < (0.12 if word.spaced else 0.3) * base.size:
        return 0
    up = (base.baseline - word.baseline) / base.size
    if RAISED[0] <= up <= RAISED[1]:
        return 1
    return -1 if LOWERED[0] <= -up <= LOWERED[1] else 0


def _join(held: Word, word: Word, *, raised: bool) -> Word:
    plain = not raised or (
        bool(_ORDINAL.match(word.text))
        if held.text[-1:].isdigit()
        else held.text[-1:].isalpha() and not _QUANTITY.search(held.text)
    )
    box = Box(held.box.left, held.box.top, max(held.box.right, word.box.right), held.box.bottom)
    sign = "" if plain or "^" in held.text else "^"
    return held._replace(text=f"{held.text}{sign}{word.text}", box=box)
