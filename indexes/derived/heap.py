"""The best passages so far, as two arrays that make a heap with the worst on top."""

from typing import Any

from indexes.derived.compilation import kernel


@kernel()
def _comes_after(row: Any, other: Any, ties: Any) -> Any:
    """Whether of two rows with equal scores this one comes later."""
    tie = ties[row] if row < ties.shape[0] else 0
    other_tie = ties[other] if other < ties.shape[0] else 0
    return tie > other_tie or (tie == other_tie and row > other)


@kernel()
def _is_worse(score: Any, row: Any, other_score: Any, other_row: Any, ties: Any) -> Any:
    return score < other_score or (score == other_score and _comes_after(row, other_row, ties))


@kernel()
def _sink(scores: Any, rows: Any, found: Any, score: Any, row: Any, ties: Any) -> None:
    """Puts a passage where the worst one is, and lets it sink to its place."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= found:
            break
        if child + 1 < found and _is_worse(
            scores[child + 1], rows[child + 1], scores[child], rows[child], ties
        ):
            child += 1
        if not _is_worse(scores[child], rows[child], score, row, ties):
            break
        scores[place] = scores[child]
        rows[place] = rows[child]
        place = child
    scores[place] = score
    rows[place] = row


@kernel()
def offer(scores: Any, rows: Any, found: Any, score: Any, row: Any, ties: Any) -> Any:
    """Keeps a passage if it is among the best, equal scores by their ties, then by row.

    `found` are there; returns how many are now. ties: by row; past its end all are the same.
    """
    if found < scores.shape[0]:
        place = found
        while place > 0 and _is_worse(
            score, row, scores[(place - 1) >> 1], rows[(place - 1) >> 1], ties
        ):
            scores[place] = scores[(place - 1) >> 1]
            rows[place] = rows[(place - 1) >> 1]
            place = (place - 1) >> 1
        scores[place] = score
        rows[place] = row
        return found + 1
    if not _is_worse(scores[0], rows[0], score, row, ties):
        return found
    _sink(scores, rows, found, score, row, ties)
    return found


@kernel()
def sort_best_first(scores: Any, rows: Any, found: Any, ties: Any) -> None:
    """What was offered, in its order; it is no heap any more."""
    for end in range(found - 1, 0, -1):
        score, row = scores[end], rows[end]
        scores[end], rows[end] = scores[0], rows[0]
        _sink(scores, rows, end, score, row, ties)
