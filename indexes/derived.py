"""The derived indexes of one process, at one change number: vectors, keywords, and what each reader set holds.

Nothing here is the truth. Every document is brought in line with the catalog as a whole, whatever happened to it in
between, so following the change log and repairing a checkpoint are the same operation.
"""

import logging
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Placement, ReadState
from indexes.errors import IndexDamaged
from indexes.keywords import KeywordIndex
from indexes.model import Generation
from indexes.ties import Ties
from indexes.vectors import Topics, VectorIndex

Ints = NDArray[np.int64]
Lanes = NDArray[np.uint64]

_BATCH = 256  # documents whose text and vectors are in memory at once while they are filled in

log = logging.getLogger(__name__)


class Derived:
    """Changed by one thread at a time, under the corpus's lock."""

    def __init__(self, generation: Generation, keywords: KeywordIndex, vectors: VectorIndex) -> None:
        self.generation = generation
        self.keywords = keywords
        self.vectors = vectors
        self.ties = Ties()
        self.applied = -1  # the catalog's change number that all of this is at
        self._placed: dict[int, Placement] = {}
        self._lanes: Lanes = np.zeros((0, 4), np.uint64)  # sum of the tokens of a reader set's documents, by set

    @classmethod
    def empty(cls, state: ReadState, generation: Generation, scan_limit: int) -> "Derived":
        return cls(generation, KeywordIndex(), empty_vectors(state, generation, scan_limit))

    # --- following the catalog ----------------------------------------------------------------------------------

    def is_at(self, state: ReadState) -> bool:
        return self.applied == state.change_number

    def catch_up(self, state: ReadState) -> None:
        """Apply what was committed since. Raises IndexDamaged when the catalog has no generation or lacks vectors."""
        if state.change_number < self.applied:
            raise IndexDamaged("The catalog is older than the indexes made from it: was a backup put back?")
        generation = _generation(state)
        if generation.id != self.generation.id:
            self.switch(state, generation, None)
        self.reconcile(state, state.changed_since(self.applied))
        self.applied = state.change_number

    def repair(self, state: ReadState) -> int:
        """Bring everything in line, trusting nothing that was loaded. Returns how many documents differed."""
        present: dict[int, tuple[int, bytes]] = {i: (s, token) for i, s, token in state.heads()}
        here = {i: (placed.reader_set, placed.token) for i, placed in self._placed.items()}
        differing = [i for i in present.keys() | here.keys() if present.get(i) != here.get(i)]
        self.reconcile(state, sorted(differing))
        self.applied = state.change_number
        return len(differing)

    def reconcile(self, state: ReadState, document_ids: Sequence[int]) -> None:
        """Make these documents what they are in the catalog: there, elsewhere, different, or gone."""
        for start in range(0, len(document_ids), _BATCH):
            batch = document_ids[start : start + _BATCH]
            present = {placed.document_id: placed for placed in state.placements(batch)}
            new: list[Placement] = []
            moved: list[Placement] = []
            for document_id in batch:
                before, now = self._placed.get(document_id), present.get(document_id)
                if before is not None and now is not None and np.array_equal(before.rows, now.rows):
                    if before.reader_set != now.reader_set:
                        moved.append(now)
                    self._recount(before, now)
                    continue
                if before is not None:
                    self._remove(before)
                if now is not None:
                    new.append(now)
            self._move(moved)
            self._add(state, new)

    def switch(self, state: ReadState, generation: Generation, prepared: VectorIndex | None) -> None:
        """Search with another generation's vectors from now on."""
        vectors = prepared if prepared is not None else empty_vectors(state, generation, self.vectors.scan_limit)
        align(vectors, state, generation, list(self._placed.values()))
        self.generation, self.vectors = generation, vectors

    def _add(self, state: ReadState, placements: Sequence[Placement]) -> None:
        ids = [placed.document_id for placed in placements]
        texts = state.embedded_texts(ids)
        _fill(self.vectors, state, self.generation, placements)
        for placed in placements:
            self.keywords.add(placed.rows, placed.reader_set, texts.get(placed.document_id, []))
            self._count(placed, 1)
            self.ties.put(placed.rows, placed.token)
            self._placed[placed.document_id] = placed

    def _move(self, moved: Sequence[Placement]) -> None:
        if not moved:
            return
        rows = np.concatenate([placed.rows for placed in moved])
        reader_sets = np.repeat([placed.reader_set for placed in moved], [len(placed.rows) for placed in moved])
        self.vectors.move_many(rows, reader_sets)
        for reader_set in np.unique(reader_sets).tolist():
            self.keywords.move(rows[reader_sets == reader_set], reader_set)

    def _recount(self, before: Placement, now: Placement) -> None:
        self._count(before, -1)
        self._count(now, 1)
        self.ties.put(now.rows, now.token)
        self._placed[now.document_id] = now

    def _remove(self, placed: Placement) -> None:
        self.vectors.remove(placed.rows)
        self.keywords.remove(placed.rows)
        self._count(placed, -1)
        del self._placed[placed.document_id]

    # --- views --------------------------------------------------------------------------------------------------

    def digest(self, reader_sets: Ints) -> bytes:
        """Stands for all documents of these reader sets: equal exactly when the documents and their contents are.

        The sum, lane by lane modulo 2^64, of the documents' random tokens (Bellare and Micciancio's additive hash).
        """
        known = reader_sets[reader_sets < len(self._lanes)]
        total: Lanes = self._lanes[known].sum(axis=0, dtype=np.uint64)
        return total.astype("<u8").tobytes()

    def rows_of(self, document_ids: Iterable[int]) -> Ints:
        """Rows of these documents, ascending."""
        rows = [self._placed[i].rows for i in document_ids if i in self._placed]
        return np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)

    def documents(self) -> int:
        return len(self._placed)

    def _count(self, placed: Placement, sign: int) -> None:
        if placed.reader_set >= len(self._lanes):
            wider = np.zeros((max(placed.reader_set + 1, 2 * len(self._lanes)), 4), np.uint64)
            wider[: len(self._lanes)] = self._lanes
            self._lanes = wider
        token = np.frombuffer(placed.token, "<u8")
        if sign > 0:
            self._lanes[placed.reader_set] += token
        else:
            self._lanes[placed.reader_set] -= token

    # --- checkpoints --------------------------------------------------------------------------------------------

    def placements(self) -> list[Placement]:
        return list(self._placed.values())

    def take_over(self, placements: Iterable[Placement]) -> None:
        """Believe, until `repair` has looked, that the indexes hold these documents."""
        for placed in placements:
            self._placed[placed.document_id] = placed
            self.ties.put(placed.rows, placed.token)
            self._count(placed, 1)


