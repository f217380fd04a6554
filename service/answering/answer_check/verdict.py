"""The verdict on a question: how surely what was found answers it, and which sentences do.

Two sums, weighted as `weights` says: one of a sentence's features puts the sentences in order; the
other, of those of the best sentence and of the question as a whole, says how surely the question is
answered. With a trained scorer, what it says of the best sentence has a part in that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from indexes.embedder.answer_scorer import WORDS, AnswerScorer
from indexes.text.scripts import Script
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

LEAST_PROBABILITY = 0.001  # of a scorer, so that it never says the last word
MANY_WORDS = 10.0

SUMMARY = (*NAMES, "order", "names missing everywhere", "words that are held")
"""What each number of `summarize` says."""

_NAMES_MISSING, _RANK = NAMES.index("names missing"), NAMES.index("rank")
_WORDS_MISSING = NAMES.index("words missing")


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
    checked_by: str  # whose strength it is
    strength: float  # 0 to 1: how surely what was found answers
    least_strength: float  # what is enough, if nothing else is calibrated
    sentences: tuple[JudgedSentence, ...]  # best first
    # whether no document that was found holds a certain name of the question, or only other years
    lacks_name: bool


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate with its score."""

    candidate: Candidate
    score: float


class AnswerCheck:
    """Judges whether passages answer a question. Keeps nothing of a question."""

    def __init__(self, scorer: AnswerScorer | None = None, name: str = "") -> None:
        """scorer: if None, words alone decide. name: of the scorer, as the settings name it."""
        self._scorer = scorer
        self._name = name

    @property
    def name(self) -> str:
        """Whose strengths these are: those of different ones cannot be compared."""
        return WORDS if self._scorer is None else self._name

    def use(self, scorer: AnswerScorer) -> None:
        """From the next question on, what the scorer says counts."""
        self._scorer = scorer

    def judge(self, question: str, passages: Sequence[Passage]) -> Verdict:
        """The verdict, made of nothing but the question and these passages. Blocking."""
        scorer, asked = self._scorer, read_question(question)
        by = WEIGHTS[asked.language]
        found = rank_candidates(asked, passages, by.order)
        return Verdict(
            asked=asked,
            checked_by=WORDS if scorer is None else self._name,
            strength=_find_strength(question, asked, found, scorer),
            least_strength=by.least_strength if scorer is None else by.least_scored,
            sentences=tuple(
                JudgedSentence(each.candidate.passage, each.candidate.sentence, each.score)
                for each in found
            ),
            lacks_name=_lacks_name([each.candidate.missing for each in found]),
        )

    def least_strength(self, language: Script) -> float:
        """How much is enough of it, if nothing else is calibrated."""
        by = WEIGHTS[language]
        return by.least_strength if self._scorer is None else by.least_scored


def _find_strength(
    question: str,
    asked: AskedQuestion,
    found: Sequence[ScoredCandidate],
    scorer: AnswerScorer | None,
) -> float:
    if not found:
        return 0.0
    by, summary = WEIGHTS[asked.language], summarize(asked, found)
    if scorer is None:
        return _share(weigh(by.answers, summary))
    return _share(weigh(by.scored, (*summary, score_best(scorer, question, found))))


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
    best = found[0].candidate.features
    return (
        *best[:_RANK],
        0.0,
        *best[_RANK + 1 :],
        found[0].score,
        min(each.candidate.features[_NAMES_MISSING] for each in found),
        min(1.0, len(asked.words) * (1 - best[_WORDS_MISSING]) / MANY_WORDS),
    )


def _lacks_name(missing: Sequence[Missing]) -> bool:
    """Whether no document holds a certain name, or a certain year while some have others."""
    if not missing:
        return False
    names = frozenset.intersection(*(each.whole_names for each in missing))
    years = filter(is_year, frozenset.intersection(*(each.numbers for each in missing)))
    return bool(names) or (any(years) and any(each.has_other_years for each in missing))


def weigh(weights: Sequence[float], features: Sequence[float]) -> float:
    """The weighted sum."""
    return sum(weight * each for weight, each in zip(weights, features, strict=True))


def score_best(scorer: AnswerScorer, question: str, found: Sequence[ScoredCandidate]) -> float:
    """What the scorer says of the best sentence, as a logit. To read one more takes as long again, and
    tells hardly more of the question.
    """
    (score,) = scorer.scores(question, [text_around(found[0].candidate)])
    return _logit(score)


def _logit(probability: float) -> float:
    inside = min(1 - LEAST_PROBABILITY, max(LEAST_PROBABILITY, probability))
    return math.log(inside / (1 - inside))


def _share(surety: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, surety))))


def _sort_key(each: ScoredCandidate) -> tuple[float, int, int]:
    return -each.score, each.candidate.passage.n, each.candidate.sentence.start
