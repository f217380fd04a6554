"""Exact dense search inside a view. The only module that knows FAISS.

One FAISS IVF index whose inverted list number stands for the reader set, so that a search scans what the caller may
read and nothing else. The codes are int8 at a scale that depends on the dimension alone; the best candidates are scored
again in full precision, and a bound on the error of the codes proves that nothing better was left behind:

    |x·q - x̂·q̂| ≤ ‖x - x̂‖·‖q‖ + ‖x̂‖·‖q - q̂‖        (Cauchy-Schwarz; ‖q‖ = 1, ‖x̂‖ ≤ 1 + ‖x - x̂‖)

Derived from the catalog and kept in memory. One writer at a time, under the caller's lock; readers share.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from indexes.errors import IndexDamaged

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NO_NEIGHBOUR: Final = -1  # FAISS pads short answers with this id; as a list index it means "the last row"
LISTS: Final = 131_072  # fixed when a FAISS index is made; more reader sets than this need a new one
CODE_SIGMAS: Final = 5.0  # a coordinate of a random unit vector has deviation 1/sqrt(d); codes reach this many of them
FIRST_CANDIDATES: Final = 128  # enough to prove ten hits in one scan at p95 of real passages
ROUNDING: Final = 1e-5  # what float32 sums of int8 products may be off by, generously
ALLOWED_TYPES: Final = ("IndexIVFScalarQuantizer",)  # audited: obey the lists they are given. Nothing else is used

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows best first; equal scores by row, so that ties never depend on neighbours."""

    rows: Ints
    scores: NDArray[np.float64]  # cosine
    exact: bool  # proved to be the true best of everything visible
    candidates: int  # how many were scored in full precision


EMPTY = Ranked(np.empty(0, np.int64), np.empty(0), True, 0)


