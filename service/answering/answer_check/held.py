"""What one document holds of a question, as far as it is shown: title, headings and text."""

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.text.words import terms
from service.answering.answer_check.names import (
    NOTHING_MISSING,
    Held,
    MissingCharacters,
    find_missing_characters,
    is_year,
)
from service.answering.answer_check.question import AskedQuestion
from service.answering.citations import Sentence
from service.answering.prompt import Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What of a question a document does not hold."""

    words: float  # share
    names: float  # share of their words
    whole_names: frozenset[tuple[str, ...]]  # those of which no word is there
    numbers: frozenset[str]
    has_other_years: bool  # though one of the question's is not there
    characters: MissingCharacters


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A passage with what all of its sentences share."""

    passage: Passage
    sentences: Sequence[Sentence]
    title: frozenset[str]
    around: frozenset[str]  # all of its words, those of title, path and headings too
    missing: Missing


def read_surroundings(
    asked: AskedQuestion, passage: Passage, sentences: Sequence[Sentence]
) -> Surroundings:
    """What this passage tells for its sentences."""
    headings = " ".join(
        name
        for span in passage.spans
        for section in (span.section, *(mark.section for mark in span.headings))
        for name in section
    )
    above = f"{passage.title} {passage.path} {headings}"
    title = frozenset(term.form for term in terms(passage.title))
    around = frozenset(term.form for term in terms(above)).union(
        *(sentence.forms for sentence in sentences)
    )
    held = Held(f"{above} {passage.shown}", around)
    return Surroundings(passage, sentences, title, around, _find_missing(asked, held))


def _find_missing(asked: AskedQuestion, held: Held) -> Missing:
    there = [held.has_name(form) for name in asked.names for form in name]
    absent = frozenset(number for number in asked.numbers if not held.has_number(number))
    return Missing(
        words=sum(not held.has_word(word) for word in asked.words) / max(1, len(asked.words)),
        names=1 - sum(there) / len(there) if there else 0.0,
        whole_names=frozenset(name for name in asked.names if held.lacks_all_of(name)),
        numbers=absent,
        has_other_years=any(map(is_year, absent)) and bool(held.years),
        characters=(
            find_missing_characters(asked.order, held)
            if asked.language == "zh"
            else NOTHING_MISSING
        ),
    )
