"""The derived indexes of one process: vectors, keywords, and what each reader set holds.

Nothing here is the truth. Every document is brought in line with the catalog as a whole, whatever
happened to it in between, so following the change log and repairing a checkpoint are the same
operation. It is done in two steps: `worked_out` reads and computes and touches nothing; `apply`
touches memory only, and either ends or leaves nothing that can be used.

Reader sets are followed one by one. Everything is at least at the state `followed`; some sets are
ahead of it. A document that moves is applied where it leaves and where it arrives at once; a set
that this touches in passing is still due in its own right, since the change is noted for it, too.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Mark, Placement, ReadState
from indexes.derived.keywords import KeywordIndex
from indexes.derived.keywords.blocks import Block
from indexes.derived.keywords.scorer import Ranking, Statistics
from indexes.derived.ties import Ties, ties_of
from indexes.derived.vectors.store import Floats, Ints, Ranked, VectorStore, VectorStores
from indexes.errors import IndexDamaged
from indexes.model import IndexGeneration

Each = TypeVar("Each")
Lanes = NDArray[np.uint64]

_BATCH = 256  # documents whose text and vectors are in memory at once while they are filled in

_serials = count(1)

log = logging.getLogger(__name__)


class ThrownAway(Exception):
    """These indexes were discarded by another thread, which has said why."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes some documents what they are in the catalog."""

    gone: tuple[Placement, ...] = ()  # as they were placed
    moved: tuple[tuple[Placement, Placement], ...] = ()  # (before, now): the same rows
    new: tuple[Placement, ...] = ()
    words: tuple[Sequence[Block], ...] = ()  # of each new one
    vectors: Floats | None = None  # of the rows of the new ones, in their order; None: not wanted


