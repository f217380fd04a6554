"""Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009."""

from collections import defaultdict
from collections.abc import Sequence

from indexes.model import Row

RANK_OFFSET = 60  # the constant of the paper: how much less a second place is worth than a first


def fuse(
    rankings: Sequence[Sequence[tuple[Row, float]]], weights: Sequence[float] | None = None
) -> list[tuple[Row, float]]:
    """One ranking out of several: score = sum of weight / (60 + rank), best first; equal scores by row.

    Only ranks count, so scores of different kinds never meet. Ranks are those inside the caller's view.
    """
    scores: defaultdict[Row, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, (row, _) in enumerate(ranking, start=1):
            scores[row] += weight / (RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
