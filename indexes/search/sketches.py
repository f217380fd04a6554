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

from indexes.derived.compilation import kernel
from indexes.text.near_copies import missing_words
from indexes.text.scripts import UNSPACED

_WORDS = 16  # of 64 bits
# what a character is: between words, a part of a word, a word; of those that are rare it is not known
_BETWEEN, _PART, _WHOLE, _RARE = range(4)
_FNV_START, _FNV_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_CHARACTERS = 1 << 16  # that have a kind


class Sketch(NamedTuple):
    """The words of a text, seen from afar."""

    bits: int  # that its words fall on
    missing: float  # so many of its words may be missing in a text that it adds nothing to


_UNKNOWN = Sketch(-1, math.inf)  # of a text that may hold any word


def sketch(texts: Sequence[str]) -> list[Sketch]:
    """One for each text."""
    folded = [text.casefold() for text in texts]
    written = bytearray("".join(folded).encode("utf-32-le", "surrogatepass"))
    ends = np.array([*accumulate(map(len, folded))], np.int64)
    bits, words = np.zeros((len(texts), _WORDS), np.uint64), np.zeros(len(texts), np.int64)
    _look_at_words(np.frombuffer(written, np.uint32), ends, _kinds(), bits, words)
    each = zip(bits, words.tolist(), strict=True)
    return [
        Sketch(int.from_bytes(some.tobytes(), "little"), missing_words(count))
        if count >= 0
        else _UNKNOWN
        for some, count in each
    ]


def may_add_nothing(text: Sketch, others: Sequence[Sketch]) -> list[int]:
    """Places of those texts to which it may add nothing; too many of its words are missing in the
    others.
    """
    bits, missing = text
    return [
        place for place, (better, _) in enumerate(others) if (bits & ~better).bit_count() <= missing
    ]


@cache
def _kinds() -> NDArray[np.uint8]:
    """Of each character, as `near_copies` parts words."""
    kinds = np.full(_CHARACTERS, _BETWEEN, np.uint8)
    characters = "".join(map(chr, range(_CHARACTERS)))
    parts = (r"[^\W_]+", _PART), (f"[{UNSPACED}]+", _WHOLE)
    for some, kind in parts:
        for found in re.finditer(some, characters):
            kinds[found.start() : found.end()] = kind
    return kinds


@kernel()
def _kind_of(character: Any, kinds: Any) -> Any:
    return kinds[character] if character < len(kinds) else _RARE


@kernel()
def _note(word: Any, bits: Any) -> None:
    mixed = (word ^ (word >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    place = mixed >> np.uint64(54)  # the first ten bits
    bits[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))


@kernel("void(uint32[::1], int64[::1], uint8[::1], uint64[:, ::1], int64[::1])")
def _look_at_words(characters: Any, ends: Any, kinds: Any, bits: Any, words: Any) -> None:
    """Fills the bits of each text and the number of its words, repetitions counted; -1: unknown."""
    start = 0
    for text in range(len(ends)):
        word, inside = _FNV_START, False
        for place in range(start, ends[text] + 1):
            # behind the last character as between words
            kind = _kind_of(characters[place], kinds) if place < ends[text] else _BETWEEN
            if inside and kind != _PART:
                _note(word, bits[text])
                words[text] += 1
                word, inside = _FNV_START, False
            if kind == _RARE:
                words[text] = -1
                break
            if kind != _BETWEEN:
                word = (word ^ np.uint64(characters[place])) * _FNV_FACTOR
                inside = True
            if kind == _WHOLE:
                _note(word, bits[text])
                words[text] += 1
                word, inside = _FNV_START, False
        start = ends[text]
