"""Plots as geometry: where dots, whiskers and lines stand in the unit of their picture.

Drawn by `report.html`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.evaluation.comparison import Comparison, Summary, format_value
from service.evaluation.scores import MEASURES, Unit

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
    whiskers: list[Whisker] = []
    names: list[tuple[float, str]] = []
    y = TOP
    for measure in SHARES:
        found = [
            (at, s, s.estimates[measure.key])
            for at, s in enumerate(summaries)
            if measure.key in s.estimates
        ]
        if not found:
            continue
        names.append((y + ROW * len(found) / 2, measure.title))
        for at, summary, value in found:
            about = f"{summary.arm}, {measure.title}: {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
            whiskers.append(
                Whisker(
                    y + ROW / 2, _x_in_chart(value.low, 0, 1), _x_in_chart(value.value, 0, 1), _x_in_chart(value.high, 0, 1),
                    at % COLOURS, f"{value.value:.2f}", f"{about}, {value.questions} questions",
                )
            )  # fmt: skip
            y += ROW
        y += GAP
    ticks = tuple(
        Tick(_x_in_chart(share, 0, 1), f"{share:.1f}") for share in (0, 0.2, 0.4, 0.6, 0.8, 1)
    )
    return Chart(y + BOTTOM, ticks, tuple(names), tuple(whiskers))


def chart_differences(comparisons: Sequence[Comparison], arms: Sequence[str]) -> Chart | None:
    """Each arm minus the first, with a line at no difference; None if there is nothing to
    compare.
    """
    found = [each for each in comparisons if each.measure.unit == "share"]
    if not found:
        return None
    reach = max(0.05, *(max(abs(c.difference.low), abs(c.difference.high)) for c in found))
    whiskers: list[Whisker] = []
    names: list[tuple[float, str]] = []
    y = TOP
    for measure in SHARES:
        these = [each for each in found if each.measure is measure]
        if not these:
            continue
        names.append((y + ROW * len(these) / 2, measure.title))
        for each in these:
            low, at, high = (
                _x_in_chart(v, -reach, reach)
                for v in (each.difference.low, each.difference.value, each.difference.high)
            )
            colour = arms.index(each.arm) % COLOURS
            text = f"{each.difference.value:+.2f}"
            whiskers.append(
                Whisker(y + ROW / 2, low, at, high, colour, text, each.verdict, not each.is_shown)
            )
            y += ROW
        y += GAP
    marks = [
        (reach * part, f"{reach * part:+.2f}" if part else "0") for part in (-1, -0.5, 0, 0.5, 1)
    ]
    ticks = tuple(Tick(_x_in_chart(value, -reach, reach), text) for value, text in marks)
    return Chart(
        y + BOTTOM, ticks, tuple(names), tuple(whiskers), zero=_x_in_chart(0, -reach, reach)
    )


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
