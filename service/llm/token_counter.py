"""Tokens counted word by word: the same number as a byte-level BPE tokenizer makes of the whole
text, in a half to a quarter of the time (`python -m bench.prompt`).

Such a tokenizer cuts a text at its added tokens, cuts what is between them into words with a
regular expression, and tokenizes every word alone. So the tokens of a text are the tokens of its
words, and most words were counted before. What costs time is not the words but cutting them in the
library. Here Python's `re` cuts, with the same expression. And with the expressions that most
models use, a word never goes on from one line to the next, so that a line that was counted before,
as of a passage that many ask for, need not even be cut.

Exact or not at all: `make_word_counter` gives None for a tokenizer of any other kind, and a count
is None for a text with a character about which two versions of Unicode could disagree; then the
library counts the whole text.

Words are remembered for all callers together, as the library itself does. Lines are remembered as
digests, for callers with the same view together. Both stand with their numbers of tokens. No passage
and no question is kept, and nothing outlives the process. A word that was counted before saves some
microseconds, whoever asked, and nothing else depends on it. That a whole line was counted before
would tell much more, so it saves time only for callers who can read the same.
"""

import re
import unicodedata
from codecs import charmap_decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from itertools import count, pairwise
from typing import Any, cast

from tokenizers import Tokenizer

MAX_REMEMBERED = 65_536  # words, and as many lines; then all are forgotten
LONGEST_WORD = 64  # characters, of a word that is remembered

