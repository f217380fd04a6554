"""All that one measurement found, for the terminal, for programs and for the report."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from service.evaluation.cases import Case
from service.evaluation.comparison import Comparison, Summary, compare_arms, summarize_arms
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.scores import measures_for
from service.evaluation.sets import DeclaredAccess, QuestionSet


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was asked, how, and what came of it."""

    given: QuestionSet
    arms: tuple[str, ...]
    outcomes: Mapping[tuple[str, str], CaseOutcome]  # by arm and case
    conditions: Mapping[str, Any]  # what a reader must know to repeat it
    seed: int
    at: datetime
    seconds: float

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.given.cases

    @cached_property
    def leaks(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Documents that were shown or cited to somebody who may not read them, by arm and case.

        There must be none.
        """
        users = {case.id: case.user for case in self.cases}
        found = {
            at: _find_leaked(each, users[at[1]], self.given.declared_access)
            for at, each in self.outcomes.items()
        }
        return {at: paths for at, paths in found.items() if paths}

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        return summarize_arms(self.arms, self.cases, self.outcomes, self.leaks, self.seed)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        return compare_arms(self.arms, self.cases, self.outcomes, self.seed)

    @property
    def failures(self) -> list[tuple[Case, str, str]]:
        """Questions without an answer: which, by which arm, why."""
        return [
            (case, arm, outcome.failure)
            for case, arm, outcome in self._iterate_outcomes()
            if outcome.failure is not None
        ]

    @property
    def sound(self) -> bool:
        """Whether every question has an answer and nothing leaked."""
        return not self.failures and not self.leaks

    @property
    def size(self) -> str:
        answerable = sum(case.answerable for case in self.cases)
        of = "" if len(self.cases) == self.given.total else f" of {self.given.total:,}"
        return f"{len(self.cases):,}{of} questions, {answerable:,} with an answer for who asks"

    def as_dict(self) -> dict[str, Any]:
        """For programs. Holds questions and answers: as confidential as the documents."""
        return {
            "set": self.given.name,
            "questions": len(self.cases),
            "of": self.given.total,
            "without_readable_documents": self.given.lost,
            "at": self.at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "conditions": dict(self.conditions),
            "leaks": sum(map(len, self.leaks.values())),
            "failures": len(self.failures),
            "arms": [asdict(summary) for summary in self.summaries],
            "comparisons": [_comparison_as_dict(each) for each in self.comparisons],
            "answers": [self._case_as_dict(case) for case in self.cases],
        }

    def _case_as_dict(self, case: Case) -> dict[str, Any]:
        answered = {
            arm: self._outcome_as_dict(arm, case)
            for arm in self.arms
            if (arm, case.id) in self.outcomes
        }
        return asdict(case) | {"documents": sorted(case.documents), "by_arm": answered}

    def _outcome_as_dict(self, arm: str, case: Case) -> dict[str, Any]:
        outcome = self.outcomes[arm, case.id]
        got = (
            {}
            if outcome.failure
            else {measure.key: measure.of(case, outcome) for measure in measures_for(self.cases)}
        )
        scores = {key: round(had / could, 4) for key, (had, could) in got.items() if could}
        return asdict(outcome) | {
            "leaked": list(self.leaks.get((arm, case.id), ())),
            "scores": scores,
        }

    def _iterate_outcomes(self) -> Iterator[tuple[Case, str, CaseOutcome]]:
        for case in self.cases:
            for arm in self.arms:
                if (arm, case.id) in self.outcomes:
                    yield case, arm, self.outcomes[arm, case.id]


def _find_leaked(
    outcome: CaseOutcome, user: str, declared: DeclaredAccess | None
) -> tuple[str, ...]:
    beyond = {
        path
        for path in (*outcome.shown, *outcome.cited)
        if declared and declared.forbids(user, path)
    }
    return tuple(sorted({*outcome.leaked, *beyond}))


def _comparison_as_dict(each: Comparison) -> dict[str, Any]:
    said = "not shown" if not each.is_shown else "better" if each.better else "worse"
    return {
        "measure": each.measure.key,
        "arm": each.arm,
        "first": each.first,
        "result": said,
        **asdict(each.difference),
        "verdict": each.verdict,
    }
