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
from codecs import charmap_decode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import count, pairwise
from typing import Any, cast

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
        if "".join(words) != "".join(between):
            return None
        return len(between) - 1 + sum(self._lengths_of(words))

    def _lengths_of(self, words: Sequence[str]) -> Sequence[int]:
        """How many tokens each word has. Looks up each once: in a large dict that is what costs."""
        found = list(map(self._lengths.get, words))
        if None not in found:  # most prompts
            return cast(list[int], found)
        unknown = {word for word, length in zip(words, found, strict=True) if length is None}
        lengths = {word: self._length(word) for word in unknown}
        self._remember({word: length for word, length in lengths.items() if len(word) <= LONGEST_WORD})
        return [lengths[word] if length is None else length for word, length in zip(words, found, strict=True)]

    def _remember(self, lengths: Mapping[str, int]) -> None:
        if len(self._lengths) + len(lengths) > REMEMBERED:
            self._lengths = {}
        self._lengths.update(lengths)

    def _length(self, word: str) -> int:
        letters, _ = charmap_decode(word.encode(), "strict", _byte_letters())
        return len(self._model.tokenize(letters))


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
def _byte_letters() -> str:
    """The letter that stands for each byte in a byte-level vocabulary, in order."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    beyond = count(256)
    return "".join(chr(byte if byte in plain else next(beyond)) for byte in range(256))
