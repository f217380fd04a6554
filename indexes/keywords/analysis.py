"""Text and questions to terms, the same way for both. A term is the 48-bit hash of a normalised word.

Hashes instead of a dictionary of words: nothing grows with text that a caller may not read, nothing remembers the words
of a deleted document, and moving an index between processes needs no translation.

- Words are runs of letters, marks and digits (Unicode categories) after NFKC and case folding; English words are stemmed.
- Scripts written without spaces, and Hangul, become pairs of neighbouring characters; a character alone stays alone.
- What is joined by `-`, `_`, `.`, `/`, `:`, `@`, `+` and the like gives its parts, and when it looks like a code (a digit,
  or a joint that prose does not use) also the whole: `ISO-27001` is `iso`, `27001` and `iso27001`. A joint between a letter
  and a digit that is only a hyphen does not count, so `ISO27001` and `ISO-27001` are the same code.
- A word counts up to its first WORD_CHARACTERS characters.
"""

import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from threading import Lock

import numpy as np
import regex
import Stemmer
from numpy.typing import NDArray

ANALYSIS_VERSION = 1
WORD_CHARACTERS = 64
HASH_BYTES = 6  # two words of one view are taken for one in about one of a million questions
CACHED_WORDS = 1 << 18
CACHED_CHARACTERS = 128

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Yi}\u30fc\uff70"
_JOINT = r"[-_./:@+#&\\=~,'’\u2010-\u2015\u2212]"
_TOKEN = regex.compile(rf"[{_UNSPACED}]+|[\w--_--[{_UNSPACED}]]+(?:{_JOINT}[\w--_--[{_UNSPACED}]]+)*+", regex.V1)
_ASCII_TOKEN = regex.compile(r"[a-z0-9]+(?:[-_./:@+#&\\=~,'][a-z0-9]+)*+")
_IGNORED = regex.compile(r"[\p{Cf}\p{Variation_Selector}--\u200b]", regex.V1)
_UNSPACED_START = regex.compile(rf"[{_UNSPACED}]")
_JOINTS = regex.compile(_JOINT)
_HYPHENS = regex.compile(r"[\u2010-\u2015\u2212]")
_CODE = regex.compile(r"\d|[_@.#\\=~+:]")
_SOFT_HYPHEN = regex.compile(r"(?<=[^\W\d])-(?=\d)|(?<=\d)-(?=[^\W\d])")
_GROUPED_NUMBER = regex.compile(r"\d{1,3}(?:,\d{3})+")
_CONTRACTION = regex.compile(r"(?<=\w)['’](?:s|t|d|m|ll|re|ve)$")


class Analyser:
    """Turns text into term hashes. Safe to share between threads; remembers the words it has met, up to a limit."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, ...]] = {}
        self._stem = Stemmer.Stemmer("english", 0).stemWord
        self._stemming = Lock()

    def terms(self, text: str) -> Sequence[int]:
        """The terms of a text in reading order, repeated as often as they occur."""
        terms = array("Q")
        known = self._known
        for token in _tokens(text):
            found = known.get(token)
            terms.extend(self._learn(token) if found is None else found)
        return terms

    def _learn(self, token: str) -> tuple[int, ...]:
        terms = tuple(_hash(word) for word in self._words(token))
        if len(token) <= CACHED_CHARACTERS:
            if len(self._known) >= CACHED_WORDS:
                self._known.clear()
            self._known[token] = terms
        return terms

    def _words(self, token: str) -> Iterable[str]:
        if _UNSPACED_START.match(token):
            return [token[i : i + 2] for i in range(len(token) - 1)] or [token]
        token = _CONTRACTION.sub("", token)
        if _GROUPED_NUMBER.fullmatch(token):
            return [token.replace(",", "")]
        parts = _JOINTS.split(token)
        words = [self._stemmed(part) for part in parts]
        if len(parts) > 1 and _CODE.search(token):
            words.append(_SOFT_HYPHEN.sub("", _HYPHENS.sub("-", token))[:WORD_CHARACTERS])
        return words

    def _stemmed(self, word: str) -> str:
        word = word[:WORD_CHARACTERS]
        if not (word.isascii() and word.isalpha()):
            return word
        with self._stemming:
            return str(self._stem(word))


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _TOKEN.findall(unicodedata.normalize("NFKC", _IGNORED.sub("", folded)))


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest(), "little")


def distinct(terms: Sequence[int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(terms in order of first appearance, how often each occurs)."""
    found: dict[int, int] = {}
    for term in terms:
        found[term] = found.get(term, 0) + 1
    return np.fromiter(found.keys(), np.uint64, len(found)), np.fromiter(found.values(), np.int64, len(found))
