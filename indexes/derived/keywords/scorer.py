"""BM25 over a view: two passes over its blocks, first for the statistics, then for the scores."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords import kernels
from indexes.derived.ties import ties_of

# terms times blocks; more than that is looked up twice rather than kept
MAX_LOOKUPS = 1 << 22

Ints = NDArray[np.int64]
_NO_TIES = np.empty(0, np.int64)
Ranking = tuple[Ints, NDArray[np.float64], float]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 needs to know of some passages. Whole numbers: those of parts add up exactly."""

    passages: int
    length: int  # terms in all of them
    frequency: Ints  # of each distinct term of the question: passages that have it

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.passages + other.passages,
            self.length + other.length,
            self.frequency + other.frequency,
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """Some blocks of the view, with what a question has in them."""

    blocks: Ints
    segments: NDArray[np.uint32]  # (blocks, terms, 2): where the postings start, and how many
    allowed: NDArray[np.bool_]  # one flag per passage; empty: all of them
    passages: int
    length: int


def best_passages(
    view: Ints,
    terms: NDArray[np.uint64],
    repeats: Ints,
    k: int,
    *,
    k1: float,
    b: float,
    allowed_rows: NDArray[np.bool_] | Ints | None,
    ties: Ints | None,
    statistics: Statistics | None,
) -> Ranking:
    """(rows, scores, ceiling) of the k best passages, best first, equal scores by their ties, then
    by row.

    ceiling: what no passage can score, the sum of the weights of all terms, those found nowhere
    included. view: addresses of blocks. terms: distinct, with how often the question repeats each.
    A score adds up in this order. statistics: of the whole of which this view is a part. If None,
    the view is the whole.
    """
    if k <= 0 or not len(terms) or not len(view):
        return empty_ranking()
    stretches = _stretches(view, terms)
    frequency = np.zeros(len(terms), np.int64)
    passages = length = 0
    for stretch in stretches:
        part = _look_up(stretch, terms, allowed_rows, frequency)
        passages += part.passages
        length += part.length
    if not length:
        return empty_ranking()
    whole = statistics or Statistics(passages, length, frequency)
    counted = zip(repeats.tolist(), whole.frequency.tolist(), strict=True)
    weights = np.array([_weight(n, whole.passages, df) for n, df in counted])
    flat, slope = k1 * (1 - b), k1 * b / (whole.length / whole.passages)
    rows, scores = np.empty(min(k, passages), np.int64), np.empty(min(k, passages), np.float64)
    found = 0
    for stretch in stretches:
        if len(stretches) > 1:
            part = _look_up(stretch, terms, allowed_rows, np.zeros_like(frequency))
        looked_up = (part.blocks, part.segments, weights, flat, slope, part.allowed)
        found = kernels.rank_passages(
            *looked_up, _NO_TIES if ties is None else ties, rows, scores, found
        )
    order = np.lexsort((rows[:found], ties_of(rows[:found], ties), -scores[:found]))
    return rows[order], scores[order], float(weights.sum())


def statistics_of(
    view: Ints,
    terms: NDArray[np.uint64],
    allowed_rows: NDArray[np.bool_] | Ints | None,
) -> Statistics:
    """What `best_passages` counts in this view before it scores."""
    frequency = np.zeros(len(terms), np.int64)
    if not len(terms) or not len(view):
        return Statistics(0, 0, frequency)
    passages = length = 0
    for stretch in _stretches(view, terms):
        part = _look_up(stretch, terms, allowed_rows, frequency)
        passages += part.passages
        length += part.length
    return Statistics(passages, length, frequency)


def empty_ranking() -> Ranking:
    return np.empty(0, np.int64), np.empty(0, np.float64), 0.0


def check_ascending(numbers: Any) -> Ints:
    """The numbers as an array.

    Raises ValueError unless they are non-negative, ascending and distinct.
    """
    array = np.ascontiguousarray(numbers, np.int64)
    if array.ndim != 1 or (array[1:] <= array[:-1]).any() or (len(array) and array[0] < 0):
        raise ValueError("Numbers must be non-negative, ascending and distinct.")
    return array


def _stretches(view: Ints, terms: NDArray[np.uint64]) -> list[Ints]:
    step = max(1, MAX_LOOKUPS // len(terms))
    return [view[start : start + step] for start in range(0, len(view), step)]


def _look_up(
    blocks: Ints,
    terms: NDArray[np.uint64],
    allowed_rows: NDArray[np.bool_] | Ints | None,
    frequency: Ints,
) -> _Part:
    """Finds the terms in these blocks and adds to each one's frequency."""
    segments = np.empty((len(blocks), len(terms), 2), np.uint32)
    if allowed_rows is None:
        passages, length = kernels.locate_terms(blocks, terms, segments, frequency)
        return _Part(blocks, segments, np.empty(0, np.bool_), passages, length)
    passages, _ = kernels.locate_terms(blocks, terms, segments, np.zeros_like(frequency))
    allowed = np.empty(passages, np.bool_)
    if allowed_rows.dtype == np.bool_:
        kernels.mark_allowed(
            blocks, np.ascontiguousarray(allowed_rows), np.empty(0, np.int64), True, allowed
        )
    else:
        kernels.mark_allowed(
            blocks, np.empty(0, np.bool_), check_ascending(allowed_rows), False, allowed
        )
    passages, length = kernels.count_allowed(blocks, segments, allowed, frequency)
    return _Part(blocks, segments, allowed, passages, length)


def _weight(repeats: int, passages: int, frequency: int) -> float:
    return repeats * math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5))
