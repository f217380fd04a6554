"""Dense and keyword search as one ranking: a weighted mean of two scores, both on a scale that no hit can move.

    score = (DENSE_WEIGHT * cosine + BM25 / scale) / (DENSE_WEIGHT + 1)

A score depends on the question, the passage and the statistics of the caller's view; not on which other passages were
ranked with it, nor on how deep. Ranks and the best score of a list are no such scale: where the words of a question are
in no passage, as with a question in another language, they make noise as loud as the best match. Figures and what else
was tried: docs/decisions/0005-search-defaults.md.
"""

import math
from collections.abc import Iterable

from indexes.keywords.analysis import Analyser
from indexes.model import Row

DENSE_WEIGHT = 3.0
USUAL_BEST = 3.3  # BM25 of the best passage over the square root of the number of terms, on development data

_analyser = Analyser(remembers=False)


def fuse(
    cosines: Iterable[tuple[Row, float]], keyword: Iterable[tuple[Row, float]], scale: float
) -> list[tuple[Row, float]]:
    """Rows with their fused scores, best first; equal scores by row.

    cosines: of every row to be ranked, those of `keyword` included. keyword: BM25 scores; other rows have none.
    """
    found = dict(keyword)
    whole = DENSE_WEIGHT + 1
    scores = {row: (DENSE_WEIGHT * cosine + found.get(row, 0.0) / scale) / whole for row, cosine in cosines}
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))


def keyword_scale(question: str) -> float:
    """About what BM25 gives the best passage for a question of this length, in whatever view."""
    return USUAL_BEST * math.sqrt(max(1, len(_analyser.terms(question))))
