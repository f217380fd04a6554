"""Whether work grows with its input and not faster, told apart without a clock on the wall."""

import gc
import time
from collections.abc import Callable

_ROUNDS = 4


def assert_grows_in_proportion(work: Callable[[int], object], size: int) -> None:
    """Eight times the input costs about eight times as much; work that grows with the square of its
    input costs sixty-four times as much.

    Processor time, of each the least of some rounds, without the garbage collector, which looks
    through the objects of all other tests too. So what else the machine does decides nothing.
    """
    small = min(_cost(work, size) for _ in range(_ROUNDS))
    assert any(_cost(work, 8 * size) < 28 * max(small, 0.005) for _ in range(_ROUNDS))


def _cost(work: Callable[[int], object], size: int) -> float:
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        work(size)
        return time.process_time() - begun
    finally:
        gc.enable()
