"""What the other passages of its document, its siblings, say for a passage found by words: of two
that match alike, the one stands first whose document has more of the same.

    score = BM25 + WEIGHT * mean BM25 of the two best siblings

Only the view's hundred best passages by words count and are counted, however many are asked for;
the rest follow as they were. A missing sibling counts as zero, so a document of one passage scores
what it scored. Nothing but the caller's own ranking goes in. Figures and what else was tried:
docs/decisions/0019-siblings.md.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.model import Row

DEPTH = 100
WEIGHT = 0.2
_SIBLINGS = 2


def add_siblings(
    ranked: Sequence[tuple[Row, float]],
    ceiling: float,
    documents_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
) -> list[tuple[Row, float]]:
    """The same rows, best first; equal scores by the number of their document, then by row.

    ranked: BM25 scores, best first, at least DEPTH or all there are. ceiling: what no score may
    exceed. documents_of: a number for each row, the same for all rows of one document.
    """
    near = ranked[:DEPTH]
    numbers = documents_of(np.array([row for row, _ in near], np.int64)).tolist()
    scores_of: dict[int, list[float]] = defaultdict(list)  # of each document, best first
    places = []  # of each row among those of its document
    for number, (_, score) in zip(numbers, near, strict=True):
        places.append(len(scores_of[number]))
        scores_of[number].append(score)
    weighed = []
    for number, place, (row, score) in zip(numbers, places, near, strict=True):
        best = scores_of[number][: _SIBLINGS + 1]
        siblings = (best[:place] + best[place + 1 :])[:_SIBLINGS]
        whole = min(ceiling, score + WEIGHT * sum(siblings) / _SIBLINGS)
        weighed.append((-whole, number, row))
    return [(row, -score) for score, _, row in sorted(weighed)] + list(ranked[DEPTH:])
