"""The verdict on a question: how surely what was found answers it, and which sentences do.

Two sums, weighted as `weights` says: one of a sentence's features puts the sentences in order; the
other, of those of the best sentence and of the question as a whole, says how surely the question is
answered. What a trained scorer says of the few best sentences, if there is one, is added to both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.embedder.answer_scorer import AnswerScorer
from service.answering.answer_check.features import (
    NAMES,
    Candidate,
    find_candidates,
    text_around,
)
from service.answering.answer_check.held import Missing
from service.answering.answer_check.names import is_year
from service.answering.answer_check.question import AskedQuestion, read_question
from service.answering.answer_check.weights import WEIGHTS
from service.answering.citations import Sentence
from service.answering.prompt import Passage

MOST_SCORED = 2  # sentences that a scorer looks at; each takes it some 10 ms
LEAST_PROBABILITY = 0.001  # of a scorer, so that it never says the last word
MANY_WORDS = 10.0

SUMMARY = (*NAMES, "order", "names missing everywhere", "words of the question")
"""What each number of `summarize` says."""

_NAMES_MISSING, _RANK = NAMES.index("names missing"), NAMES.index("rank")


@dataclass(frozen=True, slots=True)
class JudgedSentence:
    """A sentence that may answer; the higher its score, the surer."""

    passage: Passage
    sentence: Sentence
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says of one question."""

    asked: AskedQuestion
    strength: float  # 0 to 1: how surely what was found answers
    sentences: tuple[JudgedSentence, ...]  # best first
    # whether no document that was found holds a certain name of the question, or only other years
    lacks_name: bool


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate with its score."""

    candidate: Candidate
    score: float


class AnswerCheck:
    """Judges whether passages answer a question. Holds no state between questions."""

    def __init__(self, scorer: AnswerScorer | None = None) -> None:
        """scorer: if None, words alone decide."""
        self._scorer = scorer

    def judge(self, question: str, passages: Sequence[Passage]) -> Verdict:
        """The verdict, made of nothing but the question and these passages. Blocking."""
        asked = read_question(question)
        by = WEIGHTS[asked.language]
        found = rank_candidates(asked, passages, by.order)
        if not found:
            return Verdict(asked, 0.0, (), lacks_name=False)
        surety = weigh(by.answers, summarize(asked, found))
        if self._scorer is not None:
            found, said = _add_scores(self._scorer, question, found, by.scorer)
            surety = surety + by.scorer * said
        return Verdict(
            asked=asked,
            strength=_share(surety),
            sentences=tuple(
                JudgedSentence(each.candidate.passage, each.candidate.sentence, each.score)
                for each in found
            ),
            lacks_name=_lacks_name([each.candidate.missing for each in found]),
        )


def rank_candidates(
    asked: AskedQuestion, passages: Sequence[Passage], order: Sequence[float]
) -> list[ScoredCandidate]:
    """Every sentence that may answer, best first."""
    found = [
        ScoredCandidate(each, weigh(order, each.features))
        for each in find_candidates(asked, passages)
    ]
    return sorted(found, key=_sort_key)


def summarize(asked: AskedQuestion, found: Sequence[ScoredCandidate]) -> tuple[float, ...]:
    """What speaks for the question being answered; there is at least one candidate.

    Its rank is left out: whatever ranks above it must not make it less sure.
    """
    return (
        *found[0].candidate.features[:_RANK],
        0.0,
        *found[0].candidate.features[_RANK + 1 :],
        found[0].score,
        min(each.candidate.features[_NAMES_MISSING] for each in found),
        len(asked.words) / MANY_WORDS,
    )


def _lacks_name(missing: Sequence[Missing]) -> bool:
    """Whether no document holds a certain name, or a certain year while some have others."""
    names = frozenset.intersection(*(each.whole_names for each in missing))
    years = filter(is_year, frozenset.intersection(*(each.numbers for each in missing)))
    return bool(names) or (any(years) and any(each.has_other_years for each in missing))


def weigh(weights: Sequence[float], features: Sequence[float]) -> float:
    """The weighted sum."""
    return sum(weight * each for weight, each in zip(weights, features, strict=True))


def _add_scores(
    scorer: AnswerScorer, question: str, found: Sequence[ScoredCandidate], weight: float
) -> tuple[list[ScoredCandidate], float]:
    """The candidates in the order that the scorer helps to, and its highest score as a logit."""
    seen, rest = found[:MOST_SCORED], found[MOST_SCORED:]
    said = [
        _logit(score)
        for score in scorer.scores(question, [text_around(each.candidate) for each in seen])
    ]
    again = [
        replace(each, score=each.score + weight * one) for each, one in zip(seen, said, strict=True)
    ]
    # what it has not seen follows what it has
    lowest = min(each.score for each in again)
    rest = [replace(each, score=min(each.score, lowest)) for each in rest]
    return [*sorted(again, key=_sort_key), *rest], max(said)


def _logit(probability: float) -> float:
    inside = min(1 - LEAST_PROBABILITY, max(LEAST_PROBABILITY, probability))
    return math.log(inside / (1 - inside))


def _share(surety: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, surety))))


def _sort_key(each: ScoredCandidate) -> tuple[float, int, int]:
    return -each.score, each.candidate.passage.n, each.candidate.sentence.start
