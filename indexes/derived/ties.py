"""What orders passages of equal score: a number of each document, drawn at random when it was
stored.

The row would tell which document came first, and so which file's parser was done first. Passages of
one document stand in reading order, which is that of their rows.
"""

import numpy as np
from numpy.typing import NDArray

from indexes.derived.growable_array import GrowableArray

Ints = NDArray[np.int64]


class Ties:
    """The number of each row, for as long as there is the row.

    One writer at a time; readers share `values`.
    """

    def __init__(self) -> None:
        self._by_row = GrowableArray(np.zeros(0, np.int64))

    @property
    def values(self) -> Ints:
        """By row."""
        return self._by_row.values

    def put(self, rows: Ints, token: bytes) -> None:
        """rows: those of one document. token: its random token."""
        if len(rows):
            self._by_row.reach(int(rows.max()) + 1)
            self._by_row.values[rows] = np.frombuffer(token, "<i8", 1)

    def put_all(self, rows: Ints, sizes: Ints, tokens: bytes) -> None:
        """As `put` of each of many documents. sizes: how many rows each has. tokens: 32 bytes of
        each.
        """
        if len(rows):
            numbers = np.frombuffer(tokens, "<i8").reshape(-1, 4)[:, 0]
            self._by_row.reach(int(rows.max()) + 1)
            self._by_row.values[rows] = np.repeat(numbers, sizes)


def ties_of(rows: Ints, ties: Ints | None) -> Ints:
    """The number of each of these rows. ties: by row; None, and past its end: all the same."""
    if ties is not None and len(rows) and rows.max() < len(ties):
        every: Ints = ties[rows]
        return every
    found = np.zeros(len(rows), np.int64)
    if ties is not None:
        known = rows < len(ties)
        found[known] = ties[rows[known]]
    return found
