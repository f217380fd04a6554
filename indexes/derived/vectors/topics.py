"""Rows by topic, for views that are too large to look at every row.

Answers are approximate, and said to be.

The centroids of the topics are learnt once in a generation, kept in the catalog and never changed.
Beyond them, what a search finds depends on visible rows only: codes and centroids are whole
numbers, so the topic of a row and the topics that a question looks into never depend on how many
rows were computed together; codes that tie with the last candidate are candidates, too, so nothing is
decided by the order in which rows came in.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.derived.growable_array import GrowableArray
from indexes.derived.vectors.codes import CodedQuery, code_scale
from indexes.derived.vectors.lists import Bits, Bytes, InvertedLists

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Centroids = NDArray[np.int8]  # shape (topics, dimension)

# visible rows that a search should meet: 0.99 and more of the true best in every measurement
BUDGET: Final = 24_000
BUDGET_PER_HIT: Final = 1_200
FEWEST_TOPICS: Final = 32  # looked into, however large the view
_SAMPLED: Final = 40  # rows per topic to learn from
_ROUNDS: Final = 10
_FILLED_AT_ONCE: Final = 65_536  # rows
_BLOCK: Final = 4_096  # rows compared with all centroids at once
_SEED: Final = 20_117


class Topics:
    """Changed by one thread at a time; readers share."""

    def __init__(self, centroids: Centroids) -> None:
        self.centroids = centroids
        self._centroids = np.ascontiguousarray(centroids, np.float32)
        self._lists = InvertedLists(centroids.shape[1], len(centroids))
        self._topic = GrowableArray(np.zeros(0, np.int32))  # by row; -1: not here

    def __len__(self) -> int:
        return len(self._lists)

    def add(self, rows: Ints, codes: Floats, topics: NDArray[np.int32] | None = None) -> None:
        """rows: none of them here yet. codes: shape (n, dimension). topics: of each row, if known
        already.
        """
        chosen = nearest_centroids(codes, self._centroids) if topics is None else topics
        self._topic.reach(int(rows.max(initial=-1)) + 1, fill=-1)
        self._topic.values[rows] = chosen
        self._lists.add(rows, chosen, codes)

    def fill(self, rows: Ints, topics: NDArray[np.int32], codes: Bytes) -> None:
        """As `add`, for topics that are all empty. codes: as lists keep them."""
        self._topic.reach(int(rows.max(initial=-1)) + 1, fill=-1)
        self._topic.values[rows] = topics
        order = np.lexsort((rows, topics))
        numbers, sizes = np.unique(topics, return_counts=True)
        ends = np.cumsum(sizes)
        # some at a time: all codes at once would be held twice
        cuts = [*np.searchsorted(ends, np.arange(0, len(rows), _FILLED_AT_ONCE)), len(numbers)]
        for first, last in pairwise(dict.fromkeys(cuts)):
            some = order[ends[first] - sizes[first] : ends[last - 1]]
            part = slice(first, last)
            self._lists.add_lists(
                numbers[part].astype(np.int64), sizes[part], rows[some], codes[some]
            )

    def remove(self, rows: Ints) -> None:
        """rows: all of them here."""
        self._lists.remove(rows, self._topic.values[rows])
        self._topic.values[rows] = -1

    def topics_of(self, rows: Ints) -> NDArray[np.int32]:
        """The topic of each row; -1 if it is not here."""
        found = np.full(len(rows), -1, np.int32)
        known = rows < len(self._topic.values)
        found[known] = self._topic.values[rows[known]]
        return found

    def rows(self) -> Ints:
        """All rows that are here."""
        return np.flatnonzero(self._topic.values >= 0)

    def candidates(self, query: CodedQuery, visible: int, k: int, wanted: int, among: Bits) -> Ints:
        """The `wanted` rows with the best codes of a view of so many rows, and those that are as good
        as the last of them: worth scoring in full precision, to find k.

        among: the view, one bit per row.
        """
        topics = self._nearest_topics(query, visible, k)
        return self._lists.scan(query.code, topics, wanted, 0, among)[0]

    def _nearest_topics(self, query: CodedQuery, visible: int, k: int) -> Ints:
        """As many of the nearest topics as should hold the budget of visible rows."""
        number = max(FEWEST_TOPICS, math.ceil(row_budget(k) * len(self._centroids) / visible))
        if number >= len(self._centroids):
            return np.arange(len(self._centroids))
        products = self._centroids @ query.code
        return np.argpartition(-products, number)[:number]


def row_budget(k: int) -> int:
    """How many visible rows a search for k should meet."""
    return max(BUDGET, BUDGET_PER_HIT * k)


def nearest_centroids(codes: Floats, centroids: Floats) -> NDArray[np.int32]:
    """The number of the centroid with the greatest product, the lowest of equal ones."""
    chosen = np.empty(len(codes), np.int32)
    for start in range(0, len(codes), _BLOCK):
        part = slice(start, start + _BLOCK)
        chosen[part] = np.argmax(codes[part] @ centroids.T, axis=1)
    return chosen


def number_of_topics(rows: int) -> int:
    return max(1, round(4 * math.sqrt(rows)))


def sample_rows(rows: Ints) -> Ints:
    """Rows to learn from: all of a small corpus, the same choice whenever the same rows are there."""
    most = _SAMPLED * number_of_topics(len(rows))
    if len(rows) <= most:
        return np.sort(rows)
    return np.sort(np.random.default_rng(_SEED).choice(np.sort(rows), most, replace=False))


def learn_centroids(
    codes: Floats, topics: int, stop: Callable[[], bool] = lambda: False
) -> Centroids | None:
    """Centroids of spherical k-means over sampled codes, shape (topics, dimension).

    If None, it was stopped before the end.
    """
    random = np.random.default_rng(_SEED)
    topics = min(topics, len(codes))
    centroids = codes[random.choice(len(codes), topics, replace=False)].copy()
    for _ in range(_ROUNDS):
        chosen = _choose_centroids(codes, centroids, stop)
        if chosen is None:
            return None
        order = np.argsort(chosen, kind="stable")
        numbers, first = np.unique(chosen[order], return_index=True)
        # for topics that nothing chose
        centroids = codes[random.choice(len(codes), topics, replace=False)].copy()
        centroids[numbers] = _to_code_length(_sum_groups(codes, order, first))
    return np.clip(np.rint(centroids), -128, 127).astype(np.int8)


def _choose_centroids(
    codes: Floats, centroids: Floats, stop: Callable[[], bool]
) -> NDArray[np.int32] | None:
    """The number of the centroid nearest to each code. If None, it was stopped before the end."""
    chosen = np.empty(len(codes), np.int32)
    for start in range(0, len(codes), _BLOCK):
        if stop():
            return None
        part = slice(start, start + _BLOCK)
        chosen[part] = nearest_centroids(codes[part], centroids)
    return chosen


def _sum_groups(codes: Floats, order: Ints, first: Ints) -> Floats:
    """Sums of consecutive groups of codes[order]; a group starts at each of `first`."""
    last = np.append(first[1:], len(order))
    return np.stack([codes[order[a:b]].sum(axis=0) for a, b in zip(first, last, strict=True)])


def _to_code_length(sums: Floats) -> Floats:
    """At the length that codes of unit vectors have."""
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    placed: Floats = (sums * (code_scale(sums.shape[1]) / lengths)).astype(np.float32)
    return placed
