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

import numpy as np
from numpy.typing import NDArray

DENSE_WEIGHT = 3.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def fuse(cosines: Floats, keyword: Floats, ceiling: float) -> Floats:
    """The fused score of each row. keyword: its score by words, 0 if it has none; of several
    rankings, one below the other.
    """
    scale = ceiling or 1.0  # nothing was found by words, so nothing is divided
    fused: Floats = (DENSE_WEIGHT * cosines + keyword / scale) / (DENSE_WEIGHT + 1)
    return fused


def best_first(rows: Ints, scores: Floats, ties: Ints, k: int) -> tuple[Ints, Floats]:
    """The k best rows with their scores; equal scores by their ties, then by row."""
    order = np.lexsort((rows, ties, -scores))[:k]
    return rows[order], scores[order]
