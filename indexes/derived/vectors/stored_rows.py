"""Vectors by row, and beside them their codes, in an inverted list for each reader set.

FAISS holds the codes. Whatever is found in them is compared with what stands here.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from indexes.derived.growable_array import GrowableArray
from indexes.derived.vectors import array_files, kernels
from indexes.derived.vectors.codes import CodedQuery, as_bytes, code_errors, encode
from indexes.derived.vectors.lists import Bits, InvertedLists
from indexes.derived.vectors.slots import VectorSlots
from indexes.derived.vectors.store import Floats, Ints, VectorContents, of_each
from indexes.errors import IndexDamaged

ROUNDING: Final = 1e-5  # what float32 arithmetic around the codes may be off by, generously
_BLOCK: Final = 65_536  # rows written to a checkpoint at once
_NO_LIST: Final = 0  # an inverted list that is always empty, for reader sets without rows

ListNumbers = NDArray[np.int32]
Scores = NDArray[np.float64]


class SomeLists(NamedTuple):
    """Lists that hold rows."""

    numbers: Ints
    rows: int  # how many there are in them
    error: float  # what no ‖x - x̂‖ of a row in them exceeds


class StoredRows:
    """There is one writer at a time; readers share."""

    def __init__(self, dimension: int, lists: int) -> None:
        """lists: how many reader sets may have rows before the lists are made anew."""
        self._dimension = dimension
        self._by_set = InvertedLists(dimension, lists + 1)
        self._vectors = VectorSlots(np.zeros((0, dimension), np.float32))
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
        self._slot.values[rows], self._row.values[slots] = slots, rows
        self._vectors.put(slots, vectors)
        self._add_to_lists(rows, self._lists_for(of_each(reader_sets, rows)), vectors, codes)

    def remove(self, rows: Ints) -> None:
        """rows: all of them here."""
        self._remove_from_lists(rows)
        slots = self._slot.values[rows]
        self._slot.values[rows] = self._row.values[slots] = -1
        self._free.extend(self._vectors.writable(slots).tolist())

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
        self._by_set.remove(rows, self._list.values[rows])
        np.subtract.at(self._size.values, self._list.values[rows], 1)
        self._list.values[rows] = _NO_LIST

    def _take_slots(self, n: int) -> Ints:
        reused = [self._free.pop() for _ in range(min(n, len(self._free)))]
        start = len(self._row.values)
        end = start + n - len(reused)
        self._row.reach(end)
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
        """Twice as many lists; FAISS fixes their number, so its part is filled anew."""
        before, self._by_set = (
            self._by_set,
            InvertedLists(self._dimension, 2 * self._by_set.number),
        )
        for number in np.flatnonzero(self._size.values).tolist():
            rows, codes = before.contents(number)
            self._by_set.add_lists(np.array([number]), np.array([len(rows)]), rows, codes)

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
        return self._vectors.take(self._slot.values[rows])

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

    def lists_of(self, reader_sets: Ints) -> SomeLists:
        """The lists of those of these reader sets that hold rows."""
        return SomeLists(
            *kernels.lists_of(
                reader_sets, self._list_of_set.values, self._size.values, self._error.values
            )
        )

    def scan(
        self, query: CodedQuery, lists: SomeLists, k: int, among: Bits | None
    ) -> tuple[Ints, Ints]:
        """Rows of these lists among which the k nearest are, whatever the codes are off by, and the
        products of their codes with the query's, in no order. k: at least 1.
        """
        off = lists.error + (1 + lists.error) * query.error + ROUNDING
        # what is worse than the k-th by more than both may be off is not among the k nearest
        slack = math.ceil(2 * off / query.unit)
        return self._by_set.scan(query.code, lists.numbers, k, slack, among)

    def rank(
        self, rows: Ints, reader_sets: Ints, query: Floats, k: int, ties: Ints
    ) -> tuple[Ints, Scores, int]:
        """The k best of these rows by cosine, best first, their cosines, and how many of the rows do
        not stand under one of these reader sets; those are passed over. ties: as in `nearest`.
        """
        best, scores, wrong = kernels.rank(
            rows,
            reader_sets,
            self._list.values,
            self._set_of_list.values,
            self._slot.values,
            self._vectors.saved,
            self._vectors.others,
            query,
            ties,
            k,
        )
        return best, scores, wrong

    def bits_of_lists(self, lists: SomeLists) -> Bits:
        """One bit per row, set for the rows of these lists."""
        seen = np.zeros(len(self._size.values), np.bool_)
        seen[lists.numbers] = True
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
        order = np.argsort(rows, kind="stable")
        rows, codes = rows[order], codes[order]
        here = self.is_here(rows)
        vectors = self.vectors_of(rows[here])
        consistent = (
            bool(here.all())
            and int(self._size.values[number]) == len(rows)
            and bool(np.all(self._list.values[rows[here]] == number))
            and bool(np.all(self._row.values[self._slot.values[rows[here]]] == rows[here]))
            and np.array_equal(as_bytes(encode(vectors)), codes[here])
            and float(code_errors(vectors, encode(vectors)).max(initial=0))
            <= float(self._error.values[number]) + ROUNDING
        )
        return VectorContents(rows, vectors, consistent)

    # --- checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write everything needed to make this again: rows and vectors by row, codes by list."""
        rows = self.rows()
        lists = np.flatnonzero(self._size.values)
        parts = {
            "rows": rows,
            "list-sets": self._set_of_list.values[lists],
            "list-sizes": self._size.values[lists],
            "list-errors": self._error.values[lists],
        }
        array_files.save_arrays(folder, parts)
        shape, blocks = (len(rows), self._dimension), range(0, len(rows), _BLOCK)
        vectors = (self.vectors_of(rows[start : start + _BLOCK]) for start in blocks)
        array_files.save_blocks(folder, "vectors", shape, np.float32, vectors)
        held = (self._by_set.contents(number) for number in lists.tolist())
        array_files.save_blocks(
            folder, "list-rows", shape[:1], np.int64, (each for each, _ in held)
        )
        held = (self._by_set.contents(number) for number in lists.tolist())
        array_files.save_blocks(folder, "list-codes", shape, np.uint8, (codes for _, codes in held))

    @classmethod
    def load(cls, dimension: int, lists: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What was saved. lists: as for a new one.

        Raises IndexDamaged when the arrays do not belong together.
        """
        names = ("rows", "vectors", "list-sets", "list-sizes", "list-errors")
        rows, vectors, sets, sizes, errors = (arrays[name] for name in names)
        _check_shapes(dimension, arrays)
        stored = cls(dimension, max(lists, len(sets)))
        stored._vectors = VectorSlots(vectors)
        for column, fill in ((stored._slot, -1), (stored._list, _NO_LIST)):
            column.reach(int(rows.max(initial=-1)) + 1, fill)
        stored._row.reach(len(rows))
        stored._row.values[:], stored._slot.values[rows] = rows, np.arange(len(rows))
        numbers = stored._lists_for(sets) if len(sets) else np.empty(0, np.int32)
        stored._size.values[numbers], stored._error.values[numbers] = sizes, errors
        held = arrays["list-rows"]
        stored._list.values[held] = np.repeat(numbers, sizes)
        stored._by_set.add_lists(numbers.astype(np.int64), sizes, held, arrays["list-codes"])
        return stored


def _check_shapes(dimension: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raises IndexDamaged when the arrays of a checkpoint do not belong together."""
    rows, lists = len(arrays["rows"]), len(arrays["list-sets"])
    belong = {
        "vectors": (rows, dimension),
        "list-sizes": (lists,),
        "list-errors": (lists,),
        "list-rows": (rows,),
        "list-codes": (rows, dimension),
    }
    wrong = [name for name, shape in belong.items() if arrays[name].shape != shape]
    if wrong or int(arrays["list-sizes"].sum()) != rows:
        raise IndexDamaged(f"Arrays do not belong together: {', '.join(wrong) or 'list-sizes'}.")