def empty_vectors(state: ReadState, generation: Generation, scan_limit: int) -> VectorIndex:
    """An index for the vectors of this generation, with its topics where they are learnt."""
    centroids = state.centroids(generation)
    topics = None if centroids is None else Topics(centroids)
    return VectorIndex(generation.dimension, scan_limit=scan_limit, topics=topics)


def align(vectors: VectorIndex, state: ReadState, generation: Generation, wanted: Sequence[Placement]) -> None:
    """Make a vector index hold exactly these documents; a row that it holds already keeps its vector."""
    rows = np.concatenate([placed.rows for placed in wanted]) if wanted else np.empty(0, np.int64)
    vectors.remove(np.setdiff1d(vectors.rows(), rows))
    owners = np.repeat(np.arange(len(wanted)), [len(placed.rows) for placed in wanted])
    there = vectors.reader_sets_of(rows)
    should = np.array([placed.reader_set for placed in wanted], np.int64)[owners]
    missing = np.unique(owners[there < 0])
    for number in np.setdiff1d(owners[there != should], missing):
        vectors.move(wanted[number].rows, wanted[number].reader_set)
    for start in range(0, len(missing), _BATCH):
        batch = [wanted[number] for number in missing[start : start + _BATCH]]
        vectors.remove(np.concatenate([placed.rows for placed in batch]))
        _fill(vectors, state, generation, batch)


def _fill(index: VectorIndex, state: ReadState, generation: Generation, placements: Sequence[Placement]) -> None:
    filled = [placed for placed in placements if len(placed.rows)]
    found = state.vectors(generation, [placed.document_id for placed in filled])
    if any(len(found.get(placed.document_id, ())) != len(placed.rows) for placed in filled):
        raise IndexDamaged(f"A document has no vectors of {generation.model}.", remedy="Run: clearance rebuild")
    if filled:
        index.add_many(
            np.concatenate([placed.rows for placed in filled]),
            np.repeat([placed.reader_set for placed in filled], [len(placed.rows) for placed in filled]),
            np.concatenate([found[placed.document_id] for placed in filled]),
        )


def _generation(state: ReadState) -> Generation:
    generation = state.generation()
    if generation is None:
        raise IndexDamaged("The catalog has no generation yet.", remedy="Start the service or ingest a first document.")
    return generation