class Derived:
    """A Snapshot once it has followed. One thread at a time changes it, under the corpus's lock."""

    def __init__(
        self,
        generation: IndexGeneration,
        keywords: KeywordIndex,
        vectors: VectorStore,
    ) -> None:
        self.generation = generation
        self.keywords = keywords
        self.vectors = vectors
        self.ties = Ties()
        self.serial = next(_serials)  # no two of one process are mistaken for each other
        self.usable = True
        self.rebuild_number = 0  # of the last request to build anew that this satisfies
        self.followed = Mark(-1, b"")  # every reader set is at this state or a later one
        self.newest = Mark(-1, b"")  # the latest state that anything here has seen
        # number of the state that a reader set is at, where it is a later one
        self._ahead: dict[int, int] = {}
        self._placed: dict[int, Placement] = {}
        self._documents_of: dict[int, set[int]] = {}  # by reader set
        # sum of the tokens of a reader set's documents, by set
        self._lanes: Lanes = np.zeros((0, 4), np.uint64)
        # when a reader set's lanes changed last, by set
        self._changed: Ints = np.zeros(0, np.int64)
        self._time = 0
        self._seeing = Lock()

    @classmethod
    def empty(
        cls, state: ReadState, generation: IndexGeneration, stores: VectorStores
    ) -> "Derived":
        return cls(generation, KeywordIndex(), empty_vectors(state, generation, stores))

    # --- following the catalog ------------------------------------------------------------------

    def pending(self, state: ReadState, newest: Mark) -> list[int] | None:
        """Reader sets that have to be followed before they are what they are in this state.

        newest: what `newest` was before this state was opened. Another thread may see a later state
        meanwhile, which this one does not know, and which says nothing about the catalog.

        None: this cannot follow that catalog, which was put back from a copy; or it is not usable
        any more.
        """
        changed = state.sets_changed_since(self.followed, newest) if self.usable else None
        if changed is None:
            return None
        return [
            reader_set for reader_set, number in changed if number > self._ahead.get(reader_set, 0)
        ]

    def documents_due(self, state: ReadState, reader_sets: Sequence[int]) -> list[int]:
        """Documents to bring in line so that these reader sets are what they are in this state."""
        changes = state.changed_in(reader_sets, self.followed.number)
        return sorted(
            {document for where, number, document in changes if number > self._ahead.get(where, 0)}
        )

    def worked_out(
        self, state: ReadState, document_ids: Sequence[int], generation: IndexGeneration | None
    ) -> Changes:
        """What to apply to make these documents what they are in this state.

        Changes nothing, and may be slow.

        generation: whose vectors to read; None: none. Raises IndexDamaged when the catalog lacks
        some.
        """
        present = {placed.document_id: placed for placed in state.placements(document_ids)}
        gone: list[Placement] = []
        moved: list[tuple[Placement, Placement]] = []
        new: list[Placement] = []
        for document_id in document_ids:
            before, now = self._placed.get(document_id), present.get(document_id)
            if before is not None and now is not None and np.array_equal(before.rows, now.rows):
                if (before.reader_set, before.token) != (now.reader_set, now.token):
                    moved.append((before, now))
                continue
            if before is not None:
                gone.append(before)
            if now is not None:
                new.append(now)
        texts = state.embedded_texts([placed.document_id for placed in new])
        words = tuple(
            self.keywords.analysed(placed.rows, texts.get(placed.document_id, [])) for placed in new
        )
        vectors = None if generation is None else _vectors(state, generation, new)
        return Changes(tuple(gone), tuple(moved), tuple(new), words, vectors)

    def apply(self, changes: Changes) -> None:
        """Touches memory only.

        Whatever goes wrong in the middle, nothing of this can be used any more. Raises ThrownAway
        if another thread has discarded it since the changes were worked out.
        """
        self._check_usable()
        try:
            self._apply(changes, self.vectors)
        except BaseException:
            self.discard()
            raise

    def switch(self, generation: IndexGeneration, vectors: VectorStore, changes: Changes) -> None:
        """Apply changes to the words, and search with another generation's vectors, which have them
        already. Raises ThrownAway like `apply`.
        """
        self._check_usable()
        try:
            self._apply(changes, None)
            self.generation, self.vectors = generation, vectors
        except BaseException:
            self.discard()
            raise

    def seen(self, mark: Mark) -> None:
        """This state was looked at: what is remembered of it is good while the catalog still has it.

        To be called before anything is remembered.
        """
        with self._seeing:
            if mark.number > self.newest.number:
                self.newest = mark

    def reached(self, mark: Mark, reader_sets: Iterable[int] | None = None) -> None:
        """Say that these reader sets are at this state now; None: all, at it or a later one."""
        self.seen(mark)
        if reader_sets is not None:
            self._ahead.update(dict.fromkeys(reader_sets, mark.number))
        else:
            self._ahead = {
                each: number for each, number in self._ahead.items() if number > mark.number
            }
            self.followed = mark

    def repair(self, state: ReadState) -> int:
        """Bring everything in line, trusting nothing that was loaded.

        Returns how many documents differed.
        """
        present: dict[int, tuple[int, bytes]] = {i: (s, token) for i, s, token in state.heads()}
        here = {i: (placed.reader_set, placed.token) for i, placed in self._placed.items()}
        differing = sorted(i for i in present.keys() | here.keys() if present.get(i) != here.get(i))
        self.bring_in_line(state, differing)
        self._ahead = {}
        self.newest = state.mark
        self.reached(state.mark)
        return len(differing)

    def bring_in_line(self, state: ReadState, document_ids: Sequence[int]) -> None:
        """For indexes that nobody else sees yet."""
        for batch in batches(document_ids):
            self.apply(self.worked_out(state, batch, self.generation))

    def discard(self) -> None:
        """Never to be used again; what it held is given back."""
        self.usable = False
        self.keywords, self.ties = KeywordIndex(), Ties()
        self._placed, self._documents_of, self._ahead = {}, {}, {}
        self._lanes, self._changed = self._lanes[:0], self._changed[:0]
        self.vectors = self.vectors.make_empty()

    def _check_usable(self) -> None:
        if not self.usable:
            raise ThrownAway

    def _apply(self, changes: Changes, vectors: VectorStore | None) -> None:
        """The order matters: what is kept of where documents stand follows what the indexes have
        taken.
        """
        for placed in changes.gone:
            if vectors is not None:
                vectors.remove(placed.rows)
            self.keywords.remove(placed.rows)
            self._forget(placed)
        elsewhere = [
            now
            for before, now in changes.moved
            if before.reader_set != now.reader_set and len(now.rows)
        ]
        if elsewhere:
            self._move(elsewhere, vectors)
        for before, now in changes.moved:
            self._forget(before)
            self._keep(now)
        if vectors is not None and changes.vectors is not None and len(changes.vectors):
            _fill(vectors, changes.new, changes.vectors)
        for placed, words in zip(changes.new, changes.words, strict=True):
            self.keywords.add_analysed(placed.rows, placed.reader_set, words)
            self._keep(placed)

    def _move(self, moved: Sequence[Placement], vectors: VectorStore | None) -> None:
        rows = np.concatenate([placed.rows for placed in moved])
        reader_sets = np.repeat(
            [placed.reader_set for placed in moved], [len(placed.rows) for placed in moved]
        )
        if vectors is not None:
            vectors.move(rows, reader_sets)
        for reader_set in np.unique(reader_sets).tolist():
            self.keywords.move(np.sort(rows[reader_sets == reader_set]), reader_set)

    def _keep(self, placed: Placement) -> None:
        self._count(placed, 1)
        self.ties.put(placed.rows, placed.token)
        self._documents_of.setdefault(placed.reader_set, set()).add(placed.document_id)
        self._placed[placed.document_id] = placed

    def _forget(self, placed: Placement) -> None:
        self._count(placed, -1)
        self._documents_of[placed.reader_set].discard(placed.document_id)
        del self._placed[placed.document_id]

    # --- views ----------------------------------------------------------------------------------

    def digest(self, reader_sets: Ints) -> bytes:
        """Stands for all documents of these reader sets: equal exactly when the documents and their
        contents are.

        The sum, lane by lane modulo 2^64, of the documents' random tokens (Bellare and Micciancio's
        additive hash).
        """
        known = reader_sets[reader_sets < len(self._lanes)]
        total: Lanes = self._lanes[known].sum(axis=0, dtype=np.uint64)
        return total.astype("<u8").tobytes()

    def changed(self, reader_sets: Ints) -> int:
        """Grows whenever the digest of these reader sets may have become another one; cheaper than
        the digest.
        """
        known = reader_sets[: np.searchsorted(reader_sets, len(self._changed))]
        return int(self._changed[known].max(initial=0))

    def rows_of(self, document_ids: Iterable[int]) -> Ints:
        """Rows of these documents, ascending."""
        rows = [self._placed[i].rows for i in document_ids if i in self._placed]
        return np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)

    def documents(self) -> int:
        return len(self._placed)

    # --- searches -------------------------------------------------------------------------------

    @property
    def alarms(self) -> int:
        """How many rows the vectors gave out that do not belong to the view that was searched."""
        return self.vectors.alarms

    def ties_of(self, rows: Ints) -> Ints:
        """What orders these rows where their scores are equal, before the row itself."""
        return ties_of(rows, self.ties.values)

    def nearest(
        self,
        query: Floats,
        reader_sets: Ints,
        k: int,
        only: Ints | None,
        view: str | None,
    ) -> Ranked:
        """The k nearest rows of these reader sets. Arguments as for the vector store."""
        return self.vectors.nearest(query, reader_sets, k, only, view, self.ties.values)

    def statistics(self, question: str, reader_sets: Ints, only: Ints | None) -> Statistics:
        """What `ranking` counts in these reader sets before it scores."""
        return self.keywords.statistics(question, reader_sets, allowed_rows=only)

    def ranking(
        self,
        question: str,
        reader_sets: Ints,
        k: int,
        only: Ints | None,
        statistics: Statistics | None = None,
    ) -> Ranking:
        """The k best rows by words. Arguments as for the keyword index."""
        return self.keywords.ranked(
            question,
            reader_sets,
            k,
            allowed_rows=only,
            ties=self.ties.values,
            statistics=statistics,
        )

    # --- changes of a document ------------------------------------------------------------------

    def _count(self, placed: Placement, sign: int) -> None:
        if placed.reader_set >= len(self._lanes):
            more = max(placed.reader_set + 1, 2 * len(self._lanes)) - len(self._lanes)
            self._lanes = np.concatenate([self._lanes, np.zeros((more, 4), np.uint64)])
            self._changed = np.concatenate([self._changed, np.zeros(more, np.int64)])
        token = np.frombuffer(placed.token, "<u8")
        if sign > 0:
            self._lanes[placed.reader_set] += token
        else:
            self._lanes[placed.reader_set] -= token
        self._time += 1
        self._changed[placed.reader_set] = self._time

    # --- checking and checkpoints ---------------------------------------------------------------

    def reader_sets(self) -> list[int]:
        """Those that hold documents, ascending."""
        return sorted(
            reader_set for reader_set, documents in self._documents_of.items() if documents
        )

    def contents(self, reader_set: int) -> list[Placement]:
        """What is believed to stand under a reader set, by document id: documents, their tokens,
        their rows.
        """
        return [self._placed[i] for i in sorted(self._documents_of.get(reader_set, ()))]

    def placements(self) -> list[Placement]:
        return list(self._placed.values())

    def take_over(self, placements: Iterable[Placement]) -> None:
        """Believe, until `repair` has looked, that the indexes hold these documents."""
        for placed in placements:
            self._keep(placed)


