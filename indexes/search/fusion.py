"""Dense and keyword search as one ranking: a weighted mean of two scores, both on a scale that no
hit can move.

    score = (DENSE_WEIGHT * cosine + keyword score / ceiling) / (DENSE_WEIGHT + 1)

The ceiling is what no BM25 score in the view reaches: the weights of all words of the question,
those found nowhere included. So if the words of a question are in no passage, as with a question
in another language, a chance match stays small. A score depends on the question, the passage, the
statistics of the caller's view and, by words, on other passages of its document
(`siblings`); not on what else was ranked with it, nor on how deep. Figures and what else
was tried: docs/decisions/0005-search-defaults.md.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from indexes.model import Row

DENSE_WEIGHT = 3.0


def no_ties(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Equal scores stand by row."""
    return np.zeros(len(rows), np.int64)


def fuse(
    cosines: Iterable[tuple[Row, float]],
    keyword: Iterable[tuple[Row, float]],
    ceiling: float,
    ties_of: Callable[[NDArray[np.int64]], NDArray[np.int64]] = no_ties,
) -> list[tuple[Row, float]]:
    """Rows with their fused scores, best first; equal scores by their ties, then by row.

    cosines: of every row to be ranked, those of `keyword` included. keyword: scores by words; other
    rows have none. ties_of: the number of each of these rows.
    """
    scores = fused_scores(cosines, keyword, ceiling)
    rows = np.fromiter(scores, np.int64, len(scores))
    numbers = dict(zip(scores, ties_of(rows).tolist(), strict=True))
    return sorted(scores.items(), key=lambda scored: (-scored[1], numbers[scored[0]], scored[0]))


def fused_scores(
    cosines: Iterable[tuple[Row, float]], keyword: Iterable[tuple[Row, float]], ceiling: float
) -> dict[Row, float]:
    """The fused score of every row that has a cosine."""
    found = dict(keyword)
    scale = ceiling or 1.0  # nothing was found by words, so nothing is divided
    whole = DENSE_WEIGHT + 1
    return {
        row: (DENSE_WEIGHT * cosine + found.get(row, 0.0) / scale) / whole
        for row, cosine in cosines
    }
