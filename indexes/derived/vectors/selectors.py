"""Sets of rows as bits, for FAISS and for checking what it found."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.derived.vectors.lists import Bits, Ints

_MOST_BYTES: Final = 64 * 2**20


def bits_of(rows: Ints, size: int) -> Bits:
    """One bit per row below `size`, lowest first, set for these rows."""
    marked = np.zeros(size, np.bool_)
    marked[rows] = True
    return np.packbits(marked, bitorder="little")


def has_bit(bits: Bits, rows: Ints) -> NDArray[np.bool_]:
    """Which of these rows have their bit."""
    byte = rows >> 3
    known = (rows >= 0) & (byte < len(bits))
    found: NDArray[np.bool_] = known & (
        (bits[np.where(known, byte, 0)] >> (rows & 7).astype(np.uint8)) & 1
    ).astype(bool)
    return found


class Selectors:
    """The bits of views that were searched lately. Threads may share it."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[str, Bits] = OrderedDict()
        self._lock = Lock()

    def get(self, view: str | None, make: Callable[[], Bits]) -> Bits:
        """The bits of this view. If it is None, the view has no name and is made anew each time."""
        if view is None:
            return make()
        with self._lock:
            if view in self._known:
                self._known.move_to_end(view)
                return self._known[view]
        made = make()
        with self._lock:
            if view not in self._known:
                self._known[view] = made
                self._bytes += made.nbytes
            while self._bytes > self._most_bytes:
                self._bytes -= self._known.popitem(last=False)[1].nbytes
        return made
