"""What the other passages of its document, its siblings, say for a passage found by words: of two
that match alike, the one stands first whose document has more of the same.

    score = BM25 + WEIGHT * mean BM25 of the two best siblings

Only the view's hundred best passages by words count and are counted, however many are asked for;
the rest follow as they were. A missing sibling counts as zero, so a document of one passage scores
what it scored. Nothing but the caller's own ranking goes in. Figures and what else was tried:
docs/decisions/0019-siblings.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.derived.compilation import kernel

DEPTH = 100
WEIGHT = 0.2
_SIBLINGS = 2

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def add_siblings(scores: Floats, documents: Ints, ceiling: float) -> Floats:
    """The score of each row with what its siblings say; those beyond DEPTH are as they were.

    scores: BM25, best first, at least DEPTH or all there are. documents: a number for each of the
    first DEPTH rows, the same for all rows of one document. ceiling: what no score may exceed.
    """
    whole = scores.copy()
    _add_best_siblings(scores[:DEPTH], documents, ceiling, whole)
    return whole


@kernel("void(float64[::1], int64[::1], float64, float64[::1])")
def _add_best_siblings(scores: Any, documents: Any, ceiling: float, whole: Any) -> None:
    for row in range(len(scores)):
        found, said = 0, 0.0
        for other in range(len(scores)):  # best first
            if documents[other] == documents[row] and other != row:
                said += scores[other]
                found += 1
                if found == _SIBLINGS:
                    break
        whole[row] = min(ceiling, scores[row] + WEIGHT * said / _SIBLINGS)