class VectorIndex:
    """Unit vectors by row, grouped by reader set."""

    def __init__(self, dimension: int, lists: int = LISTS) -> None:
        self.dimension = dimension
        self._scale = np.float32(127 * np.sqrt(dimension) / CODE_SIGMAS)
        self._faiss = _new_faiss(dimension, lists)
        self._vectors = _Growing(np.zeros((0, dimension), np.float32))  # by slot
        self._row = _Growing(np.zeros(0, np.int64))  # by slot
        self._list = _Growing(np.zeros(0, np.int32))  # by slot
        self._slot_of_row = _Growing(np.zeros(0, np.int32))  # by row; -1: not here
        self._list_of_set = _Growing(np.zeros(0, np.int32))  # by reader set; -1: none yet
        self._set_of_list = _Growing(np.zeros(0, np.int64))
        self._size = _Growing(np.zeros(0, np.int64))  # rows by list
        self._error = _Growing(np.zeros(0, np.float32))  # largest ‖x - x̂‖ ever put into the list
        self._free: list[int] = []
        self.alarms = 0  # rows that FAISS returned from a list they do not belong to

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    # --- writing ------------------------------------------------------------------------------------------------

    def add(self, rows: Ints, reader_set: int, vectors: Floats) -> None:
        """rows: shape (n,), none of them here yet. vectors: unit vectors, shape (n, dimension)."""
        if len(rows):
            self._insert(rows, np.full(len(rows), self._list_for(reader_set), np.int32), vectors)

    def add_many(self, rows: Ints, reader_sets: Ints, vectors: Floats) -> None:
        """Like add, for rows of different reader sets."""
        if len(rows):
            lists = {int(s): self._list_for(int(s)) for s in np.unique(reader_sets)}
            self._insert(rows, np.array([lists[int(s)] for s in reader_sets], np.int32), vectors)

    def remove(self, rows: Ints) -> None:
        """Rows that are not here are passed over."""
        slots = self._slots(rows)
        if not len(slots):
            return
        self._faiss.remove_ids(faiss.IDSelectorArray(np.ascontiguousarray(self._row.values[slots])))
        np.subtract.at(self._size.values, self._list.values[slots], 1)
        self._slot_of_row.values[self._row.values[slots]] = -1
        self._list.values[slots] = -1
        self._free.extend(slots.tolist())

    def move(self, rows: Ints, reader_set: int) -> None:
        """Put rows that are here under another reader set."""
        slots = self._slots(rows)
        kept, vectors = self._row.values[slots].copy(), self._vectors.values[slots].copy()
        self.remove(kept)
        self.add(kept, reader_set, vectors)

    def _insert(self, rows: Ints, lists: NDArray[np.int32], vectors: Floats) -> None:
        slots = self._take_slots(len(rows))
        codes = self._encode(vectors)
        self._slot_of_row.reach(int(rows.max()) + 1, fill=-1)
        self._slot_of_row.values[rows] = slots
        self._row.values[slots], self._list.values[slots], self._vectors.values[slots] = rows, lists, vectors
        np.add.at(self._size.values, lists, 1)
        errors = np.linalg.norm(vectors - codes / self._scale, axis=1).astype(np.float32)
        np.maximum.at(self._error.values, lists, errors)
        ids, numbers = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(lists, np.int64)
        self._faiss.add_core(len(ids), *(faiss.swig_ptr(a) for a in (codes, ids, numbers)))

    def _encode(self, vectors: Floats) -> Floats:
        codes: Floats = np.clip(np.rint(vectors * self._scale), -128, 127).astype(np.float32)
        return codes

    def _take_slots(self, n: int) -> Ints:
        reused = [self._free.pop() for _ in range(min(n, len(self._free)))]
        start = len(self._row.values)
        end = start + n - len(reused)
        for column in (self._row, self._list, self._vectors):
            column.reach(end)
        return np.array([*reused, *range(start, end)], np.int64)

    def _list_for(self, reader_set: int) -> int:
        self._list_of_set.reach(reader_set + 1, fill=-1)
        number = int(self._list_of_set.values[reader_set])
        if number < 0:
            number = len(self._set_of_list.values)
            if number >= self._faiss.nlist:
                self._more_lists()
            for column in (self._set_of_list, self._size, self._error):
                column.reach(number + 1)
            self._set_of_list.values[number] = reader_set
            self._list_of_set.values[reader_set] = number
        return number

    def _more_lists(self) -> None:
        """Twice as many lists; FAISS fixes their number, so its part is filled anew from the vectors at hand."""
        held = np.flatnonzero(self._list.values >= 0)
        self._faiss = _new_faiss(self.dimension, 2 * self._faiss.nlist)
        codes = self._encode(self._vectors.values[held])
        ids, numbers = self._row.values[held].copy(), self._list.values[held].astype(np.int64)
        self._faiss.add_core(len(ids), *(faiss.swig_ptr(a) for a in (codes, ids, numbers)))

    def _slots(self, rows: Ints) -> Ints:
        known = rows[(rows >= 0) & (rows < len(self._slot_of_row.values))]
        slots = self._slot_of_row.values[known].astype(np.int64)
        return slots[slots >= 0]

    # --- searching ----------------------------------------------------------------------------------------------

    def visible(self, reader_sets: Ints) -> int:
        """How many rows these reader sets hold."""
        return int(self._size.values[self._lists(reader_sets)].sum())

    def nearest(self, query: Floats, reader_sets: Ints, k: int, only: Ints | None = None) -> Ranked:
        """The k nearest rows of these reader sets. query: unit vector, shape (dimension,). only: a filter's rows."""
        lists = self._lists(reader_sets)
        if only is not None:
            return self._best(self._checked(only, lists, alarm=False), query, k)
        visible = int(self._size.values[lists].sum())
        wanted = min(visible, max(FIRST_CANDIDATES, 8 * k))
        while wanted:
            ranked, outside = self._scan(lists, query, k, wanted)
            proved = wanted == visible or (len(ranked.rows) == k and ranked.scores[-1] > outside)
            if proved:
                return ranked
            wanted = min(visible, 4 * wanted)
        return EMPTY

    def _scan(self, lists: NDArray[np.int32], query: Floats, k: int, wanted: int) -> tuple[Ranked, float]:
        """The best k of the `wanted` best codes, and what no row outside of those can exceed."""
        query_scale = np.float32(127 / max(float(np.abs(query).max()), 1e-9))
        code = np.rint(query * query_scale).astype(np.float32)
        rows, scores = _search_lists(self._faiss, code, lists, wanted)
        kept = self._checked(rows[rows != NO_NEIGHBOUR], lists, alarm=True)
        ranked = self._best(kept, query, k)
        if len(kept) < wanted:  # a row came from a wrong list or one is missing: the derived index is damaged
            ranked = Ranked(ranked.rows, ranked.scores, False, ranked.candidates)
        error = float(self._error.values[lists].max())
        off = error + (1 + error) * float(np.linalg.norm(query - code / query_scale)) + ROUNDING
        return ranked, float(scores[-1]) / float(self._scale * query_scale) + off

    def _best(self, rows: Ints, query: Floats, k: int) -> Ranked:
        """Scored one by one in double precision: a score never depends on which other rows are scored with it."""
        vectors = self._vectors.values[self._slot_of_row.values[rows]].astype(np.float64)
        scores = (vectors * query.astype(np.float64)).sum(axis=1)
        best = np.lexsort((rows, -scores))[:k]
        return Ranked(rows[best], scores[best], True, len(rows))

    def _checked(self, rows: Ints, lists: NDArray[np.int32], *, alarm: bool) -> Ints:
        """Only rows that are known to stand in one of these lists. What FAISS says is not believed."""
        slots = np.full(len(rows), -1, np.int64)
        known = (rows >= 0) & (rows < len(self._slot_of_row.values))
        slots[known] = self._slot_of_row.values[rows[known]]
        numbers = np.where(slots >= 0, self._list.values[slots], -1) if len(self._list.values) else slots
        right = np.isin(numbers, lists) & (numbers >= 0)
        if alarm and not right.all():
            self.alarms += int((~right).sum())
            log.error("The vector index returned %d rows from outside the view; they were dropped.", (~right).sum())
        return rows[right]

    def _lists(self, reader_sets: Ints) -> NDArray[np.int32]:
        known = reader_sets[(reader_sets >= 0) & (reader_sets < len(self._list_of_set.values))]
        numbers: NDArray[np.int32] = self._list_of_set.values[known]
        numbers = numbers[numbers >= 0]
        return numbers[self._size.values[numbers] > 0]

    # --- checkpoints --------------------------------------------------------------------------------------------

    def arrays(self, *, with_vectors: bool = True) -> dict[str, NDArray[Any]]:
        """Everything needed to make this index again, as arrays of equal length: rows, reader_sets, vectors."""
        held = np.flatnonzero(self._list.values >= 0)
        placed = {"rows": self._row.values[held], "reader_sets": self._set_of_list.values[self._list.values[held]]}
        return {**placed, "vectors": self._vectors.values[held]} if with_vectors else placed

    @classmethod
    def from_arrays(cls, dimension: int, arrays: dict[str, NDArray[Any]]) -> "VectorIndex":
        """Raises IndexDamaged when the arrays do not belong together."""
        index = cls(dimension)
        rows, sets, vectors = (arrays[name] for name in ("rows", "reader_sets", "vectors"))
        if not (len(rows) == len(sets) == len(vectors)) or vectors.shape[1:] != (dimension,):
            raise IndexDamaged(f"Shapes {rows.shape}, {sets.shape}, {vectors.shape} do not belong together.")
        for start in range(0, len(rows), 65_536):
            part = slice(start, start + 65_536)
            index.add_many(rows[part].astype(np.int64), sets[part].astype(np.int64), vectors[part].astype(np.float32))
        return index


