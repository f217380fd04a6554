"""Vectors by row, and beside them their codes, in an inverted list for each reader set.

FAISS holds the codes. Whatever it says about rows is compared with what stands here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.derived.growable_array import GrowableArray
from indexes.derived.vectors.codes import code_errors, encode
from indexes.derived.vectors.lists import Bits, InvertedLists
from indexes.derived.vectors.store import Floats, Ints, VectorContents, of_each

ROUNDING: Final = 1e-5  # what float32 arithmetic around the codes may be off by, generously
_NO_LIST: Final = 0  # an inverted list that is always empty, for reader sets without rows

ListNumbers = NDArray[np.int32]


class StoredRows:
    """There is one writer at a time; readers share."""

    def __init__(self, dimension: int, lists: int) -> None:
        """lists: how many reader sets may have rows before the lists are made anew."""
        self._dimension = dimension
        self._by_set = InvertedLists(dimension, lists + 1)
        self._vectors = GrowableArray(np.zeros((0, dimension), np.float32))  # by slot
        self._row = GrowableArray(np.zeros(0, np.int64))  # by slot; -1: free
        self._slot = GrowableArray(np.full(1, -1, np.int32))  # by row; -1: not here
        self._list = GrowableArray(np.zeros(1, np.int32))  # by row
        self._list_of_set = GrowableArray(np.zeros(0, np.int32))  # by reader set
        self._set_of_list = GrowableArray(np.full(1, -1, np.int64))
        self._size = GrowableArray(np.zeros(1, np.int64))  # rows by list
        self._error = GrowableArray(
            np.zeros(1, np.float32)
        )  # largest ‖x - x̂‖ ever put into the list
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._by_set)

    # --- writing --------------------------------------------------------------------------------

    def add(self, rows: Ints, reader_sets: Ints | int, vectors: Floats, codes: Floats) -> None:
        """rows: at least one, none of them here yet. codes: of the vectors."""
        slots = self._take_slots(len(rows))
        for column, fill in ((self._slot, -1), (self._list, _NO_LIST)):
            column.reach(int(rows.max()) + 1, fill)
        self._slot.values[rows], self._row.values[slots], self._vectors.values[slots] = (
            slots,
            rows,
            vectors,
        )
        self._add_to_lists(rows, self._lists_for(of_each(reader_sets, rows)), vectors, codes)

    def remove(self, rows: Ints) -> None:
        """rows: all of them here."""
        self._remove_from_lists(rows)
        slots = self._slot.values[rows]
        self._slot.values[rows] = self._row.values[slots] = -1
        self._free.extend(slots.tolist())

    def move(self, rows: Ints, reader_sets: Ints) -> None:
        """Put rows under other reader sets. rows: at least one, all of them here."""
        vectors = self.vectors_of(rows)
        self._remove_from_lists(rows)
        self._add_to_lists(rows, self._lists_for(reader_sets), vectors, encode(vectors))

    def _add_to_lists(self, rows: Ints, lists: ListNumbers, vectors: Floats, codes: Floats) -> None:
        self._list.values[rows] = lists
        np.add.at(self._size.values, lists, 1)
        np.maximum.at(self._error.values, lists, code_errors(vectors, codes))
        self._by_set.add(rows, lists, codes)

    def _remove_from_lists(self, rows: Ints) -> None:
        self._by_set.remove(rows)
        np.subtract.at(self._size.values, self._list.values[rows], 1)
        self._list.values[rows] = _NO_LIST

    def _take_slots(self, n: int) -> Ints:
        reused = [self._free.pop() for _ in range(min(n, len(self._free)))]
        start = len(self._row.values)
        end = start + n - len(reused)
        for column in (self._row, self._vectors):
            column.reach(end)
        return np.array([*reused, *range(start, end)], np.int64)

    def _lists_for(self, reader_sets: Ints) -> ListNumbers:
        """The list of each reader set, made now if it has none."""
        self._list_of_set.reach(int(reader_sets.max()) + 1, _NO_LIST)
        without = self._list_of_set.values[reader_sets] == _NO_LIST
        for reader_set in np.unique(reader_sets[without]).tolist():
            number = len(self._set_of_list.values)
            if number >= self._by_set.number:
                self._double_lists()
            for column in (self._set_of_list, self._size, self._error):
                column.reach(number + 1)
            self._set_of_list.values[number] = reader_set
            self._list_of_set.values[reader_set] = number
        found: ListNumbers = self._list_of_set.values[reader_sets]
        return found

    def _double_lists(self) -> None:
        """Twice as many lists; FAISS fixes their number, so its part is filled anew from the
        vectors at hand.
        """
        rows, lists = self.rows(), self._list.values
        rows = rows[lists[rows] != _NO_LIST]
        self._by_set = InvertedLists(self._dimension, 2 * self._by_set.number)
        self._by_set.add(rows, lists[rows], encode(self.vectors_of(rows)))

    # --- rows -----------------------------------------------------------------------------------

    def rows(self) -> Ints:
        """All rows that are here, ascending."""
        return np.flatnonzero(self._slot.values >= 0)

    def row_range(self) -> int:
        """A number that is larger than every row that was ever here."""
        return len(self._slot.values)

    def is_here(self, rows: Ints) -> NDArray[np.bool_]:
        """Which of these rows are here."""
        inside = (rows >= 0) & (rows < len(self._slot.values))
        here: NDArray[np.bool_] = inside & (self._slot.values[np.where(inside, rows, 0)] >= 0)
        return here

    def vectors_of(self, rows: Ints) -> Floats:
        """rows: all of them here."""
        vectors: Floats = self._vectors.values[self._slot.values[rows]]
        return vectors

    def reader_sets_of(self, rows: Ints) -> Ints:
        """The reader set of each row; -1 if it is not here."""
        known = (rows >= 0) & (rows < len(self._list.values))
        sets: Ints = self._set_of_list.values[
            np.where(known, self._list.values[np.where(known, rows, 0)], _NO_LIST)
        ]
        return sets

    def is_in_sets(self, rows: Ints, reader_sets: Ints) -> NDArray[np.bool_]:
        """Which of these rows stand under one of these reader sets. reader_sets: ascending."""
        if not len(reader_sets):
            return np.zeros(len(rows), np.bool_)
        sets = self.reader_sets_of(rows)
        place = np.minimum(np.searchsorted(reader_sets, sets), len(reader_sets) - 1)
        inside: NDArray[np.bool_] = (sets >= 0) & (reader_sets[place] == sets)
        return inside

    # --- lists ----------------------------------------------------------------------------------

    def lists_of(self, reader_sets: Ints) -> tuple[ListNumbers, int]:
        """The lists of those of these reader sets that hold rows, and how many rows they hold.

        reader_sets: ascending.
        """
        known = reader_sets[: np.searchsorted(reader_sets, len(self._list_of_set.values))]
        lists: ListNumbers = self._list_of_set.values[known]
        sizes = self._size.values[lists]
        return lists[sizes > 0], int(sizes.sum())

    def search(
        self, code: Floats, lists: ListNumbers, k: int, among: Bits | None
    ) -> tuple[Ints, Floats]:
        """As `InvertedLists.search`: what FAISS says, not checked."""
        return self._by_set.search(code, lists, k, among)

    def largest_error(self, lists: ListNumbers) -> float:
        """What no ‖x - x̂‖ of a row in these lists exceeds."""
        return float(self._error.values[lists].max())

    def bits_of_lists(self, lists: ListNumbers) -> Bits:
        """One bit per row, set for the rows of these lists."""
        seen = np.zeros(len(self._size.values), np.bool_)
        seen[lists] = True
        return np.packbits(seen[self._list.values], bitorder="little")

    # --- looking inside -------------------------------------------------------------------------

    def held_reader_sets(self) -> list[int]:
        """The reader sets with rows, ascending."""
        return sorted(
            self._set_of_list.values[
                np.flatnonzero(self._size.values[: len(self._set_of_list.values)])
            ].tolist()
        )

    def contents(self, reader_set: int) -> VectorContents:
        """What stands under a reader set, the same however it came there."""
        known = 0 <= reader_set < len(self._list_of_set.values)
        number = int(self._list_of_set.values[reader_set]) if known else _NO_LIST
        rows, codes = self._by_set.contents(number)
        here = self.is_here(rows)
        vectors = self.vectors_of(rows[here])
        consistent = (
            bool(here.all())
            and int(self._size.values[number]) == len(rows)
            and bool(np.all(self._list.values[rows[here]] == number))
            and bool(np.all(self._row.values[self._slot.values[rows[here]]] == rows[here]))
            and np.array_equal(encode(vectors), codes[here])
            and float(code_errors(vectors, encode(vectors)).max(initial=0))
            <= float(self._error.values[number]) + ROUNDING
        )
        return VectorContents(rows, vectors, consistent)
