"""How good a ranking of documents is. Every measure lies between 0 and 1."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

Measure = Callable[[Sequence[str], Mapping[str, int]], float]


def ndcg(ranked: Sequence[str], gains: Mapping[str, int], depth: int = 10) -> float:
    found = sum(
        gains.get(name, 0) / math.log2(place + 1)
        for place, name in enumerate(ranked[:depth], start=1)
    )
    best = sorted(gains.values(), reverse=True)[:depth]
    return found / sum(gain / math.log2(place + 1) for place, gain in enumerate(best, start=1))


def recall(ranked: Sequence[str], gains: Mapping[str, int], depth: int = 10) -> float:
    return len(set(ranked[:depth]) & set(gains)) / len(gains)


def reciprocal_rank(ranked: Sequence[str], gains: Mapping[str, int], depth: int = 10) -> float:
    return next(
        (1 / place for place, name in enumerate(ranked[:depth], start=1) if name in gains), 0.0
    )


MEASURES: dict[str, Measure] = {
    "nDCG@10": ndcg,
    "recall@10": recall,
    "recall@100": lambda ranked, gains: recall(ranked, gains, 100),
    "MRR@10": reciprocal_rank,
}


def means(
    rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, Mapping[str, int]]
) -> dict[str, float]:
    """Each measure's mean over the questions that were ranked."""
    return {
        name: round(
            statistics.fmean(
                measure(ranked, relevant[question]) for question, ranked in rankings.items()
            ),
            4,
        )
        for name, measure in MEASURES.items()
    }
