"""Scripts that run from right to left: which letters, in what order their readers take them.

The places of words decide, not their order in the file.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.partition.pdf.page import Word

SAME_ROW = 0.45  # of a letter's size between baselines of one row
SHATTERED = 0.5  # of the words of a page; more single letters than that are no words
FEWEST = 20  # words; of fewer nothing is said
_RANGES = ((0x0590, 0x08FF), (0xFB1D, 0xFDFF), (0xFE70, 0xFEFE))
_FIGURES = ((0x0660, 0x066C), (0x06F0, 0x06F9), (0x07C0, 0x07C9))  # run from left to right
FIRST = chr(_RANGES[0][0])


def leftward_letters(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which letters run from right to left, their marks with them."""
    found = np.zeros(len(codes), np.bool_)
    if len(codes) and codes.max() >= _RANGES[0][0]:
        for first, last in _RANGES:
            found |= (codes >= first) & (codes <= last)
        for first, last in _FIGURES:
            found &= (codes < first) | (codes > last)
    return found


def runs_leftward(text: str) -> bool:
    """Whether most letters of a word run from right to left."""
    if max(text, default="") < FIRST:
        return False
    if not any(chr(first) <= letter <= chr(last) for letter in text for first, last in _RANGES):
        return False
    strong = leftward_letters(np.array([ord(letter) for letter in text], np.int64))
    return 2 * int(strong.sum()) > sum(map(str.isalpha, text))


def order_words(words: Sequence[Word]) -> list[Word]:
    """Words of printed lines as they are read, each line in the direction of most of its letters."""
    lines: list[list[Word]] = []
    for word in words:
        near = SAME_ROW * max(word.size, 4.0)
        if lines and abs(word.baseline - lines[-1][-1].baseline) <= near:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [word for line in lines for word in _order_line(line)]


def direction(strong: Sequence[bool]) -> bool:
    """Whether a line runs from right to left. strong: which of its letters or words do, as they
    stand from left to right; those at both ends decide, and most if the ends differ.
    """
    if strong and strong[0] == strong[-1]:
        return strong[0]
    return 2 * sum(strong) >= len(strong) > 0


def is_leftward(words: Sequence[Word]) -> bool:
    """Whether a line runs from right to left."""
    if not any(word.leftward for word in words):
        return False
    across = sorted(words, key=lambda word: word.box.left)
    return direction([word.leftward for word in across if _has_letters(word) for _ in word.text])


def _order_line(words: Sequence[Word]) -> list[Word]:
    leftward = is_leftward(words)
    rest = sorted(words, key=lambda word: -word.box.right if leftward else word.box.left)
    ordered: list[Word] = []
    held: list[Word] = []
    for word in rest:
        if word.leftward == leftward and (leftward or _has_letters(word)):
            ordered += [*_turn_foreign(held, leftward=leftward), word]
            held = []
        else:
            held.append(word)
    return ordered + _turn_foreign(held, leftward=leftward)


def _turn_foreign(words: list[Word], *, leftward: bool) -> list[Word]:
    """Words between those of the line's own direction, what runs the other way turned around: with
    the figures in it, and, in a line from right to left, with those behind it ("ISO 9001").
    """
    foreign = [place for place, word in enumerate(words) if _has_letters(word)]
    if not foreign:
        return words
    first, end = foreign[0], foreign[-1] + 1
    while leftward and first and any(map(str.isdigit, words[first - 1].text)):
        first -= 1
    return [*words[:first], *reversed(words[first:end]), *words[end:]]


def _has_letters(word: Word) -> bool:
    return any(map(str.isalpha, word.text))


def is_shattered(words: Sequence[Word]) -> bool:
    """Whether most words from right to left are single letters: their order cannot be told."""
    there = [word for word in words if word.leftward]
    single = sum(len(word.text) == 1 for word in there)
    return len(there) >= FEWEST and single > SHATTERED * len(there)
