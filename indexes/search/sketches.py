"""A quick look at texts that tells which of them cannot be near-copies.

Of each text it keeps which of a thousand bits its words fall on. A bit of one text that another
does not have stands for at least one word that the other does not have. So texts that differ in
too many bits differ in too many words, whatever falls together; all others have to be compared
word by word (`indexes/text/near_copies.py`). No text is remembered.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords.compilation import kernel
from indexes.text.near_copies import MISSING
from indexes.text.scripts import UNSPACED

_WORDS = 16  # of 64 bits
_BETWEEN, _PART, _WHOLE, _UNKNOWN = range(4)  # what a character is: of no word, of one, a word, rare


@dataclass(frozen=True, slots=True)
class Sketch:
    """The words of a text, seen from afar."""

    bits: int  # that its words fall on
    missing: float  # so many of its words may be missing in a text that it adds nothing to

    def may_add_nothing(self, better: "Sketch") -> bool:
        """False: too many of its words are missing in the better text."""
        return (self.bits & ~better.bits).bit_count() <= self.missing


_UNKNOWN_TEXT = Sketch(-1, float("inf"))


def sketch(texts: Sequence[str]) -> list[Sketch]:
    """One for each text."""
    folded = [text.casefold().encode("utf-16-le", "surrogatepass") for text in texts]
    units = np.frombuffer(b"".join(folded), np.uint16)
    ends = np.cumsum([len(each) // 2 for each in folded])
    bits = np.zeros((len(texts), _WORDS), np.uint64)
    words = np.zeros(len(texts), np.int64)
    _look_at_words(units, ends, _kinds(), bits, words)
    each = zip(bits, words.tolist(), strict=True)
    return [
        Sketch(int.from_bytes(some.tobytes(), "little"), MISSING(count))
        if count >= 0
        else _UNKNOWN_TEXT
        for some, count in each
    ]
