"""Text and questions to terms, the same way for both.

A term is the 48-bit hash of a normalised word.

Hashes instead of a dictionary of words: nothing grows with text that a caller may not read, nothing
remembers the words of a deleted document, and an index can go from one process to another as it is.

- Words are runs of letters, marks and digits (Unicode categories) after NFKC and case folding, with English stems.
- Scripts written without spaces, and Hangul, become pairs of neighbouring characters; one alone stays alone.
  Their digits are words, as everywhere.
- Traditional and Simplified Chinese are one: of all ways of writing a character, one stands for the others.
- Numbers in Chinese numerals are also words in digits: 一百二十 is 120 too, 民国109年 is 2020 too.
- What is joined by `-`, `_`, `.`, `/`, `:`, `@`, `+` and the like gives its parts, and when it looks like a code (a
  digit, or a joint that prose does not use) also the whole: `ISO-27001` is `iso`, `27001` and `iso27001`. A mere hyphen
  between letter and digit is left out of the whole, and `ISO27001` has the same three terms: one code, both ways.
- A word counts up to its first WORD_CHARACTERS characters.
- There are no stop words: frequent words weigh next to nothing anyway, and leaving them out made nDCG@10 no better.
"""

import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
import regex  # type: ignore[import-untyped]
from numpy.typing import NDArray

from indexes.text.folding import fold_han
from indexes.text.numerals import find_numerals
from indexes.text.scripts import UNSPACED
from indexes.text.stems import CONTRACTION, english_stem

# raise it if any text gets other terms: indexes that were stored before are then built anew
ANALYSIS_VERSION = 3
HASH_BYTES = 6  # two words of one view are taken for one in about one of a million questions
WORD_CHARACTERS = 64
MAX_REMEMBERED = 1 << 18
MAX_REMEMBERED_CHARS = 128

# most characters are ASCII, and for them the long table need not be looked through
_WORD = rf"(?:[a-z0-9]++|(?![\x00-\x7f])[\w--[{UNSPACED}]])++"
_JOINT = r"[-_./:@+#&\\=~,'’\u2010-\u2015\u2212]"
_TOKEN = regex.compile(rf"{_WORD}(?:{_JOINT}{_WORD})*+|(?![\x00-\x7f])[{UNSPACED}]++", regex.V1)
_ASCII_TOKEN = regex.compile(r"[a-z0-9]+(?:[-_./:@+#&\\=~,'][a-z0-9]+)*+")
# the zero-width space does part words
_IGNORED = regex.compile(r"[\p{Cf}\p{Variation_Selector}--\u200b]", regex.V1)

_UNSPACED_START = regex.compile(rf"[{UNSPACED}]")
_JOINTS = regex.compile(_JOINT)
_CODE = regex.compile(r"\d|[_@.#\\=~+:]")
_HYPHENS = regex.compile(r"[\u2010-\u2015\u2212]")
_MERE_HYPHEN = regex.compile(r"(?<=[^\W\d])-(?=\d)|(?<=\d)-(?=[^\W\d])")
_LETTERS_THEN_DIGITS = regex.compile(r"([a-z]{2,8})(\d{2,12})")
_GROUPED_NUMBER = regex.compile(r"\d{1,3}(?:,\d{3})+")


class Analyser:
    """Turns text into terms. Safe to share between threads.

    remembers: keeps words it has met, up to a limit. Not for questions: how long one takes must not
    tell which words are in other people's texts and questions.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self._longest_remembered = MAX_REMEMBERED_CHARS if remembers else 0
        self._tokens: dict[str, Sequence[int]] = {}
        self._words: dict[str, int] = {}

    def terms(self, text: str) -> Sequence[int]:
        """The terms of a text in reading order, repeated as often as they occur."""
        known = self._tokens.get
        tokens, numbers = _split_text(text)
        terms = array(
            "Q",
            chain.from_iterable([known(token) or self._terms_of_token(token) for token in tokens]),
        )
        terms.extend(map(self._term_of_word, numbers))
        return terms

    def _terms_of_token(self, token: str) -> Sequence[int]:
        if token.isascii() and token.isalpha():  # a plain word, as most are: nothing to take apart
            return self._remember(token, [self._term_of_word(token)])
        if _UNSPACED_START.match(token):
            return [self._term_of_word(token[i : i + 2]) for i in range(max(1, len(token) - 1))]
        parts, whole = _split_token(token)
        terms = [self._term_of_word(part) for part in parts]
        if whole is not None:
            terms.append(_hash(whole[:WORD_CHARACTERS]))
        return self._remember(token, terms)

    def _remember(self, token: str, terms: Sequence[int]) -> Sequence[int]:
        if len(token) <= self._longest_remembered:
            _make_room(self._tokens)
            self._tokens[token] = terms
        return terms

    def _term_of_word(self, word: str) -> int:
        term = self._words.get(word)
        if term is None:
            word = word[:WORD_CHARACTERS]
            term = _hash(english_stem(word))
            if self._longest_remembered:
                _make_room(self._words)
                self._words[word] = term
        return term


def count_terms(terms: Iterable[int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(terms in order of first appearance, how often each occurs)."""
    found: dict[int, int] = {}
    for term in terms:
        found[term] = found.get(term, 0) + 1
    return np.fromiter(found.keys(), np.uint64, len(found)), np.fromiter(
        found.values(), np.int64, len(found)
    )


def _split_text(text: str) -> tuple[Sequence[str], Sequence[str]]:
    """(runs of an unspaced script, and words with what is joined to them; numbers that are not
    written in digits alone)
    """
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower()), ()
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = fold_han(unicodedata.normalize("NFKC", _IGNORED.sub("", folded)))
    return _TOKEN.findall(folded), [numeral.value for numeral in find_numerals(folded)]


def _split_token(token: str) -> tuple[Sequence[str], str | None]:
    """(the parts of a token, the whole of it if that is a code, else None)"""
    token = CONTRACTION.sub("", token)
    if _GROUPED_NUMBER.fullmatch(token):
        return (token.replace(",", ""),), None
    parts = _JOINTS.split(token)
    if len(parts) == 1:
        code = _LETTERS_THEN_DIGITS.fullmatch(token)
        return (code.groups(), token) if code else (parts, None)
    if not _CODE.search(token):
        return parts, None
    return parts, _MERE_HYPHEN.sub("", _HYPHENS.sub("-", token[: 2 * WORD_CHARACTERS]))


def _hash(word: str) -> int:
    return int.from_bytes(
        blake2b(word.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest(), "little"
    )


def _make_room(remembered: dict[str, int] | dict[str, Sequence[int]]) -> None:
    if len(remembered) >= MAX_REMEMBERED:
        remembered.clear()
