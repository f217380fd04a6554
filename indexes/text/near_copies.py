"""Whether a text adds anything to another: it does not if it is a near-copy or a part of it."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from indexes.text.folding import fold_text
from indexes.text.scripts import UNSPACED

# every character of a script without spaces counts as a word
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
# the same for ASCII, several times as fast: letters small, digits as they are, spaces for the rest
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}

SHARED = 0.9  # the least share of all their words that near-copies have in common
FEWEST = 4  # words of a part; a single word or a heading is in many texts, and is none of them
EDGES = 2  # words of a short part that need not be in the whole: the cut may have gone through them
STRETCH = 24  # letters and digits: so long are the samples of a text that are looked for in another
SAMPLES = 16
MISSES = 1  # so many samples need not be found


@dataclass(frozen=True, slots=True)
class Wording:
    """What is compared of a text: neither case nor punctuation nor spaces count, and Traditional
    and Simplified Chinese are one.
    """

    words: frozenset[str]
    numbers: frozenset[str]  # the words that hold a digit
    letters: str  # all words in their order, with nothing between them


def wording_of(text: str) -> Wording:
    """What is compared of this text."""
    plain = text.isascii()
    in_order = text.translate(_ASCII).split() if plain else _WORD.findall(fold_text(text))
    words, letters = frozenset(in_order), "".join(in_order)
    return Wording(words, _numbers_among(words, letters), letters)


def _numbers_among(words: frozenset[str], letters: str) -> frozenset[str]:
    """Those with a digit. letters: of all of them."""
    # isalpha is fast and leaves few words to look at more closely
    if letters.isalpha():
        return frozenset()
    unlike = [word for word in words if not word.isalpha()]
    return frozenset(word for word in unlike if any(map(str.isdigit, word)))


def adds_nothing(text: Wording, better: Wording) -> bool:
    """Whether the better text holds every number and nearly every word of the other, and either has
    hardly a word more, or holds the other as one stretch.

    So a longer text adds something to one of its parts, and a part nothing to the whole.
    """
    if not text.numbers <= better.numbers or not _most_words_are_among(better.words, text.words):
        return False
    if _are_near_copies(text, better) or not text.words:
        return True
    return len(text.words) >= FEWEST and _is_stretch_of(text.letters, better.letters)


def missing_words(words: int) -> float:
    """So many of a text's words, of which there are so many, may be missing in one to which it adds
    nothing.
    """
    return max(EDGES, (1 - SHARED) * words)


def _most_words_are_among(known: Set[str], words: frozenset[str]) -> bool:
    return len(words) - len(words & known) <= missing_words(len(words))


def _are_near_copies(one: Wording, other: Wording) -> bool:
    """Whether they differ in few words and in no number. The order of the words does not matter."""
    if one.numbers != other.numbers:
        return False
    return len(one.words & other.words) >= SHARED * len(one.words | other.words)


def _is_stretch_of(part: str, whole: str) -> bool:
    """Whether samples from everywhere in the part are found in the whole; of a short part, all."""
    if len(part) <= 2 * STRETCH:
        return part in whole
    step = max(1, (len(part) - STRETCH) // (SAMPLES - 1))
    starts = range(0, len(part) - STRETCH + 1, step)
    return _are_nearly_all_in(whole, [part[start : start + STRETCH] for start in starts])


def _are_nearly_all_in(whole: str, samples: Sequence[str]) -> bool:
    misses = 0
    for sample in samples:
        misses += sample not in whole
        if misses > MISSES:
            return False
    return True
