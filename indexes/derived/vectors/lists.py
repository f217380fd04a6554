"""Codes in numbered lists, searched by FAISS.

A search looks into the lists that it names and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from indexes.errors import IndexDamaged

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bits = NDArray[np.uint8]

# FAISS pads short answers with this id; as a list index it means "the last row"
NO_NEIGHBOUR: Final = -1
# audited: obey lists and selector. Nothing else is used
ALLOWED_TYPES: Final = ("IndexIVFScalarQuantizer",)


# rows of one call; for fewer, threads wait for each other twenty times as long as they work
_WORTH_THREADS: Final = 1_024


class InvertedLists:
    """Each row stands in one list. The number of lists is fixed."""

    def __init__(self, dimension: int, number: int) -> None:
        self.number = number
        self._index = _new_faiss(dimension, number)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, rows: Ints, numbers: NDArray[np.integer], codes: Floats) -> None:
        """rows: shape (n,), none of them here yet. numbers: the list of each. codes: shape (n,
        dimension).
        """
        ids, lists = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(numbers, np.int64)
        # these three outlive the call that is given their addresses
        matrix = np.ascontiguousarray(codes, np.float32)
        with _one_thread() if len(ids) < _WORTH_THREADS else nullcontext():
            self._index.add_core(len(ids), *(faiss.swig_ptr(a) for a in (matrix, ids, lists)))

    def remove(self, rows: Ints) -> None:
        """rows: all of them here."""
        self._index.remove_ids(faiss.IDSelectorArray(np.ascontiguousarray(rows, np.int64)))

    def search(
        self, code: Floats, numbers: NDArray[np.integer], k: int, among: Bits | None
    ) -> tuple[Ints, Floats]:
        """The k rows with the greatest products of codes in these lists, and the products; short
        answers are padded.

        among: one bit per row, lowest first; rows without it are passed over. If None, every
        row of these lists.
        """
        lists = np.ascontiguousarray(numbers, np.int64)
        nothing = np.zeros(len(lists), np.float32)
        scores, ids = np.empty(k, np.float32), np.empty(k, np.int64)
        selector = (
            None if among is None else faiss.IDSelectorBitmap(len(among), faiss.swig_ptr(among))
        )
        parameters = faiss.SearchParametersIVF(nprobe=len(lists), sel=selector)  # type: ignore[call-arg] # index.nprobe is shared between threads
        pointers = [faiss.swig_ptr(a) for a in (lists, nothing, scores, ids)]
        self._index.search_preassigned_c(1, faiss.swig_ptr(code), k, *pointers, False, parameters)  # type: ignore[attr-defined]
        return ids, scores

    def contents(self, number: int) -> tuple[Ints, NDArray[np.int16]]:
        """(rows, codes) of one list, by row."""
        held: Any = self._index.invlists
        size = int(held.list_size(number))
        if not size:
            return np.empty(0, np.int64), np.empty((0, self._index.d), np.int16)
        rows = faiss.rev_swig_ptr(held.get_ids(number), size).copy()
        stored = faiss.rev_swig_ptr(held.get_codes(number), size * int(held.code_size)).reshape(
            size, -1
        )
        order = np.argsort(rows, kind="stable")
        return rows[order], stored[order].astype(np.int16) - 128


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
    index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
    return index
