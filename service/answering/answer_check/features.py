"""What can be said of a sentence as the answer to a question, as numbers between 0 and 1."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexes.text.scripts import IDEOGRAPH, LETTER
from indexes.text.sentences import ANNOUNCES, ends_sentence
from indexes.text.words import terms
from service.answering.answer_check import never_quoted
from service.answering.answer_check.held import Missing, Surroundings, read_surroundings
from service.answering.answer_check.kinds import gives
from service.answering.answer_check.names import is_year
from service.answering.answer_check.opposites import negates, turned, words_with_opposites
from service.answering.answer_check.question import AskedQuestion
from service.answering.citations import Sentence, split_sentences
from service.answering.prompt import Passage

NAMES = (
    "one",
    "words in the sentence",
    "words beside it",
    "words in the passage",
    "all words in the passage",
    "words missing",
    "words beyond the title in the sentence",
    "words beyond the title in the passage",
    "names in the sentence",
    "names missing",
    "a name missing",
    "a number missing",
    "another year",
    "only other years",
    "the asked kind",
    "another kind",
    "an opposite",
    "denied",
    "not denied",
    "side by side",
    "rank",
    "a fragment",
    "length",
    "after a question",
    "two characters missing",
    "more characters missing",
    "characters missing",
    "the beginning missing",
)
"""What each number of `Candidate.features` says."""

_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")
LONG = 400.0  # characters
MOST_LETTERS = 320  # of what a scorer reads
MANY_CHARACTERS = 3.0  # beyond the first two


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer, and what speaks for it."""

    passage: Passage
    sentence: Sentence
    beside: tuple[str, str]  # the sentence before it, and the one after it
    missing: Missing  # what of the question its document does not hold
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A question read over the passages that were found for it."""

    asked: AskedQuestion
    words: frozenset[str]
    weights: Mapping[str, float]  # of each word; rare ones have more
    wanted: tuple[tuple[str, str], ...]  # words side by side

    def share(self, forms: frozenset[str]) -> float:
        """How much of the question is among these words."""
        held = sum(weight for word, weight in self.weights.items() if word in forms)
        return held / sum(self.weights.values())

    def share_beyond(self, title: frozenset[str], forms: frozenset[str]) -> float:
        """As `share`, of the words that the title does not hold; half if it holds all of them."""
        rest = {word: weight for word, weight in self.weights.items() if word not in title}
        held = sum(weight for word, weight in rest.items() if word in forms)
        return held / sum(rest.values()) if rest else 0.5


def find_candidates(asked: AskedQuestion, passages: Sequence[Passage]) -> Iterator[Candidate]:
    """Every sentence that says something about the question, and more than the question."""
    split_up = [
        (passage, split_sentences(passage)) for passage in sorted(passages, key=lambda each: each.n)
    ]
    sentences = [each for _, those in split_up for each in those if not _is_no_answer(each)]
    if not asked.words or not sentences:
        return
    order = (term.form for term in asked.order)
    reading = _Reading(
        asked, frozenset(asked.words), _weigh_words(asked, sentences), tuple(pairwise(order))
    )
    # what says nothing takes no rank: it must not make the others less sure
    rank = 1
    for passage, those in split_up:
        found = list(_find_in_passage(reading, read_surroundings(asked, passage, those), rank))
        rank += bool(found)
        yield from found


def text_around(candidate: Candidate) -> str:
    """The sentence as a scorer reads it: below the title, between its neighbours as far as there is
    room for them.
    """
    before, after = candidate.beside
    own = _said(candidate.sentence)
    said = " ".join(part for part in (before, own, after) if part)
    if _letters(said) > MOST_LETTERS:
        said = " ".join(part for part in (before, own) if part)
    if _letters(said) > MOST_LETTERS:
        said = own
    return f"{candidate.passage.title}\n{said}"


def _letters(text: str) -> int:
    """Its length for a model; an ideograph takes the room of three letters."""
    return len(text) + 2 * len(IDEOGRAPH.findall(text))


def _weigh_words(asked: AskedQuestion, sentences: Sequence[Sentence]) -> dict[str, float]:
    """What each word is worth among these sentences.

    One that is nowhere must not be worth most: it may be another word for what is there.
    """
    held = Counter(word for sentence in sentences for word in sentence.forms)
    count = len(sentences)
    return {
        word: math.log(1 + (count - times + 0.5) / (times + 0.5))
        if (times := held[word])
        else math.log(2 + count / 4)
        for word in asked.words
    }


def _find_in_passage(reading: _Reading, given: Surroundings, rank: int) -> Iterator[Candidate]:
    follows_question = False
    sentences = given.sentences
    for place, sentence in enumerate(sentences):
        if never_quoted.asks(sentence.text):
            shared = len(reading.words & sentence.forms)
            follows_question = shared >= len(reading.words) / 2
            continue
        follows, follows_question = follows_question, False
        if _says_nothing(sentence, reading):
            continue
        near = sentences[max(0, place - 1) : place + 2]
        beside = frozenset[str]().union(*(other.forms for other in near))
        if not beside.isdisjoint(reading.words):
            yield Candidate(
                given.passage,
                sentence,
                (
                    sentences[place - 1].text if place else "",
                    sentences[place + 1].text if place + 1 < len(sentences) else "",
                ),
                given.missing,
                (
                    *_words(reading, sentence, beside, given),
                    *_names(reading, sentence, given),
                    *_kind(reading, sentence),
                    *_place(reading, sentence, given, rank, follows=follows),
                ),
            )


def _is_no_answer(sentence: Sentence) -> bool:
    """Whether it asks, points elsewhere, is polite or denies that there is an answer."""
    return never_quoted.asks(sentence.text) or never_quoted.answers_nothing(sentence.text)


def _says_nothing(sentence: Sentence, reading: _Reading) -> bool:
    """Whether it is no answer to any question, or nothing but the question or a heading, and announces
    nothing.
    """
    return (
        (sentence.forms <= reading.words and not sentence.text.endswith(tuple(ANNOUNCES)))
        or (not sentence.header and LETTER.search(sentence.text) is None)
        or never_quoted.answers_nothing(sentence.text)
        or sentence.text in sentence.section
        or any(
            mark.start <= sentence.start < mark.body and not ends_sentence(sentence.text)
            for mark in sentence.span.tables
        )
    )


def _words(
    reading: _Reading, sentence: Sentence, beside: frozenset[str], given: Surroundings
) -> tuple[float, ...]:
    own, near, far = map(reading.share, (sentence.forms, beside, given.around))
    missing = given.missing.words
    beyond = reading.share_beyond(given.title, sentence.forms)
    beyond_far = reading.share_beyond(given.title, given.around)
    return 1.0, own, near, far, float(missing == 0.0), missing, beyond, beyond_far


def _names(reading: _Reading, sentence: Sentence, given: Surroundings) -> tuple[float, ...]:
    asked, missing = reading.asked, given.missing
    there = [form in sentence.forms for name in asked.names for form in name]
    years = set(_YEAR.findall(_said(sentence))) if any(map(is_year, asked.numbers)) else set()
    return (
        sum(there) / len(there) if there else 0.5,
        missing.names,
        float(bool(missing.whole_names)),
        float(bool(missing.numbers)),
        float(bool(years) and years.isdisjoint(asked.numbers)),
        float(missing.has_other_years),
    )


def _kind(reading: _Reading, sentence: Sentence) -> tuple[float, ...]:
    asked, said = reading.asked, _said(sentence)
    kind = gives(asked.kind, said, asked.text)
    denied = negates(sentence.text)
    against = bool(asked.turning) and turned(asked.turning, words_with_opposites(said))
    return (
        float(kind is True),
        float(kind is False),
        float(against),
        float(denied and not asked.negated),
        float(asked.negated and not denied),
    )


def _place(
    reading: _Reading, sentence: Sentence, given: Surroundings, rank: int, *, follows: bool
) -> tuple[float, ...]:
    characters = given.missing.characters
    return (
        _share_side_by_side(reading, sentence),
        1 / rank,
        float(not ends_sentence(sentence.text) and not sentence.header),
        min(1.0, len(sentence.text) / LONG),
        float(follows),
        float(characters.longest >= 2),
        min(1.0, max(0, characters.longest - 2) / MANY_CHARACTERS),
        min(1.0, characters.share),
        characters.beginning,
    )


def _share_side_by_side(reading: _Reading, sentence: Sentence) -> float:
    """Share of the question's pairs of words that stand side by side in the sentence too."""
    if not reading.wanted or len(sentence.forms & reading.words) < 2:
        return 0.0
    pairs = set(pairwise(term.form for term in terms(sentence.text)))
    return sum(pair in pairs for pair in reading.wanted) / len(reading.wanted)


def _said(sentence: Sentence) -> str:
    return f"{sentence.header}\n{sentence.text}" if sentence.header else sentence.text
