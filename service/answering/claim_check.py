"""Whether the passages that were shown say what a sentence of the model's answer claims.

First words: its numbers with their units and its names must stand together in one place of a
passage, most of its content words near them, both of those that the question brought and of the others,
and no `not` may have come or gone. Where the passage is in another language, embeddings tell: a sentence
of it that means the same supports a claim whose numbers it holds. Thresholds are measured:
docs/decisions/0029-a-gate-behind-the-model.md.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from indexes.text.scripts import IDEOGRAPH, KANA_SIGN, Script, script
from indexes.text.stop_words import ENGLISH
from indexes.text.words import terms
from service.answering.citations import Sentence, split_sentences
from service.answering.claims import Claim, is_fragment
from service.answering.meaning import Meaning
from service.answering.negation import is_negated, split_clauses
from service.answering.prompt import Passage
from service.answering.quantities import Quantity, find_quantities, without_quantities

Reason = Literal["numbers", "names", "negation", "words"]
"""Why a sentence is not supported: what the passages do not hold, or hold otherwise."""

ENOUGH = 0.75  # share of a claim's words that one place must hold, to support it by words
OF_EACH = 0.5  # share of those of its words that the question brought, and of those that it did not
NEAR, AROUND = 0.8, 0.4  # what a word counts beside the sentence, elsewhere in its passage
ANCHORED = 0.3  # share of the question's words that must stand around an answer of a word or two
FEW = 4  # content words; an answer with fewer is held against the question, too
MUCH = 4  # times as many ideographs as kana: Chinese with a Japanese name in it
BEGINNING = 5  # characters that two forms of a word share
MOST_LOOKUPS = 8  # claims of one answer whose meaning is asked for; of the others, words decide
MOST_CANDIDATES = 12  # sentences of the passages that a claim's meaning is held against

_NAME = re.compile(r"(?:[A-Z][\w’'&-]*\w|[A-Z]{2,})(?=\W|$)")
_LATIN = re.compile(r"[A-Za-z][\w&'-]+")
_TITLE = re.compile(r"[《「『]([^》」』]{2,30})[》」』]")


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """A sentence that claims something, and what the passages say to it."""

    span: tuple[int, int]  # in Answer.text
    supported: bool
    reason: Reason | None = None  # None if it is supported
    passages: tuple[int, ...] = ()  # numbers of those that support it


class _Words:
    """Content words, among which a word is also found by another form of it."""

    def __init__(self, forms: Set[str]) -> None:
        self.forms = forms
        self._beginnings = {form[:BEGINNING] for form in forms if len(form) >= BEGINNING}

    def holds(self, form: str) -> bool:
        if form in self.forms:
            return True
        if len(form) <= BEGINNING or form[0].isdigit() or IDEOGRAPH.match(form):
            return False
        return form[:BEGINNING] in self._beginnings


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a passage with what stands around it."""

    passage: Passage
    sentence: Sentence
    own: _Words
    near: _Words  # its own, its neighbours' and those of the title and the headings
    around: _Words  # those of the whole passage, too
    quantities: tuple[Quantity, ...]  # its own, those of its header and of the title
    beside: tuple[Quantity, ...]  # those of its neighbours
    language: Script  # of its passage

    def holds_numbers(self, wanted: Sequence[Quantity]) -> bool:
        """Whether it has all of them. Its neighbours help if it has one itself: a claim may join two
        sentences, but a number alone must stand where the rest does.
        """
        own = sum(any(one.agrees_with(held) for held in self.quantities) for one in wanted)
        if own in (0, len(wanted)):
            return own == len(wanted)
        everything = (*self.quantities, *self.beside)
        return all(any(one.agrees_with(held) for held in everything) for one in wanted)


@dataclass(frozen=True, slots=True)
class _Said:
    """A claim taken apart."""

    text: str
    forms: tuple[str, ...]  # content words but for numbers, each once
    asked: frozenset[str]  # those that the question brought
    new: frozenset[str]  # the others
    names: frozenset[str]
    quantities: tuple[Quantity, ...]


