"""Which threshold of evidence reaches an aim: pure functions of what was measured."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexes.errors import BadInput

SURE = 1.96  # standard deviations: 95 in 100 intervals hold the truth
STEP = 10_000  # thresholds have four digits
MOST_FALSE_REFUSALS = 0.5
ALMOST_NOTHING = 0.05  # of the questions without an answer
CURVE_POINTS = 61


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """None if there is nothing to take a share of."""
        return self.count / self.of if self.of else None

    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence (Wilson)."""
        if not self.of:
            return 0.0, 1.0
        share, weight = self.count / self.of, SURE * SURE / self.of
        middle, spread = (
            share + weight / 2,
            SURE * math.sqrt(share * (1 - share) / self.of + weight / (4 * self.of)),
        )
        low, high = (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)
        return max(0.0, low), min(1.0, high)

    def __str__(self) -> str:
        low, high = self.interval()
        part = 100 * self.count / self.of if self.of else 0.0
        return f"{self.count} of {self.of} ({part:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f})"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold does to questions."""

    threshold: float  # evidence below it is refused
    right: int  # refused, and nothing answers them
    wrong: int  # refused, and something answers them
    unanswerable: int
    answerable: int

    @property
    def precision(self) -> Share:
        """Of the refused questions, those that nothing answers."""
        return Share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> Share:
        """Of the questions that nothing answers, those that are refused."""
        return Share(self.right, self.unanswerable)

    @property
    def false_refusals(self) -> Share:
        """Of the questions that something answers, those that are refused."""
        return Share(self.wrong, self.answerable)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if nothing is refused."""
        told = self.right + self.wrong + self.unanswerable
        return 2 * self.right / told if told else 0.0

    @property
    def refuses_almost_nothing(self) -> bool:
        return (self.recall.value or 0.0) < ALMOST_NOTHING

    @property
    def always(self) -> "OperatingPoint":
        """Refusing every question instead."""
        return OperatingPoint(
            math.inf, self.unanswerable, self.answerable, self.unanswerable, self.answerable
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What a threshold has to reach. Whatever is not named becomes as good as it can be."""

    precision: float | None = None  # at least
    recall: float | None = None  # at least
    false_refusals: float | None = None  # at most

    def __post_init__(self) -> None:
        """Raises BadInput."""
        for name, share in self.named().items():
            most = MOST_FALSE_REFUSALS if name == "false refusals" else 1.0
            if not 0 <= share <= most:
                raise BadInput(
                    f"The aim for {name} is {share}: a share from 0 to {most:g} is needed.",
                    remedy="Take for example --precision 0.8, --recall 0.8 or --false-refusals 0.02.",
                )
        if not self.named():
            raise BadInput("Nothing is aimed at.", remedy="Name a precision, recall or share.")

    def named(self) -> dict[str, float]:
        """By the name that people know."""
        given = {
            "precision": self.precision,
            "recall": self.recall,
            "false refusals": self.false_refusals,
        }
        return {name: share for name, share in given.items() if share is not None}

    def shortfall(self, point: OperatingPoint) -> float:
        """How far a point is from the aims; 0 if it reaches all of them."""
        return -sum(min(0.0, margin) for margin in self._margins(point))

    def rank(self, point: OperatingPoint) -> tuple[float, ...]:
        """The larger, the better a point is among those that reach the aims.

        One aim is reached, and not more than that. Of several each is kept as far as possible from
        being missed, since other questions will fare a little worse.
        """
        least_margin = min(self._margins(point)) if len(self.named()) > 1 else 0.0
        other = point.precision if self.named().keys() == {"recall"} else point.recall
        fewest_wrong = -(point.false_refusals.value or 0.0)
        return least_margin, other.value or 0.0, fewest_wrong, -point.threshold

    def _margins(self, point: OperatingPoint) -> list[float]:
        """How much better than each aim a point is; less than nothing if it misses it."""
        reached = {
            "precision": point.precision.value or 0.0,
            "recall": point.recall.value or 0.0,
            "false refusals": -(point.false_refusals.value or 0.0),
        }
        return [
            reached[name] - (-aim if name == "false refusals" else aim)
            for name, aim in self.named().items()
        ]

    def __str__(self) -> str:
        return " and ".join(
            f"{name} of at {'most' if name == 'false refusals' else 'least'} {share:.1%}"
            for name, share in self.named().items()
        )


class Measured:
    """The evidence for questions of one language, with and without an answer."""

    def __init__(self, answerable: Sequence[float], unanswerable: Sequence[float]) -> None:
        """Evidence is infinite if no threshold refuses the question."""
        self._answerable = sorted(answerable)
        self._unanswerable = sorted(unanswerable)

    def point(self, threshold: float) -> OperatingPoint:
        return OperatingPoint(
            threshold,
            bisect_left(self._unanswerable, threshold),
            bisect_left(self._answerable, threshold),
            len(self._unanswerable),
            len(self._answerable),
        )

    def points(self) -> list[OperatingPoint]:
        """Every choice there is, from refusing nothing to refusing all that can be refused.

        Thresholds stand in the middle between questions, as far as possible from both.
        """
        told = sorted({each for each in self._both() if math.isfinite(each)})
        above = {_between(one, other) for one, other in pairwise(told)}
        if told:
            above.add(_between(told[-1], told[-1]))
        return [self.point(threshold) for threshold in sorted({0.0, *above})]

    def _both(self) -> Iterator[float]:
        yield from self._answerable
        yield from self._unanswerable

    def curve(self) -> list[OperatingPoint]:
        """The points, thinned out, from few refused questions to many."""
        return thin_out(self.points(), CURVE_POINTS)


def thin_out(points: Sequence[OperatingPoint], most: int) -> list[OperatingPoint]:
    """At most so many of the points, the first and the last among them."""
    last = len(points) - 1
    return [points[at] for at in sorted({round(last * n / (most - 1)) for n in range(most)})]


def _between(one: float, other: float) -> float:
    """A threshold above the one and, if four digits allow it, not above the other."""
    middle = math.floor((one + other) / 2 * STEP) / STEP
    return middle if middle > one else (math.floor(one * STEP) + 1) / STEP


def choose_point(points: Sequence[OperatingPoint], aims: Aims) -> tuple[OperatingPoint, bool]:
    """The best point that reaches the aims, or if none does, the one that is nearest; and whether
    it reaches them.
    """
    reached = [point for point in points if aims.shortfall(point) == 0]
    if reached:
        return max(reached, key=aims.rank), True
    return min(
        points, key=lambda point: (aims.shortfall(point), *(-r for r in aims.rank(point)))
    ), False
