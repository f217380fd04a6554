"""The names and numbers of a question, and whether a document holds them.

English writes names with capitals. In Chinese, what a document has nowhere is a name unless it is a
word that only serves to ask; characters that it has elsewhere belong to other words.
"""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from indexes.text import stop_words
from indexes.text.folding import letters_and_digits
from indexes.text.language import detect_language
from indexes.text.scripts import IDEOGRAPH, Script
from indexes.text.words import Term, terms
from service.answering.answer_check.asking_words import ASIDE, CHINESE, ENGLISH

ALIKE = 0.84
"""From here on two words are the same name written in two ways."""

SHARED_BEGINNING = 5  # characters: Victoria and Victorian
MOST_CAPITALS = 0.7  # share of the words; if there are more, capitals are a way of writing
LEAST_LETTERS = 4  # of the beginning of a longer word
ABBREVIATIONS = range(3, 6)  # letters

_CALENDAR = """
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday
"""
CALENDAR = frozenset(_CALENDAR.split())
"""Capitals that name nothing: on weekdays may answer what was asked of a Monday."""

_CAPITAL = r"[A-Z][\w’'&-]*(?:\.[A-Z])*"
_NAME = re.compile(rf"{_CAPITAL}(?:(?: (?:of|the|de|la|van|von|der|du|al))* {_CAPITAL})*")
_WORD = re.compile(r"[^\W\d_][\w’'-]*")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.&'-]+")
_QUOTED = re.compile(r"[《「『“\"‘]([^》」』”\"’]{2,30})[》」』”\"’]")
_RANGE = re.compile(r"\b(\d{4})\s*(?:[–—~～-]|to|and|至|到)\s*(\d{2,4})\b")
_COUNTRIES = (
    "franc/french spain/spanish netherland/dutch holland/dutch greec/greek denmark/danish wale/welsh turkey/turkish"
    " switzerland/swiss poland/polish britain/british england/english ireland/irish scotland/scottish sweden/swedish"
    " finland/finnish china/chines europ/european franc/frenchman america/us america/usa britain/uk norway/norwegian"
    " germani/german rome/roman egypt/egyptian itali/italian peru/peruvian athen/athenian canada/canadian belgium/belgian"
)
_PEOPLES: dict[str, set[str]] = {}
for _pair in _COUNTRIES.split():
    _country, _people = _pair.split("/")
    _PEOPLES.setdefault(_country, set()).add(_people)
    _PEOPLES.setdefault(_people, set()).add(_country)


def find_names(question: str, language: Script) -> tuple[tuple[str, ...], ...]:
    """The names of a question, each as its content words."""
    quoted = [found.group(1) for found in _QUOTED.finditer(question)]
    if language == "zh":
        latin = _LATIN.findall(question)
        return tuple(name for name in map(_forms, (*quoted, *latin)) if name)
    return tuple(name for name in map(_forms, (*_capitals(question), *quoted)) if name)


def _capitals(question: str) -> Iterator[str]:
    """Runs of words with capitals, but for the word that the question begins with."""
    words = _WORD.findall(question)
    large = sum(word[0].isupper() for word in words)
    if large > MOST_CAPITALS * len(words) and len(words) > 3:
        return
    if detect_language(question) == "de":
        return
    first = len(question) - len(question.lstrip("\"'“‘¿¡([ "))
    for found in _NAME.finditer(question):
        name = found.group()
        if found.start() == first:
            begins, _, rest = name.partition(" ")
            if begins.lower() in stop_words.ENGLISH or begins.lower() in ENGLISH:
                name = rest
            elif not rest:
                continue
        if name.lower() not in CALENDAR:
            yield name


def _forms(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(term.form for term in terms(name)))


def find_numbers(order: Iterable[Term]) -> tuple[str, ...]:
    """The numbers among the content words of a question, years above all."""
    return tuple(dict.fromkeys(term.form for term in order if term.form[0].isdigit()))


def is_year(number: str) -> bool:
    return len(number) == 4 and number.isdigit() and "1000" <= number <= "2100"


