"""Plots as geometry: where dots, whiskers and lines stand in the unit of their picture.

Drawn by `report.html`, thresholds by `calibration.svg`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.evaluation.comparison import Comparison, Estimate, Summary, format_value
from service.evaluation.scores import ALL_MEASURES, Measure, Unit
from service.evaluation.thresholds import OperatingPoint

COLOURS = 8  # of arms that the style sheet knows; further ones share them
ROW, GAP = 18.0, 14.0  # of one arm, between measures
LEFT, RIGHT = 190.0, 76.0  # for names, for numbers
WIDTH, TOP, BOTTOM = 820.0, 8.0, 30.0
CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT = 400.0, 190.0, 34.0
MOST_TICKS = 6
PANEL_WIDTH, PANEL_HEIGHT = 720.0, 330.0
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 44.0, 150.0, 58.0, 40.0


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


@dataclass(frozen=True, slots=True)
class ThresholdPanel:
    """What each threshold would do to questions in one language."""

    title: str
    across: tuple[Tick, ...]  # thresholds
    up: tuple[Tick, ...]  # shares
    curves: tuple[Curve, ...]
    names: tuple[tuple[int, float, str], ...]  # colour, height and text
    marks: tuple[tuple[float, str], ...]  # single thresholds
    always: float  # height of the F1 of refusing every question
    left: float = PANEL_LEFT
    right: float = PANEL_WIDTH - PANEL_RIGHT
    top: float = PANEL_TOP
    bottom: float = PANEL_HEIGHT - PANEL_BOTTOM


SHARES = tuple(measure for measure in ALL_MEASURES if measure.unit == "share")


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


def chart_thresholds(
    title: str,
    points: Sequence[OperatingPoint],
    f1_of_always: float,
    marks: Sequence[tuple[str, float]],
) -> ThresholdPanel:
    """Precision, recall, F1 and false refusals over thresholds.

    points: by threshold. marks: names of single thresholds.
    """
    points = [point for point in points if point.threshold > 0]
    told = [point.threshold for point in points]
    told += [threshold for _, threshold in marks if threshold > 0]
    low, high = (min(told), max(told)) if told else (0.0, 1.0)
    high = max(high, low + 1e-4)
    values: tuple[tuple[str, list[float | None]], ...] = (
        ("precision", [point.precision.value for point in points]),
        ("recall", [point.recall.value for point in points]),
        ("F1", [point.f1 for point in points]),
        ("false refusals", [point.false_refusals.value for point in points]),
    )
    places = [_x_in_panel(point.threshold, low, high) for point in points]
    lines = [
        [(x, _y_in_panel(y)) for x, y in zip(places, shares, strict=True) if y is not None]
        for _, shares in values
    ]
    ends = _spread_apart([line[-1][1] if line else PANEL_TOP for line in lines])
    return ThresholdPanel(
        title=title,
        across=tuple(
            Tick(
                _x_in_panel(low + (high - low) * part / 4, low, high),
                f"{low + (high - low) * part / 4:.3f}",
            )
            for part in range(5)
        ),
        up=tuple(Tick(_y_in_panel(share), f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)),
        curves=tuple(
            Curve(colour, name, " ".join(f"{x:.1f},{y:.1f}" for x, y in line))
            for colour, ((name, _), line) in enumerate(zip(values, lines, strict=True))
        ),
        names=tuple(
            (colour, y, name)
            for colour, ((name, _), y) in enumerate(zip(values, ends, strict=True))
        ),
        marks=tuple((_x_in_panel(threshold, low, high), name) for name, threshold in marks),
        always=_y_in_panel(f1_of_always),
    )


def _spread_apart(heights: Sequence[float]) -> list[float]:
    """Nearly the same heights, so far from each other that text beside them can be read."""
    placed = list(heights)
    lowest = PANEL_TOP - ROW
    for at in sorted(range(len(placed)), key=placed.__getitem__):
        placed[at] = lowest = max(placed[at], lowest + ROW)
    return placed


def _x_in_panel(threshold: float, low: float, high: float) -> float:
    share = (min(max(threshold, low), high) - low) / (high - low)
    return PANEL_LEFT + share * (PANEL_WIDTH - PANEL_RIGHT - PANEL_LEFT)


def _y_in_panel(share: float) -> float:
    return PANEL_TOP + (1 - share) * (PANEL_HEIGHT - PANEL_BOTTOM - PANEL_TOP)


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
