"""Which slot (reader set) each row is in: pages of an array over all rows, because row ids only
grow and leave gaps.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

PAGE = 1024
ABSENT = -1


class SlotOfRow:
    """A map from row to slot, about four bytes per row if rows are dense."""

    def __init__(self) -> None:
        self._pages: dict[int, NDArray[np.int32]] = {}
        self._used: dict[int, int] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """The slot of each row (ascending), ABSENT if there is none."""
        slots = np.full(len(rows), ABSENT, np.int32)
        for number, run in _runs(rows):
            page = self._pages.get(number)
            if page is not None:
                slots[run] = page[rows[run] % PAGE]
        return slots

    def put(self, rows: NDArray[np.int64], slot: int) -> None:
        """Sets the slot of these rows (ascending), which may be there already."""
        for number, run in _runs(rows):
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = np.full(PAGE, ABSENT, np.int32)
            places = rows[run] % PAGE
            self._count(number, int(np.count_nonzero(page[places] == ABSENT)))
            page[places] = slot

    def drop(self, rows: NDArray[np.int64]) -> None:
        """Forgets these rows (ascending), all of which are there."""
        for number, run in _runs(rows):
            self._pages[number][rows[run] % PAGE] = ABSENT
            self._count(number, run.start - run.stop)

    def memory_bytes(self) -> int:
        return len(self._pages) * (4 * PAGE + 300)

    def _count(self, number: int, change: int) -> None:
        self._size += change
        used = self._used.get(number, 0) + change
        if used:
            self._used[number] = used
        else:
            self._used.pop(number, None)
            self._pages.pop(number, None)


def _runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """(page number, which of the rows are on it) for ascending rows."""
    if not len(rows):
        return
    numbers = rows // PAGE
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
    for start, stop in pairwise(edges):
        yield int(numbers[start]), slice(start, stop)
