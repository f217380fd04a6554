"""Tokens counted word by word: as many as a byte-level BPE tokenizer makes of the whole text, much sooner.

Such a tokenizer cuts a text at its added tokens, cuts what is between them into words with a regular expression, and
tokenizes every word alone. So the tokens of a text are the tokens of its words, and most words were counted before.
What costs time is not the words but cutting them in the library. Here Python's `re` cuts, with the same expression.

Exact or not at all: `word_counter` gives None for a tokenizer of any other make, and a count is None for a text with a
character about which two versions of Unicode could disagree; then the library counts the whole text.

What is remembered are words and their numbers of tokens, of all callers together, as the library itself does too: no
passage, no question, nothing that outlives the process. A prompt with words that were counted before, whoever's, is
counted some microseconds a word sooner; nothing else depends on it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise, repeat
from typing import Any

from tokenizers import Tokenizer

REMEMBERED = 65_536  # words; then all are forgotten
LONGEST_WORD = 64  # characters, of a word that is remembered

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # built into ByteLevel
_PROPERTY = re.compile(r"\\p\{(\^?)(\w+)\}|\\(.)|(\[\^?|\])", re.DOTALL)
_ESCAPES = frozenset("sSrnt")  # mean the same in both engines, and so does an escaped mark
_PROPERTIES = frozenset({"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "N", "Nd", "Nl", "No"})
_CONTROLS = frozenset("\t\n\r")
_TWO_FACED = frozenset("\u017f\u212a")  # an s and a k where case is ignored
_EMOJI = "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"  # symbols or nothing in every version


class Words:
    """Remembers how many tokens words have. Safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, expression: str, added: Sequence[str]) -> None:
        self._model = tokenizer.model
        self._words = re.compile(expression)
        self._added = re.compile("|".join(re.escape(token) for token in sorted(added, key=len, reverse=True)) or "(?!)")
        self._foreign = re.compile(f"[^{_settled()}{_EMOJI}]")
        self._lengths: dict[str, int] = {}

    def count(self, text: str) -> int | None:
        """Tokens of the text, none added around it; None where the library has to be asked."""
        if self._foreign.search(text) or not unicodedata.is_normalized("NFC", text):
            return None
        between = self._added.split(text)
        words = [word for part in between for word in self._words.findall(part)]
        if sum(map(len, words)) != sum(map(len, between)):
            return None
        lengths, long = self._looked_up(words)
        return len(between) - 1 + sum(map(lengths.get, words, repeat(0))) + long

    def _looked_up(self, words: Sequence[str]) -> tuple[dict[str, int], int]:
        """The tokens of each word that is remembered, and of the others together. Nothing ever leaves the dict."""
        different = set(words)
        if len(self._lengths) + len(different) > REMEMBERED:
            self._lengths = {}
        lengths = self._lengths
        unknown = different.difference(lengths)
        lengths.update({word: self._length(word) for word in unknown if len(word) <= LONGEST_WORD})
        if all(len(word) <= LONGEST_WORD for word in unknown):
            return lengths, 0
        long = Counter(word for word in words if len(word) > LONGEST_WORD)
        return lengths, sum(times * self._length(word) for word, times in long.items())

    def _length(self, word: str) -> int:
        return len(self._model.tokenize(word.encode().decode("latin-1").translate(_byte_letters())))


def word_counter(tokenizer: Tokenizer, made_of: Mapping[str, Any]) -> Words | None:
    """A counter for this tokenizer; None where its words cannot be told for certain. made_of: its tokenizer.json."""
    expression = _expression(made_of.get("pre_tokenizer") or {})
    model, added = made_of.get("model") or {}, made_of.get("added_tokens") or []
    normalizer = (made_of.get("normalizer") or {}).get("type")
    plain = not any(token.get(flag) for token in added for flag in ("single_word", "lstrip", "rstrip"))
    alike = len({bool(token.get("normalized")) for token in added}) <= 1  # one pass finds them all
    whole = all(unicodedata.is_normalized("NFC", token["content"]) for token in added)
    if expression is None or model.get("type") != "BPE" or model.get("dropout") or normalizer not in (None, "NFC"):
        return None
    return Words(tokenizer, expression, [token["content"] for token in added]) if plain and alike and whole else None


def _expression(cutter: Mapping[str, Any]) -> str | None:
    """What the tokenizer cuts words with, for Python; None where it does something else as well."""
    match cutter:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return _translated(_GPT2)
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": str(given)}, "behavior": behavior, "invert": invert},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if (behavior, invert) in {("Isolated", False), ("Removed", True)}:
            return _translated(given)
    return None


def _translated(expression: str) -> str | None:
    """The expression with every \\p{…} written out; None where the two engines might read it differently."""
    depth, end, parts = 0, 0, []
    for found in _PROPERTY.finditer(expression):
        negated, category, escaped, bracket = found.groups()
        if negated or (category and category not in _PROPERTIES):
            return None
        if escaped and escaped.isalnum() and escaped not in _ESCAPES:
            return None
        if bracket:
            depth += 1 if bracket != "]" else -1
        if depth not in (0, 1):
            return None
        written = found.group() if not category else _letters(category) if depth else f"[{_letters(category)}]"
        parts += [expression[end : found.start()], written]
        end = found.end()
    whole = "".join((*parts, expression[end:]))
    try:
        groups = re.compile(whole).groups
    except re.error:
        return None
    return None if groups or "&&" in expression or "." in expression else whole


@cache
def _settled() -> str:
    """Characters that have been letters, marks, numbers, space or none of these since Unicode 3.2, inside a class."""
    old = unicodedata.ucd_3_2_0.category
    return _ranges(
        code
        for code, char in enumerate(map(chr, range(0x10000)))
        if char in _CONTROLS
        or (char not in _TWO_FACED and _kind(unicodedata.category(char)) == _kind(old(char)) != "C")
    )


def _kind(category: str) -> str:
    """As far as an expression can ask for it: marks of writing are all one to it."""
    return "C" if category in ("Cc", "Cn", "Co", "Cs") else category if category[0] in "LMNZ" else "other"


@cache
def _letters(category: str) -> str:
    """The characters of a category, as the inside of a class."""
    return _ranges(code for code in range(0x10000) if unicodedata.category(chr(code)).startswith(category))


def _ranges(codes: Iterable[int]) -> str:
    ordered = list(codes)
    breaks = [place for place, (one, next_one) in enumerate(pairwise(ordered), start=1) if next_one != one + 1]
    edges = pairwise([0, *breaks, len(ordered)])
    return "".join(f"\\u{ordered[first]:04x}-\\u{ordered[last - 1]:04x}" for first, last in edges)


@cache
def _byte_letters() -> dict[int, str]:
    """The letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}
