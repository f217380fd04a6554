"""Plots as geometry: where dots, whiskers and lines stand in the unit of their picture.

Drawn by `report.html`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.evaluation.comparison import Comparison, Estimate, Summary, format_value
from service.evaluation.scores import MEASURES, Measure, Unit

COLOURS = 8  # of arms that the style sheet knows; further ones share them
ROW, GAP = 18.0, 14.0  # of one arm, between measures
LEFT, RIGHT = 190.0, 76.0  # for names, for numbers
WIDTH, TOP, BOTTOM = 820.0, 8.0, 30.0
CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT = 400.0, 190.0, 34.0
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval, on one line."""

    y: float
    low: float
    at: float
    high: float
    colour: int
    text: str
    about: str
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    height: float
    ticks: tuple[Tick, ...]
    names: tuple[tuple[float, str], ...]
    whiskers: tuple[Whisker, ...]
    zero: float | None = None
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT


@dataclass(frozen=True, slots=True)
class Curve:
    colour: int
    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Curves:
    """Which share of the questions took at most so much."""

    title: str
    ticks: tuple[Tick, ...]
    curves: tuple[Curve, ...]
    width: float = CURVE_WIDTH
    height: float = CURVE_HEIGHT
    left: float = CURVE_LEFT


SHARES = tuple(measure for measure in MEASURES if measure.unit == "share")


def chart_levels(summaries: Sequence[Summary]) -> Chart:
    """Every share that was measured, by measure and arm, from 0 to 1."""
    rows = [
        (
            measure,
            [
                _level_whisker(measure, at, summary.arm, summary.estimates[measure.key])
                for at, summary in enumerate(summaries)
                if measure.key in summary.estimates
            ],
        )
        for measure in SHARES
    ]
    ticks = (Tick(_x_in_chart(share, 0, 1), f"{share:.1f}") for share in (0, 0.2, 0.4, 0.6, 0.8, 1))
    return _stack_whiskers(rows, tuple(ticks))


def _level_whisker(measure: Measure, number: int, arm: str, found: Estimate) -> Whisker:
    """number: of the arm."""
    low, at, high = (_x_in_chart(value, 0, 1) for value in (found.low, found.value, found.high))
    about = f"{arm}, {measure.title}: {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], {found.questions} questions"
    return Whisker(0, low, at, high, number % COLOURS, f"{found.value:.2f}", about)


def chart_differences(comparisons: Sequence[Comparison], arms: Sequence[str]) -> Chart | None:
    """Each arm minus the first, with a line at no difference; None if there is nothing to
    compare.
    """
    found = [each for each in comparisons if each.measure.unit == "share"]
    if not found:
        return None
    reach = max(0.05, *(max(abs(c.difference.low), abs(c.difference.high)) for c in found))
    rows = [
        (
            measure,
            [
                _difference_whisker(each, arms.index(each.arm), reach)
                for each in found
                if each.measure is measure
            ],
        )
        for measure in SHARES
    ]
    marks = [
        (reach * part, f"{reach * part:+.2f}" if part else "0") for part in (-1, -0.5, 0, 0.5, 1)
    ]
    ticks = tuple(Tick(_x_in_chart(value, -reach, reach), text) for value, text in marks)
    return _stack_whiskers(rows, ticks, zero=_x_in_chart(0, -reach, reach))


def _difference_whisker(found: Comparison, number: int, reach: float) -> Whisker:
    """number: of the arm. reach: the largest difference that has a place."""
    difference = found.difference
    low, at, high = (
        _x_in_chart(value, -reach, reach)
        for value in (difference.low, difference.value, difference.high)
    )
    text = f"{difference.value:+.2f}"
    return Whisker(0, low, at, high, number % COLOURS, text, found.verdict, not found.is_shown)


def _stack_whiskers(
    rows: Sequence[tuple[Measure, Sequence[Whisker]]],
    ticks: tuple[Tick, ...],
    zero: float | None = None,
) -> Chart:
    """A chart of these whiskers from top to bottom, wherever they stood; measures without any are
    left out.
    """
    placed: list[Whisker] = []
    names: list[tuple[float, str]] = []
    y = TOP
    for measure, whiskers in rows:
        if whiskers:
            names.append((y + ROW * len(whiskers) / 2, measure.title))
            placed += [
                replace(whisker, y=y + ROW * (row + 0.5)) for row, whisker in enumerate(whiskers)
            ]
            y += ROW * len(whiskers) + GAP
    return Chart(y + BOTTOM, ticks, tuple(names), tuple(placed), zero=zero)


def chart_spread(
    title: str, by_arm: Sequence[tuple[str, Sequence[float]]], unit: Unit
) -> Curves | None:
    """How a cost is spread over the questions, for each arm; None if nothing was counted."""
    most = max((max(values) for _, values in by_arm if values), default=0.0)
    if most <= 0:
        return None
    curves = [
        Curve(at % COLOURS, name, _points_of_steps(sorted(values), most))
        for at, (name, values) in enumerate(by_arm)
        if values
    ]
    step = _choose_step(most)
    ticks = tuple(
        Tick(_x_in_curves(n * step, most), _format_amount(n * step, unit))
        for n in range(int(most / step) + 1)
    )
    return Curves(title, ticks, tuple(curves))


def _choose_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, so that few steps reach so far."""
    power = 10.0 ** math.floor(math.log10(most / MOST_TICKS))
    return next(power * times for times in (1, 2, 5, 10) if power * times * MOST_TICKS >= most)


def _format_amount(value: float, unit: Unit) -> str:
    return f"{value:.3g} s" if unit == "seconds" else format_value(value, unit)


def _points_of_steps(ordered: Sequence[float], most: float) -> str:
    """A line that rises by one question at each value."""
    points = [(0.0, 0.0)]
    for number, value in enumerate(ordered, start=1):
        points += [(value, points[-1][1]), (value, number / len(ordered))]
    points.append((most, 1.0))
    return " ".join(f"{_x_in_curves(x, most):.1f},{_y_in_curves(y):.1f}" for x, y in points)


def _x_in_chart(value: float, low: float, high: float) -> float:
    return LEFT + (min(max(value, low), high) - low) / (high - low) * (WIDTH - RIGHT - LEFT)


def _x_in_curves(value: float, most: float) -> float:
    return CURVE_LEFT + value / most * (CURVE_WIDTH - CURVE_LEFT - 24)


def _y_in_curves(share: float) -> float:
    return TOP + (1 - share) * (CURVE_HEIGHT - TOP - BOTTOM)