class Held:
    """What one document holds, as far as it is shown: title, headings and text."""

    def __init__(self, text: str, forms: Set[str]) -> None:
        self.text = text
        self.forms = forms
        self._beginnings = {
            form[:SHARED_BEGINNING] for form in forms if len(form) >= SHARED_BEGINNING
        }
        self._known: dict[str, bool] = {}

    def has_word(self, form: str) -> bool:
        """Whether it, or a form of it, is there."""
        return form in self.forms or (
            len(form) >= SHARED_BEGINNING and form[:SHARED_BEGINNING] in self._beginnings
        )

    def has_name(self, form: str) -> bool:
        """Whether a word of a name is there, also in another form or spelling."""
        known = self._known.get(form)
        if known is None:
            known = self._known[form] = self._find_name(form)
        return known

    def _find_name(self, form: str) -> bool:
        if form in self.forms or not self.forms.isdisjoint(_PEOPLES.get(form, ())):
            return True
        if IDEOGRAPH.match(form):
            return False
        if len(form) in ABBREVIATIONS and form in self._initials:
            return True
        if len(form) < LEAST_LETTERS:
            return False
        return form in self._joined or any(_same_name(form, other) for other in self.forms)

    def lacks_all_of(self, name: tuple[str, ...]) -> bool:
        """Whether no word of a name is there, nor all of them as one: Wi-Fi, wifi."""
        joined = "".join(name)
        as_one = len(joined) >= LEAST_LETTERS and joined in self._joined
        return not as_one and not any(map(self.has_name, name))

    @cached_property
    def _initials(self) -> str:
        """The first letters of the words, in order: a name may be abbreviated by them."""
        return "".join(word[0].lower() for word in _WORD.findall(self.text))

    @cached_property
    def _joined(self) -> str:
        return letters_and_digits(self.text)

    @cached_property
    def years(self) -> frozenset[str]:
        return frozenset(form for form in self.forms if is_year(form))

    def has_number(self, number: str) -> bool:
        """Whether the number is there, or is a year between two that stand for a time."""
        if number in self.forms or _SPELLED.get(number) in self.forms:
            return True
        if not is_year(number):
            return False
        return any(
            int(first) <= int(number) <= int(first[: 4 - len(last)] + last)
            for first, last in _RANGE.findall(self.text)
        )


def _same_name(one: str, other: str) -> bool:
    if not other[:1].isalpha() or one[0] != other[0] or len(other) < LEAST_LETTERS:
        return False
    if one.startswith(other) or other.startswith(one):
        return True
    return len(one) > SHARED_BEGINNING and SequenceMatcher(None, one, other).ratio() >= ALIKE


_SPELLED = dict(
    zip(
        map(str, range(1, 13)),
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelv",
        ],
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class MissingCharacters:
    """Of a Chinese question, the characters that are in no pair that the document holds."""

    longest: int  # in a row, without words that only serve to ask
    share: float  # of all of its characters
    beginning: float  # share of those that the question begins with, up to its first particle


def find_missing_characters(order: Iterable[Term], held: Held) -> MissingCharacters:
    """What of a Chinese question the document has nowhere."""
    characters: dict[int, str] = {}
    original: dict[int, str] = {}
    for term in order:
        if len(term.form) == 2 and IDEOGRAPH.match(term.form):
            there = term.form in held.forms
            for place, character in enumerate(term.form, term.start):
                original[place] = character
                characters[place] = "" if there else characters.get(place, character)
    if not characters:
        return NOTHING_MISSING
    question = "".join(character for _, character in sorted(original.items()))
    text = "".join(
        (character or " ") if place - 1 in characters else f"|{character or ' '}"
        for place, character in characters.items()
    )
    runs = [CHINESE.sub(" ", run) for run in text[1:].split("|")]
    parts = [part for run in runs for each in run.split() if (part := each.strip(ASIDE))]
    first = runs[0].rstrip()
    return MissingCharacters(
        longest=max(map(len, parts), default=0),
        share=sum(map(len, parts)) / max(1, len(CHINESE.sub("", question))),
        beginning=sum(not character.isspace() for character in first) / max(1, len(runs[0])),
    )


NOTHING_MISSING = MissingCharacters(0, 0.0, 0.0)