# built into ByteLevel
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_GPT4_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT4 = rf"{_GPT4_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]+{_GPT4_ENDINGS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]*{_GPT4_ENDINGS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BY_LINE = frozenset({_GPT2, _GPT4, _GPT4.replace("{1,3}", ""), _GPT4O})  # the third is Qwen's
"""Expressions of which no alternative matches a line break followed by anything but white space or
a slash, and none asks about what follows a line more than whether it is white space.
"""
_LINE_BREAK = re.compile(r"\n(?=[^\s/])")
_NEXT_LINE = "x"
_PROPERTY = re.compile(r"\\p\{(\^?)(\w+)\}|\\(.)|(\[\^?|\])", re.DOTALL)
_ESCAPES = frozenset("sSrnt")  # mean the same in both engines, and so does an escaped mark
_PROPERTIES = frozenset({"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "N", "Nd", "Nl", "No"})
_CONTROLS = frozenset("\t\n\r")
_FOLDED_LETTERS = frozenset("\u017f\u212a")  # an s and a k where case is ignored
# symbols or nothing in every version
_EMOJI = "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"


class WordCounter:
    """Counts tokens, and remembers how many words and lines have. Safe to share between threads."""

    def __init__(
        self, tokenizer: Tokenizer, expression: str, added: Sequence[str], *, by_line: bool
    ) -> None:
        """by_line: whether every word ends where `_LINE_BREAK` ends, whatever follows."""
        self._model = tokenizer.model
        self._expression = re.compile(expression)
        self._added = re.compile(
            "|".join(re.escape(token) for token in sorted(added, key=len, reverse=True)) or "(?!)"
        )
        self._foreign = re.compile(f"[^{_settled_characters()}{_EMOJI}]")
        self._by_line = by_line
        self._words: dict[str, int] = {}
        # by digest, which is keyed with a salt: no text is kept for it
        self._lines: dict[bytes, int] = {}

    def count(self, text: str, salt: str = "") -> int | None:
        """Tokens of the text, without special tokens around it; None if the library has to count.

        salt: counts of its lines are remembered for texts with the same salt only. Empty: they are
        not remembered.
        """
        if self._foreign.search(text) or not unicodedata.is_normalized("NFC", text):
            return None
        parts = self._added.split(text)
        try:
            lines = (line for part in parts for line in self._split_lines(part))
            return (
                len(parts)
                - 1
                + sum(
                    self._count_line_once(line, salt) if salt else self._count_line(line)
                    for line in lines
                )
            )
        except _WordMissing:
            return None

    def _split_lines(self, part: str) -> Iterator[str]:
        """The lines of a text between two added tokens. A letter stands for what follows a line."""
        begin = 0
        for end in _LINE_BREAK.finditer(part) if self._by_line else ():
            yield part[begin : end.end()] + _NEXT_LINE
            begin = end.end()
        yield part[begin:]

    def _count_line_once(self, line: str, salt: str) -> int:
        digest = blake2b(line.encode(), key=salt.encode(), digest_size=16).digest()
        known = self._lines.get(digest)
        if known is None:
            known = self._count_line(line)
            if len(self._lines) >= MAX_REMEMBERED:
                self._lines = {}
            self._lines[digest] = known
        return known

    def _count_line(self, line: str) -> int:
        words = self._expression.findall(line)
        if "".join(words) != line:
            raise _WordMissing
        if self._by_line and line.endswith("\n" + _NEXT_LINE):
            words.pop()
        return sum(self._count_words(words))

    def _count_words(self, words: Sequence[str]) -> Sequence[int]:
        """How many tokens each word has. Looks up each once: in a large dict that is what costs."""
        found = list(map(self._words.get, words))
        if None not in found:
            return cast(list[int], found)
        unknown = {word for word, length in zip(words, found, strict=True) if length is None}
        lengths = {word: self._count_word(word) for word in unknown}
        if len(self._words) + len(lengths) > MAX_REMEMBERED:
            self._words = {}
        self._words.update(
            (word, length) for word, length in lengths.items() if len(word) <= LONGEST_WORD
        )
        return [
            lengths[word] if length is None else length
            for word, length in zip(words, found, strict=True)
        ]

    def _count_word(self, word: str) -> int:
        letters, _ = charmap_decode(word.encode(), "strict", _byte_letters())
        return len(self._model.tokenize(letters))


class _WordMissing(Exception):
    """Some character belongs to no word."""


def make_word_counter(tokenizer: Tokenizer, description: Mapping[str, Any]) -> WordCounter | None:
    """A counter for this tokenizer; None if it is not certain how it cuts words.

    description: its tokenizer.json.
    """
    given = _word_expression(description.get("pre_tokenizer") or {})
    expression = None if given is None else _translate_expression(given)
    model, added = description.get("model") or {}, description.get("added_tokens") or []
    normalizer = (description.get("normalizer") or {}).get("type")
    finds_plainly = not any(
        token.get(flag) for token in added for flag in ("single_word", "lstrip", "rstrip")
    )
    found_in_one_pass = (
        len({bool(token.get("normalized")) for token in added}) <= 1
    )  # one pass finds them all
    are_normal = all(unicodedata.is_normalized("NFC", token["content"]) for token in added)
    if (
        expression is None
        or model.get("type") != "BPE"
        or model.get("dropout")
        or normalizer not in (None, "NFC")
    ):
        return None
    if not (finds_plainly and found_in_one_pass and are_normal):
        return None
    return WordCounter(
        tokenizer, expression, [token["content"] for token in added], by_line=given in _BY_LINE
    )


def _word_expression(pre_tokenizer: Mapping[str, Any]) -> str | None:
    """The expression that the tokenizer cuts words with; None if it does something else as well."""
    match pre_tokenizer:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return _GPT2
        case {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": str(given)},
                    "behavior": behavior,
                    "invert": invert,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if (behavior, invert) in {("Isolated", False), ("Removed", True)}:
            return given
    return None


def _translate_expression(expression: str) -> str | None:
    """The expression with every \\p{…} written out; None if the two engines might read it differently."""
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
        written = (
            found.group()
            if not category
            else _characters_of_category(category)
            if depth
            else f"[{_characters_of_category(category)}]"
        )
        parts += [expression[end : found.start()], written]
        end = found.end()
    are_normal = "".join((*parts, expression[end:]))
    try:
        groups = re.compile(are_normal).groups
    except re.error:
        return None
    return None if groups or "&&" in expression or "." in expression else are_normal


@cache
def _settled_characters() -> str:
    """Characters that have been letters, marks, numbers, space or none of these since Unicode 3.2,
    inside a class.
    """
    old = unicodedata.ucd_3_2_0.category
    return _as_ranges(
        code
        for code, char in enumerate(map(chr, range(0x10000)))
        if char in _CONTROLS
        or (
            char not in _FOLDED_LETTERS
            and _kind_of_category(unicodedata.category(char)) == _kind_of_category(old(char)) != "C"
        )
    )


def _kind_of_category(category: str) -> str:
    """The part of a category that an expression can ask for: all marks of writing are one kind."""
    return (
        "C"
        if category in ("Cc", "Cn", "Co", "Cs")
        else category
        if category[0] in "LMNZ"
        else "other"
    )


@cache
def _characters_of_category(category: str) -> str:
    """The characters of a category, as the inside of a class."""
    return _as_ranges(
        code for code in range(0x10000) if unicodedata.category(chr(code)).startswith(category)
    )


def _as_ranges(codes: Iterable[int]) -> str:
    ordered = list(codes)
    breaks = [
        place
        for place, (one, next_one) in enumerate(pairwise(ordered), start=1)
        if next_one != one + 1
    ]
    edges = pairwise([0, *breaks, len(ordered)])
    return "".join(f"\\u{ordered[first]:04x}-\\u{ordered[last - 1]:04x}" for first, last in edges)


@cache
def _byte_letters() -> str:
    """The letter that stands for each byte in a byte-level vocabulary, in order."""
    finds_plainly = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    beyond = count(256)
    return "".join(chr(byte if byte in finds_plainly else next(beyond)) for byte in range(256))