class ClaimChecker:
    """Holds the claims of one answer against its passages. Blocking; one claim at a time."""

    def __init__(self, question: str, passages: Sequence[Passage], meaning: Meaning | None) -> None:
        """meaning: if None, words alone decide."""
        self._passages = passages
        self._question = question
        self._meaning = meaning
        self._lookups = 0
        self._asked = frozenset(term.form for term in terms(question, question=True))

    @cached_property
    def _places(self) -> tuple[_Place, ...]:
        return tuple(place for passage in self._passages for place in _find_places(passage))

    def check(self, claim: Claim) -> CheckedClaim:
        """What the passages say to it."""
        said = self._take_apart(claim.text)
        graded = sorted(
            ((self._grade(said, place), -at, place) for at, place in enumerate(self._places)),
            key=lambda each: each[:2],
            reverse=True,
        )
        fitting = [(grade, place) for grade, _, place in graded if self._may_support(said, place)]
        place, reason = self._find_support(said, fitting)
        if place is not None:
            return CheckedClaim(claim.span, True, None, (place.passage.n,))
        return CheckedClaim(claim.span, False, reason or self._find_reason(said))

    def _find_support(
        self, said: _Said, fitting: Sequence[tuple[float, _Place]]
    ) -> tuple[_Place | None, Reason | None]:
        """The place that supports it, best first; None with the reason if one only denies it."""
        if fitting:
            best, place = fitting[0]
            if best >= ENOUGH and _holds_both(said, place):
                return (None, "negation") if _is_denied(said, place) else (place, None)
        return self._find_by_meaning(said, [place for _, place in fitting]), None

    def _take_apart(self, text: str) -> _Said:
        words = without_quantities(text)
        forms = tuple(dict.fromkeys(term.form for term in terms(words, question=True)))
        return _Said(
            text,
            forms,
            self._asked.intersection(forms),
            frozenset(forms) - self._asked,
            frozenset(find_names(text)),
            tuple(find_quantities(text)),
        )

    def _grade(self, said: _Said, place: _Place) -> float:
        """Share of the claim's words that stand here, those that only stand around it counting less."""
        held = 0.0
        for form in said.forms:
            if place.own.holds(form):
                held += 1
            elif place.near.holds(form):
                held += NEAR
            elif place.around.holds(form):
                held += AROUND
        return held / len(said.forms) if said.forms else 1.0

    def _may_support(self, said: _Said, place: _Place) -> bool:
        """Whether its numbers and names are here, and for an answer of a word or two what was asked."""
        if not place.holds_numbers(said.quantities):
            return False
        if _is_foreign(said.text, place):
            return True
        if not all(place.around.holds(name) for name in said.names):
            return False
        if len(said.forms) >= FEW and not is_fragment(said.text):
            return True
        if _is_foreign(self._question, place):
            return True
        held = sum(place.around.holds(form) for form in self._asked)
        return held >= ANCHORED * len(self._asked)

    def _find_reason(self, said: _Said) -> Reason:
        """Why no place supports it; told by those in its language if there are any."""
        places = [place for place in self._places if not _is_foreign(said.text, place)]
        places = places or list(self._places)
        if not any(place.holds_numbers(said.quantities) for place in places):
            return "numbers"
        known = all(any(place.around.holds(name) for place in places) for name in said.names)
        return "words" if known else "names"

    def _find_by_meaning(self, said: _Said, fitting: Sequence[_Place]) -> _Place | None:
        """The place in the other language that means the same, and denies neither more nor less."""
        foreign = [place for place in fitting if _is_foreign(said.text, place)][:MOST_CANDIDATES]
        if self._meaning is None or self._lookups >= MOST_LOOKUPS or not foreign:
            return None
        self._lookups += 1
        found = self._meaning.nearest(said.text, [place.sentence.text for place in foreign])
        if found is None or is_negated(foreign[found].sentence.text) != is_negated(said.text):
            return None
        return foreign[found]


def _is_foreign(text: str, place: _Place) -> bool:
    """Whether it stands in the other language, where no word is the same."""
    return _language(text) != place.language


def _language(text: str) -> Script:
    """As `script`, but a Chinese text with a Japanese name in it is Chinese."""
    if MUCH * len(KANA_SIGN.findall(text)) < len(IDEOGRAPH.findall(text)):
        text = KANA_SIGN.sub("", text)
    return script(text)


def find_names(text: str) -> Iterator[str]:
    """The content words of names: with capitals inside a sentence, or written in Latin letters or
    between marks of titles in Chinese.
    """
    if script(text) == "zh":
        found = [*_LATIN.findall(text), *_TITLE.findall(text)]
    else:
        first = len(text) - len(text.lstrip("\"'“‘([ "))
        found = [
            name.group()
            for name in _NAME.finditer(text)
            if name.start() > first
            or (name.group().lower() not in ENGLISH and name.group().isupper())
        ]
    for name in found:
        yield from (term.form for term in terms(name) if not term.form[0].isdigit())


def _find_places(passage: Passage) -> Iterator[_Place]:
    parts = split_sentences(passage)
    title = frozenset(term.form for term in terms(f"{passage.title} {' '.join(passage.section)}"))
    around = _Words(title.union(*(part.forms for part in parts)))
    numbers = [tuple(find_quantities(f"{part.header}\n{part.text}")) for part in parts]
    titled = tuple(find_quantities(passage.title))
    language = _language(passage.text)
    for at, part in enumerate(parts):
        beside = range(max(0, at - 1), min(len(parts), at + 2))
        yield _Place(
            passage,
            part,
            _Words(part.forms),
            _Words(title.union(*(parts[each].forms for each in beside))),
            around,
            (*titled, *numbers[at]),
            tuple(number for each in beside if each != at for number in numbers[each]),
            language,
        )


def _holds_both(said: _Said, place: _Place) -> bool:
    """Whether the place speaks of what was asked about, and says what the claim says of it."""
    return all(
        sum(place.near.holds(form) for form in some) >= OF_EACH * len(some)
        for some in (said.asked, said.new)
    )


def _is_denied(said: _Said, place: _Place) -> bool:
    """Whether one of the two says `not` where the other does not. Of the sentence of the passage only
    those clauses count that the claim repeats.
    """
    repeated = [
        clause for clause in split_clauses(place.sentence.text) if _is_repeated(clause, said.forms)
    ]
    text = " ".join(repeated) if repeated else place.sentence.text
    return is_negated(text) != is_negated(said.text)


def _is_repeated(clause: str, forms: Sequence[str]) -> bool:
    words = {term.form for term in terms(clause, question=True)}
    return 2 * len(words.intersection(forms)) >= len(words) > 0
