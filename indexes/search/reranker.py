"""Puts the best hits into another order, if a model for that is configured.

It sees hits only, and so only what the caller may read.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from indexes.model import Hit

RERANK_DEPTH = 50  # hits; beyond those the first ranking stands


class Reranker(Protocol):
    """Scores how well each text answers a question. Safe to use from several threads."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """One score per text, higher is better; a text's score does not depend on the other texts."""
        ...


def rerank(reranker: Reranker, question: str, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The first hits in the reranker's order with its scores, equal ones as they were; then the
    others as they were.
    """
    best, rest = hits[:RERANK_DEPTH], hits[RERANK_DEPTH:]
    if not best:
        return tuple(rest)
    scored = zip(best, reranker.scores(question, [hit.shown for hit in best]), strict=True)
    reranked = [replace(hit, score=float(score)) for hit, score in scored]
    return (*sorted(reranked, key=lambda hit: -hit.score), *rest)
