"""A quick look at texts that tells which of them cannot be near-copies.

Of each text it keeps which of a thousand bits its words fall on. A bit of one text that another
does not have stands for at least one word that the other does not have. So texts that differ in
too many bits differ in too many words, whatever falls together; all others have to be compared
word by word (`indexes/text/near_copies.py`). No text is remembered.
"""

import math
import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from indexes.derived.compilation import kernel
from indexes.text.folding import fold_text
from indexes.text.near_copies import missing_words
from indexes.text.scripts import UNSPACED

_WORDS = 16  # of 64 bits
# what a character is: between words, a part of one, a digit in one, a word; of others it is not known
_BETWEEN, _LETTER, _DIGIT, _WORD, _RARE = range(5)
_CHARACTERS = 1 << 16  # whose kind is known
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_FNV_START, _FNV_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


Bits = NDArray[np.uint64]  # (texts, 2, _WORDS)
_NO_BITS: Bits = np.zeros((0, 2, _WORDS), np.uint64)


class Sketches(NamedTuple):
    """The words of some texts, seen from afar."""

    bits: Bits  # of each text: those of its words, and those of its words with a digit
    # so many words of each may be missing in one to which it adds nothing
    missing: NDArray[np.float64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        folded = [fold_text(text) for text in texts]
        written = bytearray("".join(folded).encode("utf-32-le", "surrogatepass"))
        ends = np.array([*accumulate(map(len, folded))], np.int64)
        bits = np.zeros((len(texts), 2, _WORDS), np.uint64)
        counts = np.zeros(len(texts), np.int64)
        _look_at_words(np.frombuffer(written, np.uint32), ends, _kinds(), bits, counts)
        missing = [math.inf if count < 0 else missing_words(count) for count in counts.tolist()]
        return cls(bits, np.array(missing, np.float64))

    def part(self, place: int) -> Self:
        """One of them alone."""
        return type(self)(self.bits[place : place + 1], self.missing[place : place + 1])

    def may_add_nothing(self, to: Sequence[Self]) -> list[bool]:
        """Of each text, whether it may add nothing to one of these or to one that stands before it.

        To all others it adds a number, or too many words.
        """
        may = np.zeros(len(self.bits), np.bool_)
        _compare_all(self.bits, self.missing, _bits_of(to), may)
        found: list[bool] = may.tolist()
        return found

    def first_may_add_nothing(self, to: Sequence[Self]) -> list[bool]:
        """Of each of these, whether the first text may add nothing to it."""
        may = np.zeros(len(to), np.bool_)
        _compare_first(self.bits, self.missing, _bits_of(to), may)
        found: list[bool] = may.tolist()
        return found


def _bits_of(sketches: Sequence[Sketches]) -> Bits:
    return np.concatenate([each.bits for each in sketches]) if sketches else _NO_BITS


@cache
def _kinds() -> NDArray[np.uint8]:
    """Of each character, as `near_copies` parts words."""
    kinds = np.full(_CHARACTERS, _BETWEEN, np.uint8)
    characters = "".join(map(chr, range(_CHARACTERS)))
    for some, kind in ((r"[^\W_]", _LETTER), (f"[{UNSPACED}]", _WORD)):
        for found in re.finditer(f"{some}+", characters):
            kinds[found.start() : found.end()] = kind
    digits = [place for place in np.flatnonzero(kinds == _LETTER) if chr(place).isdigit()]
    kinds[digits] = _DIGIT
    return kinds


@kernel()
def _may_add_nothing(text: Any, missing: Any, better: Any) -> Any:
    found = 0.0
    for some in range(_WORDS):
        if text[1, some] & ~better[0, some]:
            return False
        lacking = text[0, some] & ~better[0, some]
        while lacking:
            lacking &= lacking - np.uint64(1)
            found += 1
    return found <= missing


@kernel("void(uint64[:, :, ::1], float64[::1], uint64[:, :, ::1], bool_[::1])")
def _compare_first(texts: Any, missing: Any, others: Any, may: Any) -> None:
    for place in range(len(others)):
        may[place] = _may_add_nothing(texts[0], missing[0], others[place])


@kernel("void(uint64[:, :, ::1], float64[::1], uint64[:, :, ::1], bool_[::1])")
def _compare_all(texts: Any, missing: Any, others: Any, may: Any) -> None:
    for text in range(len(texts)):
        for place in range(len(others) + text):
            better = others[place] if place < len(others) else texts[place - len(others)]
            if _may_add_nothing(texts[text], missing[text], better):
                may[text] = True
                break


@kernel()
def _note(word: Any, is_number: Any, bits: Any) -> None:
    mixed = (word ^ (word >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    place = mixed >> np.uint64(54)  # the first ten bits
    bit = np.uint64(1) << (place & np.uint64(63))
    bits[0, place >> np.uint64(6)] |= bit
    if is_number:
        bits[1, place >> np.uint64(6)] |= bit


@kernel("void(uint32[::1], int64[::1], uint8[::1], uint64[:, :, ::1], int64[::1])")
def _look_at_words(characters: Any, ends: Any, kinds: Any, bits: Any, counts: Any) -> None:
    """Fills the bits of each text, and how many words it has, repetitions counted; -1: unknown."""
    place = 0
    for text in range(len(ends)):
        while place < ends[text]:
            word, is_number, first = _FNV_START, False, place
            while place < ends[text]:
                character = characters[place]
                kind = kinds[character] if character < len(kinds) else _RARE
                if kind == _RARE:  # it may hold any word
                    counts[text] = -1
                    bits[text, 0] = _ALL
                    bits[text, 1] = 0
                if kind not in (_LETTER, _DIGIT) and (kind != _WORD or place > first):
                    break
                word = (word ^ np.uint64(character)) * _FNV_FACTOR
                is_number |= kind == _DIGIT
                place += 1
                if kind == _WORD:
                    break
            if place == first:
                place += 1  # between words
            elif counts[text] >= 0:
                _note(word, is_number, bits[text])
                counts[text] += 1
