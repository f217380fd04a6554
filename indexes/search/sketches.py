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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords.compilation import kernel
from indexes.text.near_copies import missing_words
from indexes.text.scripts import UNSPACED

_WORDS = 16  # of 64 bits
# what a character is: between words, a part of one, a digit in one, a word; of others it is not known
_BETWEEN, _LETTER, _DIGIT, _WORD, _RARE = range(5)
_CHARACTERS = 1 << 16  # whose kind is known
_FNV_START, _FNV_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Sketch(NamedTuple):
    """The words of a text, seen from afar."""

    words: int  # the bits that they fall on
    numbers: int  # the bits of those with a digit
    missing: float  # so many of its words may be missing in a text that it adds nothing to


_UNKNOWN = Sketch(-1, 0, math.inf)  # of a text that may hold any word


def sketch(texts: Sequence[str]) -> list[Sketch]:
    """One for each text."""
    folded = [text.casefold() for text in texts]
    written = bytearray("".join(folded).encode("utf-32-le", "surrogatepass"))
    ends = np.array([*accumulate(map(len, folded))], np.int64)
    bits = np.zeros((len(texts), 2, _WORDS), np.uint64)
    counts = np.zeros(len(texts), np.int64)
    _look_at_words(np.frombuffer(written, np.uint32), ends, _kinds(), bits, counts)
    return [
        _UNKNOWN if count < 0 else Sketch(_as_int(words), _as_int(numbers), missing_words(count))
        for (words, numbers), count in zip(bits, counts.tolist(), strict=True)
    ]


def may_add_nothing(text: Sketch, others: Sequence[Sketch]) -> list[int]:
    """Places of those texts to which it may add nothing; the others lack too many of its words, or
    one of its numbers.
    """
    words, numbers, missing = text
    return [
        place
        for place, (better, _, _) in enumerate(others)
        if not numbers & ~better and (words & ~better).bit_count() <= missing
    ]


def _as_int(bits: NDArray[np.uint64]) -> int:
    return int.from_bytes(bits.tobytes(), "little")


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
                if kind == _RARE:
                    counts[text] = -1
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
