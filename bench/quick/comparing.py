"""What pairs of costs show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.quick.works import Cost

DRAWS = 4_000
NOTHING = 0.03
"""A smaller difference is none: two processes with the same code differ by as much."""

Pair = tuple[Cost, Cost]
"""Of the base and of the working tree, one straight after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Medians in milliseconds. ratio: of processor time, now by base, with a 95 % interval."""

    base_ms: float
    now_ms: float
    base_wall_ms: float
    now_wall_ms: float
    ratio: float
    low: float
    high: float
    pairs: int

    @property
    def verdict(self) -> str:
        if self.low > 1 + NOTHING:
            return "slower"
        if self.high < 1 - NOTHING:
            return "faster"
        return "no difference shown"


def compare(pairs: Sequence[Pair]) -> Comparison:
    """The median of the pairs' ratios; its interval by drawing pairs again, with replacement."""
    costs = np.array([[side.cpu_ms for side in pair] for pair in pairs])
    walls = np.array([[side.wall_ms for side in pair] for pair in pairs])
    ratios = costs[:, 1] / costs[:, 0]
    drawn = np.random.default_rng(1).integers(0, len(ratios), (DRAWS, len(ratios)))
    low, high = np.percentile(np.median(ratios[drawn], axis=1), [2.5, 97.5])
    base, now = np.median(costs, axis=0)
    base_wall, now_wall = np.median(walls, axis=0)
    return Comparison(
        base_ms=float(base),
        now_ms=float(now),
        base_wall_ms=float(base_wall),
        now_wall_ms=float(now_wall),
        ratio=float(np.median(ratios)),
        low=float(low),
        high=float(high),
        pairs=len(costs),
    )
