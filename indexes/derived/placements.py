"""Where each document stands in the indexes of a process, and what each reader set adds up to."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.index_input import Placement

Ints = NDArray[np.int64]


class Placements:
    """Documents by their id and by reader set. One thread at a time changes it."""

    def __init__(self) -> None:
        self._placed: dict[int, Placement] = {}
        self._documents_of: dict[int, set[int]] = {}  # by reader set
        # sum of the tokens of a reader set's documents, by set
        self._lanes: NDArray[np.uint64] = np.zeros((0, 4), np.uint64)
        # when a reader set's lanes changed last, by set
        self._changed_at: Ints = np.zeros(0, np.int64)
        self._time = 0

    def __len__(self) -> int:
        return len(self._placed)

    # --- changes --------------------------------------------------------------------------------

    def add(self, placed: Placement) -> None:
        """Note that a document, which is not here, stands there now."""
        self._update_lanes(placed, 1)
        self._documents_of.setdefault(placed.reader_set, set()).add(placed.document_id)
        self._placed[placed.document_id] = placed

    def add_all(self, placed: Sequence[Placement]) -> None:
        """As `add` of each, for many at once."""
        if not placed:
            return
        sets = np.array([each.reader_set for each in placed], np.int64)
        self._reach(int(sets.max()))
        tokens = np.frombuffer(b"".join(each.token for each in placed), "<u8").reshape(-1, 4)
        np.add.at(self._lanes, sets, tokens)
        self._time += 1
        self._changed_at[sets] = self._time
        for each in placed:
            self._documents_of.setdefault(each.reader_set, set()).add(each.document_id)
            self._placed[each.document_id] = each

    def remove(self, placed: Placement) -> None:
        """Forget a document that is here. placed: as it was added."""
        self._update_lanes(placed, -1)
        self._documents_of[placed.reader_set].discard(placed.document_id)
        del self._placed[placed.document_id]

    def _update_lanes(self, placed: Placement, sign: int) -> None:
        self._reach(placed.reader_set)
        token = np.frombuffer(placed.token, "<u8")
        if sign > 0:
            self._lanes[placed.reader_set] += token
        else:
            self._lanes[placed.reader_set] -= token
        self._time += 1
        self._changed_at[placed.reader_set] = self._time

    def _reach(self, reader_set: int) -> None:
        """Make room for what this reader set adds up to."""
        if reader_set >= len(self._lanes):
            more = max(reader_set + 1, 2 * len(self._lanes)) - len(self._lanes)
            self._lanes = np.concatenate([self._lanes, np.zeros((more, 4), np.uint64)])
            self._changed_at = np.concatenate([self._changed_at, np.zeros(more, np.int64)])

    # --- questions ------------------------------------------------------------------------------

    def get(self, document_id: int) -> Placement | None:
        """Where this document stands; None if it is not here."""
        return self._placed.get(document_id)

    def all(self) -> list[Placement]:
        """Every document, in no order."""
        return list(self._placed.values())

    def in_set(self, reader_set: int) -> list[Placement]:
        """The documents under a reader set, by document id."""
        return [self._placed[i] for i in sorted(self._documents_of.get(reader_set, ()))]

    def reader_sets(self) -> list[int]:
        """Those that hold documents, ascending."""
        return sorted(
            reader_set for reader_set, documents in self._documents_of.items() if documents
        )

    def rows_of(self, document_ids: Iterable[int]) -> Ints:
        """Rows of these documents, ascending; documents that are not here are passed over."""
        rows = [self._placed[i].rows for i in document_ids if i in self._placed]
        return np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)

    def digest(self, reader_sets: Ints) -> bytes:
        """Stands for all documents of these reader sets: equal exactly when the documents and their
        contents are.

        The sum, lane by lane modulo 2^64, of the documents' random tokens (Bellare and Micciancio's
        additive hash).
        """
        known = reader_sets[reader_sets < len(self._lanes)]
        total: NDArray[np.uint64] = self._lanes[known].sum(axis=0, dtype=np.uint64)
        return total.astype("<u8").tobytes()

    def last_change(self, reader_sets: Ints) -> int:
        """Grows whenever the digest of these reader sets may have become another one; cheaper than
        the digest.
        """
        known = reader_sets[: reader_sets.searchsorted(len(self._changed_at))]
        return int(np.maximum.reduce(self._changed_at[known], initial=0))
