"""Codes in numbered lists, kept by FAISS.

A search looks into the lists that it names and nowhere else. It reads the lists where FAISS keeps
them; FAISS's own search finds the same and takes longer (`bench/retrieval.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from indexes.derived.growable_array import GrowableArray
from indexes.derived.vectors import kernels
from indexes.errors import IndexDamaged

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bits = NDArray[np.uint8]
Bytes = NDArray[np.uint8]

# audited: keeps codes as they are given, in the lists that are named. Nothing else is used
ALLOWED_TYPES: Final = ("IndexIVFScalarQuantizer",)
_EVERY_ROW: Final = np.zeros(0, np.uint8)

# rows of one call; for fewer, threads wait for each other twenty times as long as they work
_WORTH_THREADS: Final = 1_024


class InvertedLists:
    """Each row stands in one list. The number of lists is fixed."""

    def __init__(self, dimension: int, number: int) -> None:
        self.number = number
        self._dimension = dimension
        self._index = _new_faiss(dimension, number)
        self._codes_at, self._rows_at, self._sizes = (np.zeros(number, np.int64) for _ in range(3))
        self._place = GrowableArray(np.zeros(0, np.int32))  # of a row in its list, by row

    def __len__(self) -> int:
        return int(self._index.ntotal)

    # --- writing --------------------------------------------------------------------------------

    def add(self, rows: Ints, numbers: NDArray[np.integer], codes: Floats) -> None:
        """rows: shape (n,), none of them here yet. numbers: the list of each. codes: shape (n,
        dimension).
        """
        ids, lists = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(numbers, np.int64)
        # these three outlive the call that is given their addresses
        matrix = np.ascontiguousarray(codes, np.float32)
        with _one_thread() if len(ids) < _WORTH_THREADS else nullcontext():
            self._index.add_core(len(ids), *(faiss.swig_ptr(a) for a in (matrix, ids, lists)))
        self._note_places(ids, lists)

    def add_lists(self, numbers: Ints, sizes: Ints, rows: Ints, codes: Bytes) -> None:
        """Fill lists that are empty. sizes: of each. rows, codes: of one list after the other; codes
        as `contents` of bytes.
        """
        held: Any = self._index.invlists
        ids, matrix = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(codes, np.uint8)
        ends = np.cumsum(sizes).tolist()
        for number, end, size in zip(numbers.tolist(), ends, sizes.tolist(), strict=True):
            part = slice(end - size, end)
            held.add_entries(number, size, faiss.swig_ptr(ids[part]), faiss.swig_ptr(matrix[part]))
        self._index.ntotal += len(ids)
        self._note_places(ids, np.repeat(numbers, sizes))

    def _note_places(self, rows: Ints, lists: Ints) -> None:
        """rows: what came last, in this order. lists: of each."""
        self._place.reach(int(rows.max(initial=-1)) + 1, fill=-1)
        kernels.note_places(rows, lists, self._place.values, self._sizes)
        self._look_at(np.unique(lists))

    def remove(self, rows: Ints, numbers: NDArray[np.integer]) -> None:
        """rows: distinct, all of them here. numbers: the list of each.

        Raises IndexDamaged if one is not here; nothing is removed then.
        """
        ids, lists = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(numbers, np.int64)
        if (self._place.values[ids] < 0).any():
            raise IndexDamaged("A row that was to be taken out of a list of vectors is in none.")
        at = (self._codes_at, self._rows_at, self._sizes)
        kernels.take_out(ids, lists, self._place.values, *at, self._dimension)
        held: Any = self._index.invlists
        touched = np.unique(lists)
        for number, size in zip(touched.tolist(), self._sizes[touched].tolist(), strict=True):
            held.resize(number, size)
        self._index.ntotal -= len(ids)
        self._look_at(touched)

    def _look_at(self, numbers: Ints) -> None:
        """Where FAISS keeps these lists now."""
        held: Any = self._index.invlists
        for number in numbers.tolist():
            self._codes_at[number] = int(held.get_codes(number))
            self._rows_at[number] = int(held.get_ids(number))

    # --- reading --------------------------------------------------------------------------------

    def scan(
        self, code: NDArray[np.int16], numbers: Ints, k: int, slack: int, among: Bits | None
    ) -> tuple[Ints, Ints]:
        """The rows of these lists whose product with the code is at most `slack` below the k-th
        greatest, and the products, in no order. k: at least 1.

        among: one bit per row, lowest first; rows without it are passed over. If None, every
        row of these lists.
        """
        bits = _EVERY_ROW if among is None else among
        at = (self._codes_at, self._rows_at, self._sizes)
        rows, products = kernels.scan(numbers, *at, code, bits, among is not None, k, slack)
        return rows, products

    def contents(self, number: int) -> tuple[Ints, Bytes]:
        """(rows, codes) of one list as FAISS keeps them; a code as a byte, `OFFSET` added."""
        held: Any = self._index.invlists
        size = int(held.list_size(number))
        if not size:
            return np.empty(0, np.int64), np.empty((0, self._dimension), np.uint8)
        rows = faiss.rev_swig_ptr(held.get_ids(number), size).copy()
        codes = faiss.rev_swig_ptr(held.get_codes(number), size * int(held.code_size)).reshape(
            size, -1
        )
        return rows, codes.copy()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Inside, FAISS starts no others for what this thread asks of it."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _new_faiss(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    # never asked: lists are always given
    quantizer = faiss.IndexFlat(dimension, faiss.METRIC_INNER_PRODUCT)
    kind, metric = faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFScalarQuantizer(quantizer, dimension, lists, kind, metric, False)
    if type(index).__name__ not in ALLOWED_TYPES:
        raise IndexDamaged(f"{type(index).__name__} is not a FAISS index type that was audited.")
    index.is_trained = True  # direct codes have nothing to learn
    return index
