"""The content words of a text, as they are compared."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from indexes.text import stop_words
from indexes.text.folding import fold_han
from indexes.text.numerals import Numeral, find_numerals
from indexes.text.scripts import UNSPACED
from indexes.text.stems import CONTRACTION, english_stem

_TERM = re.compile(
    rf"[{UNSPACED}]+|\d+(?:[.,]\d+)*|(?:[^\W\d_{UNSPACED}]|\d)+(?:['’][^\W\d_{UNSPACED}]+)?"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Term:
    """A content word, or a pair of characters of a script without spaces, as it is compared, and
    where it stands.
    """

    form: str
    start: int
    end: int


def terms(text: str, *, question: bool = False) -> Iterator[Term]:
    """The content words of a text, in order: lower case, without their endings; scripts without
    spaces as overlapping pairs of characters, Traditional and Simplified as one; Chinese numerals
    also as numbers in digits.

    question: leaves out Chinese question words and particles too, which in a text are parts of
    words. A number then stands in place of its numeral: a text that has it in digits is no worse.
    """
    folded = fold_han(text)
    numerals = tuple(find_numerals(folded))
    if not numerals:
        return _words(folded, question)
    found = list(_words(folded, question))
    if question:
        certain = _by_place(numerals)
        found = [term for term in found if not _is_pair_of_numeral(term, certain)]
    found += [Term(numeral.value, numeral.start, numeral.end) for numeral in numerals]
    return iter(sorted(found, key=lambda term: term.start))


def numbers_agree(claim: str, held: frozenset[str]) -> bool:
    """Whether each number of the claim, in one of its forms, is among these forms of a text.

    三 in 三个 need not be: a text may tell the three without counting them.
    """
    folded = fold_han(claim)
    certain = _by_place(find_numerals(folded))
    forms = {numeral: {numeral.value} for numeral in certain.values()}
    for term in _words(folded, question=True):
        if term.form[0].isdigit():
            numeral = certain.get(term.start)
            if numeral is not None:
                forms[numeral].add(term.form)
            elif term.form not in held:
                return False
    return not any(held.isdisjoint(each) for each in forms.values())


def _by_place(numerals: Iterable[Numeral]) -> Mapping[int, Numeral]:
    """The numerals that are numbers for certain, by the place of each of their signs."""
    return {
        place: numeral
        for numeral in numerals
        if numeral.certain
        for place in range(numeral.start, numeral.end)
    }


def _is_pair_of_numeral(term: Term, certain: Mapping[int, Numeral]) -> bool:
    """Whether it is a pair of signs of one numeral."""
    numeral = certain.get(term.start)
    return numeral is not None and term.end <= numeral.end and not term.form[0].isdecimal()


def _words(text: str, question: bool) -> Iterator[Term]:
    """The terms of a text whose Han characters are folded, numerals aside."""
    for match in _TERM.finditer(text):
        word = match.group().lower()
        if _UNSPACED.match(word):
            for start, run in _runs(word) if question else ((0, word),):
                yield from _pairs(run, match.start() + start)
        elif word[0].isdigit():
            yield Term(_number(word), *match.span())
        elif (whole := CONTRACTION.sub("", word)) not in stop_words.ENGLISH:
            yield Term(english_stem(whole), *match.span())


def _runs(word: str) -> Iterator[tuple[int, str]]:
    """What question words and particles leave of a run of ideographs."""
    start = 0
    for match in stop_words.CHINESE_IN_QUESTIONS.finditer(word):
        if match.start() > start:
            yield start, word[start : match.start()]
        start = match.end()
    if start < len(word):
        yield start, word[start:]


def _pairs(run: str, start: int) -> Iterator[Term]:
    if len(run) == 1:
        yield Term(run, start, start + 1)
    for position in range(len(run) - 1):
        yield Term(run[position : position + 2], start + position, start + position + 2)


def _number(word: str) -> str:
    """One form for a number written with or without separators of thousands and leading zeros, in
    signs of full width or not.
    """
    return unicodedata.normalize("NFKC", word).replace(",", "").lstrip("0") or "0"
