"""Whether two kinds of request can be told apart by a number, such as how long they took:
Mann–Whitney.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.959964
_NORMAL_99_9 = 3.290527
_CHANCE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well a threshold tells two samples apart: auc 0.5 not at all, 1.0 always.

    The larger of AUC and 1 − AUC.
    """

    auc: float
    low: float  # of the 95 % interval, not below 0.5
    high: float
    certain: float  # below what the AUC is with 99.9 % certainty; not below 0.5
    p: float  # Mann–Whitney, two-sided, corrected for ties
    pairs: int
    median: float  # of the first sample
    control_median: float

    def __str__(self) -> str:
        return f"AUC {self.auc:.3f}, certainly above {self.certain:.3f}"

    def is_above(self, aim: float) -> bool:
        """Whether chance is no explanation for being above the aim."""
        return self.certain > aim and self.p < _CHANCE


def measure_separation(sample: Sequence[float], control: Sequence[float]) -> Separation:
    """sample, control: at least two numbers each, in any unit."""
    x, y = np.asarray(sample, np.float64), np.asarray(control, np.float64)
    ranks = _mean_ranks(np.concatenate([x, y]))
    # share of the control below each of the sample; ties count half
    above = (ranks[: len(x)] - _mean_ranks(x)) / len(y)
    below = (ranks[len(x) :] - _mean_ranks(y)) / len(x)
    auc = float(above.mean())
    deviation = math.sqrt(above.var(ddof=1) / len(x) + below.var(ddof=1) / len(y))  # DeLong
    larger = max(auc, 1 - auc)
    return Separation(
        auc=larger,
        low=max(0.5, larger - _NORMAL_95 * deviation),
        high=min(1.0, larger + _NORMAL_95 * deviation),
        certain=max(0.5, larger - _NORMAL_99_9 * deviation),
        p=_p_value(auc, ranks, len(x), len(y)),
        pairs=min(len(x), len(y)),
        median=float(np.median(x)),
        control_median=float(np.median(y)),
    )


def _p_value(auc: float, ranks: NDArray[np.float64], n: int, m: int) -> float:
    _, ties = np.unique(ranks, return_counts=True)
    total = n + m
    variance = n * m / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return math.erfc(abs(auc - 0.5) * n * m / math.sqrt(2 * variance))


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    shared: NDArray[np.float64] = (ends - (count - 1) / 2)[place]
    return shared
