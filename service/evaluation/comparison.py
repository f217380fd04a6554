"""Arms beside each other: estimates with intervals, and a plain verdict of each against the first.

Questions are drawn anew with replacement, the same ones for every arm, so that what is hard for all
of them does not hide a difference between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.scores import Measure, Unit, measures_for, quantile

RESAMPLES = 10_000
AT_ONCE = 4_000_000  # draws held in memory together
LEVEL = 0.95

TermsByQuestion = NDArray[np.float64]  # shape (questions, 2): what was got, what could be got


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, over so many questions."""

    value: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How an arm differs from the first on one measure: positive if its value is larger."""

    measure: Measure
    arm: str
    first: str
    difference: Estimate

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves no difference out."""
        return self.difference.low > 0 or self.difference.high < 0

    @property
    def better(self) -> bool:
        return self.is_shown and (self.difference.value < 0) == self.measure.lower_is_better

    @property
    def verdict(self) -> str:
        found, unit, on = self.difference, self.measure.unit, self.measure.title
        if not self.is_shown:
            return f"no difference shown between {self.arm} and {self.first} on {on}: {format_estimate(found, unit)}"
        low, high = sorted((abs(found.low), abs(found.high)))
        size = Estimate(abs(found.value), low, high, found.questions)
        return f"{self.arm} is {'better' if self.better else 'worse'} than {self.first} on {on} by {format_estimate(size, unit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One arm over all questions."""

    arm: str
    asked: int
    failed: int
    abstained: int
    leaks: int  # documents shown or cited that the asker may not read: must be 0
    estimates: Mapping[str, Estimate]  # by the measure's key; missing if no question tells
    median_s: float | None
    p95_s: float | None


Leaks = Mapping[tuple[str, str], tuple[str, ...]]  # paths, by arm and case


def summarize_arms(
    arms: Sequence[str],
    cases: Sequence[Case],
    outcomes: Mapping[tuple[str, str], CaseOutcome],
    leaks: Leaks,
    seed: int,
) -> tuple[Summary, ...]:
    """Every arm by itself; failures are counted and measured in nothing."""
    return tuple(
        _summarize_arm(
            arm,
            [(case, outcomes[arm, case.id]) for case in cases if (arm, case.id) in outcomes],
            leaks,
            seed,
        )
        for arm in arms
    )


def compare_arms(
    arms: Sequence[str],
    cases: Sequence[Case],
    outcomes: Mapping[tuple[str, str], CaseOutcome],
    seed: int,
) -> tuple[Comparison, ...]:
    """Each arm against the first, over the questions that both have answered."""
    found: list[Comparison] = []
    measures = measures_for(cases)
    with_answer = {at for at, outcome in outcomes.items() if outcome.failure is None}
    for arm in arms[1:]:
        pair = arms[0], arm
        both = [case for case in cases if with_answer.issuperset((one, case.id) for one in pair)]
        answered = [[(case, outcomes[one, case.id]) for case in both] for one in pair]
        together = np.array(
            [outcomes[pair[0], case.id].run == outcomes[arm, case.id].run for case in both]
        )
        terms = [
            _measure_terms(measure, one) * (together[:, None] if measure.same_run else 1)
            for measure in measures
            for one in answered
        ]
        for measure, difference in zip(measures, estimate_differences(terms, seed), strict=True):
            if difference is not None:
                found.append(
                    Comparison(measure=measure, arm=arm, first=arms[0], difference=difference)
                )
    return tuple(found)


def estimate_ratios(terms: Sequence[TermsByQuestion], seed: int) -> list[Estimate | None]:
    """The ratio of each pair of sums with its interval; None if nothing could be got."""
    drawn = resample_ratios(terms, seed)
    return [
        _estimate_from_draws(_total_ratio(one), drawn[:, at], one[:, 1] > 0)
        for at, one in enumerate(terms)
    ]


def estimate_differences(
    pairs: Sequence[TermsByQuestion], seed: int, resamples: int = RESAMPLES
) -> list[Estimate | None]:
    """pairs: first and second by turns.

    Second minus first, each with its interval over the same questions.
    """
    drawn = resample_ratios(pairs, seed, resamples)
    found: list[Estimate | None] = []
    for at in range(0, len(pairs), 2):
        one, other = pairs[at], pairs[at + 1]
        tells = (one[:, 1] > 0) | (other[:, 1] > 0)
        found.append(
            _estimate_from_draws(
                _total_ratio(other) - _total_ratio(one), drawn[:, at + 1] - drawn[:, at], tells
            )
        )
    return found


def resample_ratios(
    terms: Sequence[TermsByQuestion], seed: int, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """The ratios of so many draws of the questions with replacement, shape (resamples, len(terms)); nan:
    nothing drawn.
    """
    questions = len(terms[0]) if terms else 0
    if questions == 0:
        return np.full((resamples, len(terms)), np.nan)
    stacked = np.concatenate(terms, axis=1)
    chance = np.random.default_rng(seed)
    step = max(1, AT_ONCE // questions)
    counted = (
        _draw_counts(chance, min(step, resamples - start), questions)
        for start in range(0, resamples, step)
    )
    drawn = np.concatenate([counts @ stacked for counts in counted])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios: NDArray[np.float64] = drawn[:, 0::2] / drawn[:, 1::2]
    return ratios


def _draw_counts(
    chance: np.random.Generator, resamples: int, questions: int
) -> NDArray[np.float64]:
    """How often each question was drawn, shape (resamples, questions)."""
    drawn = (
        chance.integers(questions, size=(resamples, questions))
        + questions * np.arange(resamples)[:, None]
    )
    counts = np.bincount(drawn.ravel(), minlength=resamples * questions)
    return counts.reshape(resamples, questions).astype(np.float64)


def _summarize_arm(
    arm: str, answered: Sequence[tuple[Case, CaseOutcome]], leaks: Leaks, seed: int
) -> Summary:
    done = [(case, outcome) for case, outcome in answered if not outcome.failure]
    measures = measures_for(case for case, _ in answered)
    values = estimate_ratios([_measure_terms(measure, done) for measure in measures], seed)
    times = [outcome.seconds for _, outcome in done]
    return Summary(
        arm=arm,
        asked=len(answered),
        failed=len(answered) - len(done),
        abstained=sum(outcome.abstained for _, outcome in done),
        leaks=sum(len(leaks.get((arm, case.id), ())) for case, _ in answered),
        estimates={
            m.key: value for m, value in zip(measures, values, strict=True) if value is not None
        },
        median_s=quantile(times, 0.5),
        p95_s=quantile(times, 0.95),
    )


def _measure_terms(
    measure: Measure, answered: Sequence[tuple[Case, CaseOutcome]]
) -> TermsByQuestion:
    terms = [measure.of(case, outcome) for case, outcome in answered]
    return np.array(terms, np.float64).reshape(-1, 2)


def _total_ratio(terms: TermsByQuestion) -> float:
    got, could = terms.sum(axis=0)
    return float(got / could) if could else float("nan")


def _estimate_from_draws(
    value: float, drawn: NDArray[np.float64], tells: NDArray[np.bool_]
) -> Estimate | None:
    told = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(told):
        return None
    low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), int(tells.sum()))


def format_estimate(estimate: Estimate, unit: Unit) -> str:
    """An estimate as people read it: 0.03 [0.01, 0.05]."""
    value, low, high = (
        format_value(number, unit) for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]{' s' if unit == 'seconds' else ''}"


def format_value(value: float, unit: Unit) -> str:
    """A number without its unit; never a negative zero."""
    if unit == "tokens":
        return f"{round(value):,}"
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text
