"""Dense and keyword search as one ranking: a weighted mean of two scores, both on a scale that no hit can move.

    score = (DENSE_WEIGHT * cosine + BM25 / ceiling) / (DENSE_WEIGHT + 1)

The ceiling is what no BM25 score in the view reaches: the weights of all words of the question, those found nowhere
included. So where the words of a question are in no passage, as with a question in another language, a chance match
stays small. A score depends on the question, the passage and the statistics of the caller's view; not on which other
passages were ranked with it, nor on how deep. Figures and what else was tried: docs/decisions/0005-search-defaults.md.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from indexes.derived.ties import ties_of
from indexes.model import Row

DENSE_WEIGHT = 3.0


def fuse(
    cosines: Iterable[tuple[Row, float]],
    keyword: Iterable[tuple[Row, float]],
    ceiling: float,
    ties: NDArray[np.int64] | None = None,
) -> list[tuple[Row, float]]:
    """Rows with their fused scores, best first; equal scores by their ties, then by row.

    cosines: of every row to be ranked, those of `keyword` included. keyword: BM25 scores; other rows have none.
    ties: by row.
    """
    found = dict(keyword)
    scale = ceiling or 1.0  # nothing was found by words, so nothing is divided
    whole = DENSE_WEIGHT + 1
    scores = {row: (DENSE_WEIGHT * cosine + found.get(row, 0.0) / scale) / whole for row, cosine in cosines}
    numbers = dict(zip(scores, ties_of(np.fromiter(scores, np.int64, len(scores)), ties).tolist(), strict=True))
    return sorted(scores.items(), key=lambda scored: (-scored[1], numbers[scored[0]], scored[0]))