def empty_vectors(
    state: ReadState, generation: IndexGeneration, stores: VectorStores
) -> VectorStore:
    """A store for the vectors of this generation, with what has been learnt of them."""
    return stores.empty(generation.dimension, state.centroids(generation))


def align(vectors: VectorStore, state: ReadState, generation: IndexGeneration) -> None:
    """Make a vector store that nobody searches yet hold exactly the documents of this state.

    A row that it holds already keeps its vector. Raises IndexDamaged when the catalog lacks
    vectors.
    """
    wanted = list(state.placements())
    rows = np.concatenate([placed.rows for placed in wanted]) if wanted else np.empty(0, np.int64)
    vectors.remove(np.setdiff1d(vectors.rows(), rows))
    owners = np.repeat(np.arange(len(wanted)), [len(placed.rows) for placed in wanted])
    there = vectors.reader_sets_of(rows)
    should = np.array([placed.reader_set for placed in wanted], np.int64)[owners]
    missing = np.unique(owners[there < 0])
    wrong = (there != should) & ~np.isin(owners, missing)
    vectors.move(rows[wrong], should[wrong])
    for batch in batches(missing.tolist()):
        new = [wanted[number] for number in batch]
        vectors.remove(np.concatenate([placed.rows for placed in new]))
        _fill(vectors, new, _vectors(state, generation, new))


def batches(ids: Sequence[Each]) -> Iterator[Sequence[Each]]:
    """So few at a time that their texts and vectors fit into memory."""
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


def _vectors(
    state: ReadState, generation: IndexGeneration, placements: Sequence[Placement]
) -> Floats:
    """Vectors of the rows of these documents, in their order."""
    filled = [placed for placed in placements if len(placed.rows)]
    found: Mapping[int, Floats] = state.vectors(
        generation, [placed.document_id for placed in filled]
    )
    if any(len(found.get(placed.document_id, ())) != len(placed.rows) for placed in filled):
        raise IndexDamaged(
            f"A document has no vectors of {generation.model}.", remedy="Run: clearance rebuild"
        )
    if not filled:
        return np.zeros((0, generation.dimension), np.float32)
    return np.concatenate([found[placed.document_id] for placed in filled])


def _fill(store: VectorStore, placements: Sequence[Placement], vectors: Floats) -> None:
    store.add(
        np.concatenate([placed.rows for placed in placements]),
        np.repeat(
            [placed.reader_set for placed in placements],
            [len(placed.rows) for placed in placements],
        ),
        vectors,
    )