class _Growing:
    """An array that doubles its room when it must grow. `values` is a view of the part in use."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._room = empty
        self.values = empty

    def reach(self, length: int, fill: int = 0) -> None:
        used = len(self.values)
        if length <= used:
            return
        if length > len(self._room):
            room = np.empty((max(length, 2 * used, 1024), *self._room.shape[1:]), self._room.dtype)
            room[:used] = self.values
            self._room = room
        self._room[used:length] = fill
        self.values = self._room[:length]


def _new_faiss(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    quantizer = faiss.IndexFlat(dimension, faiss.METRIC_INNER_PRODUCT)  # never asked: lists are always given
    kind, metric = faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFScalarQuantizer(quantizer, dimension, lists, kind, metric, False)
    if type(index).__name__ not in ALLOWED_TYPES:
        raise IndexDamaged(f"{type(index).__name__} is not a FAISS index type that was audited.")
    index.is_trained = True  # direct codes have nothing to learn
    index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
    return index


def _search_lists(index: faiss.IndexIVF, code: Floats, lists: NDArray[np.int32], k: int) -> tuple[Ints, Floats]:
    """Best k (ids, code scores) of exactly these lists, padded with NO_NEIGHBOUR."""
    numbers = np.ascontiguousarray(lists, np.int64)
    nothing = np.zeros(len(lists), np.float32)
    scores, ids = np.empty(k, np.float32), np.empty(k, np.int64)
    parameters = faiss.SearchParametersIVF(nprobe=len(lists))  # type: ignore[call-arg] # the shared index.nprobe is not safe between threads
    pointers = [faiss.swig_ptr(a) for a in (numbers, nothing, scores, ids)]
    index.search_preassigned_c(1, faiss.swig_ptr(code), k, *pointers, False, parameters)  # type: ignore[attr-defined]
    return ids, scores
