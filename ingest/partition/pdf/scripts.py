"""Raised and lowered letters: ten to the sixth is not one hundred and six."""

import re
from collections.abc import Iterable, Iterator

from ingest.partition.pdf.page import Box, Word

SMALLER = 0.85  # of the letters before them
RAISED = (0.15, 0.95)  # of the size of the letters before them, upwards
LOWERED = (0.06, 0.6)
_ORDINAL = re.compile(r"^(?:st|nd|rd|th|er|ère|re|e|ème|o|a|º|ª)$", re.IGNORECASE)

# a unit or a variable, which has powers; raised letters at other words are marks of notes
_QUANTITY = re.compile(r"(?:^|[^A-Za-z])(?:[kcdmµn]?m|ft|yd|mi|sec|s|[a-zA-Z])$")


def join_scripts(words: Iterable[Word]) -> Iterator[Word]:
    """The words, raised ones joined to what they stand at: with a "^" before them at a figure, a
    unit or a variable, plainly at other words, whose notes they are. Lowered ones and ordinals
    ("2nd") are joined plainly.
    """
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
