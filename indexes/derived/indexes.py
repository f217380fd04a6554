"""The derived indexes of one process: vectors, keywords, and what each reader set holds.

Nothing here is the truth. Every document is brought in line with the catalog as a whole, whatever
happened to it in between, so following the change log and repairing a checkpoint are the same
operation. It is done in two steps: `compute_changes` reads and computes and touches nothing;
`apply` touches memory only, and either ends or leaves nothing that can be used.

Reader sets are followed one by one. Everything is at least at the state `followed`; some sets are
ahead of it. A document that moves is applied where it leaves and where it arrives at once. A set
that this touches in passing still has to be followed in its own right, since the change is noted
for it, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Lock

import numpy as np

from indexes.catalog.index_input import Mark, Placement
from indexes.catalog.reading import ReadState
from indexes.derived.keywords.blocks import KeywordBlock
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.keywords.scorer import Ranking, Statistics
from indexes.derived.placements import Placements
from indexes.derived.ties import Ties, ties_of
from indexes.derived.vector_input import (
    add_vectors,
    empty_vectors,
    read_vectors,
    split_to_fit_memory,
)
from indexes.derived.vectors.store import Floats, Ints, Ranked, VectorStore, VectorStores
from indexes.model import IndexGeneration

_serials = count(1)


class ThrownAway(Exception):
    """These indexes were discarded by another thread, which has said why."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes some documents what they are in the catalog."""

    gone: tuple[Placement, ...] = ()  # as they were placed
    moved: tuple[tuple[Placement, Placement], ...] = ()  # (before, now): the same rows
    new: tuple[Placement, ...] = ()
    words: tuple[Sequence[KeywordBlock], ...] = ()  # of each new one
    # of the rows of the new ones, in their order. If None, they are not wanted
    vectors: Floats | None = None


class DerivedIndexes:
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
        self.placements = Placements()
        self.ties = Ties()
        self.serial = next(_serials)  # no two indexes of one process have the same
        self.usable = True
        self.rebuild_number = 0  # of the last request to build anew that this satisfies
        self.followed = Mark(-1, b"")  # every reader set is at this state or a later one
        self.newest = Mark(-1, b"")  # the latest state that anything here has seen
        # number of the state that a reader set is at, for those that are at a later one
        self._ahead: dict[int, int] = {}
        self._noting = Lock()

    @classmethod
    def empty(
        cls, state: ReadState, generation: IndexGeneration, stores: VectorStores
    ) -> "DerivedIndexes":
        """Indexes that hold nothing yet."""
        return cls(generation, KeywordIndex(), empty_vectors(state, generation, stores))

    # --- following the catalog ------------------------------------------------------------------

    def reader_sets_behind(self, state: ReadState, newest: Mark) -> list[int] | None:
        """Reader sets that have to be followed before they are what they are in this state.

        newest: what `newest` was before this state was opened. Another thread may see a later state
        meanwhile, which this one does not know, and which says nothing about the catalog.

        If None, these indexes cannot follow that catalog, which was put back from a copy, or they
        are not usable any more.
        """
        changed = state.sets_changed_since(self.followed, newest) if self.usable else None
        if changed is None:
            return None
        return [
            reader_set for reader_set, number in changed if number > self._ahead.get(reader_set, 0)
        ]

    def documents_behind(self, state: ReadState, reader_sets: Sequence[int]) -> list[int]:
        """Documents to bring in line so that these reader sets are what they are in this state."""
        changes = state.changed_in(reader_sets, self.followed.number)
        return sorted(
            {document for where, number, document in changes if number > self._ahead.get(where, 0)}
        )

    def compute_changes(
        self, state: ReadState, document_ids: Sequence[int], generation: IndexGeneration | None
    ) -> Changes:
        """What to apply to make these documents what they are in this state.

        Changes nothing, and may be slow.

        generation: whose vectors to read. If None, none are read. Raises IndexDamaged when the
        catalog lacks some.
        """
        present = {placed.document_id: placed for placed in state.placements(document_ids)}
        gone, moved, new = self._sort_into_changes(document_ids, present)
        texts = state.keyword_texts([placed.document_id for placed in new])
        words = tuple(
            self.keywords.analyse(placed.rows, texts.get(placed.document_id, [])) for placed in new
        )
        vectors = None if generation is None else read_vectors(state, generation, new)
        return Changes(tuple(gone), tuple(moved), tuple(new), words, vectors)

    def _sort_into_changes(
        self, document_ids: Sequence[int], present: Mapping[int, Placement]
    ) -> tuple[list[Placement], list[tuple[Placement, Placement]], list[Placement]]:
        """As in Changes: what is gone, moved and new. A document with other rows is gone and new."""
        gone: list[Placement] = []
        moved: list[tuple[Placement, Placement]] = []
        new: list[Placement] = []
        for document_id in document_ids:
            before, now = self.placements.get(document_id), present.get(document_id)
            if before is not None and now is not None and np.array_equal(before.rows, now.rows):
                if (before.reader_set, before.token) != (now.reader_set, now.token):
                    moved.append((before, now))
                continue
            if before is not None:
                gone.append(before)
            if now is not None:
                new.append(now)
        return gone, moved, new

    def apply(self, changes: Changes) -> None:
        """Touches memory only.

        Whatever goes wrong in the middle, nothing of this can be used any more. Raises ThrownAway
        if another thread has discarded it since the changes were worked out.
        """
        with self._whole_or_discarded():
            self._apply(changes, self.vectors)

    def switch_generation(
        self, generation: IndexGeneration, vectors: VectorStore, changes: Changes
    ) -> None:
        """Apply changes to the words, and search with another generation's vectors, which have them
        already. Raises ThrownAway like `apply`.
        """
        with self._whole_or_discarded():
            self._apply(changes, None)
            self.generation, self.vectors = generation, vectors

    @contextmanager
    def _whole_or_discarded(self) -> Iterator[None]:
        if not self.usable:
            raise ThrownAway
        try:
            yield
        except BaseException:
            self.discard()
            raise

    def note_seen(self, mark: Mark) -> None:
        """This state was looked at: what is remembered of it is good while the catalog still has it.

        To be called before anything is remembered.
        """
        with self._noting:
            if mark.number > self.newest.number:
                self.newest = mark

    def note_followed(self, mark: Mark, reader_sets: Iterable[int] | None = None) -> None:
        """These reader sets are at this state now. If None, all are at it or at a later one."""
        self.note_seen(mark)
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
        here = {
            placed.document_id: (placed.reader_set, placed.token)
            for placed in self.placements.all()
        }
        differing = sorted(i for i in present.keys() | here.keys() if present.get(i) != here.get(i))
        self.bring_in_line(state, differing)
        self._ahead = {}
        self.newest = state.mark
        self.note_followed(state.mark)
        return len(differing)

    def bring_in_line(self, state: ReadState, document_ids: Sequence[int]) -> None:
        """For indexes that nobody else sees yet."""
        for batch in split_to_fit_memory(document_ids):
            self.apply(self.compute_changes(state, batch, self.generation))

    def trust_placements(self, placements: Iterable[Placement]) -> None:
        """Believe, until `repair` has looked, that the indexes hold these documents."""
        placed = list(placements)
        rows = [each.rows for each in placed]
        self.placements.add_all(placed)
        sizes = np.array([len(each) for each in rows], np.int64)
        tokens = b"".join(each.token for each in placed)
        self.ties.put_all(np.concatenate([np.empty(0, np.int64), *rows]), sizes, tokens)

    def discard(self) -> None:
        """Never to be used again; what it held is given back."""
        self.usable = False
        self.keywords, self.placements, self.ties = KeywordIndex(), Placements(), Ties()
        self._ahead = {}
        self.vectors = self.vectors.make_empty()

    def _apply(self, changes: Changes, vectors: VectorStore | None) -> None:
        """The order matters: where documents stand is noted after the indexes have taken them."""
        for placed in changes.gone:
            if vectors is not None:
                vectors.remove(placed.rows)
            self.keywords.remove(placed.rows)
            self.placements.remove(placed)
        elsewhere = [
            now
            for before, now in changes.moved
            if before.reader_set != now.reader_set and len(now.rows)
        ]
        if elsewhere:
            self._move(elsewhere, vectors)
        for before, now in changes.moved:
            self.placements.remove(before)
            self._place(now)
        if vectors is not None and changes.vectors is not None and len(changes.vectors):
            add_vectors(vectors, changes.new, changes.vectors)
        for placed, words in zip(changes.new, changes.words, strict=True):
            self.keywords.add_blocks(placed.rows, placed.reader_set, words)
            self._place(placed)

    def _move(self, moved: Sequence[Placement], vectors: VectorStore | None) -> None:
        rows = np.concatenate([placed.rows for placed in moved])
        reader_sets = np.repeat(
            [placed.reader_set for placed in moved], [len(placed.rows) for placed in moved]
        )
        if vectors is not None:
            vectors.move(rows, reader_sets)
        for reader_set in np.unique(reader_sets).tolist():
            self.keywords.move(np.sort(rows[reader_sets == reader_set]), reader_set)

    def _place(self, placed: Placement) -> None:
        self.placements.add(placed)
        self.ties.put(placed.rows, placed.token)

    # --- what a search needs: see Snapshot ------------------------------------------------------

    @property
    def alarms(self) -> int:
        """How many rows the vectors gave out that do not belong to the view that was searched."""
        return self.vectors.alarms

    def digest(self, reader_sets: Ints) -> bytes:
        """Stands for all documents of these reader sets."""
        return self.placements.digest(reader_sets)

    def last_change(self, reader_sets: Ints) -> int:
        """Grows whenever the digest of these reader sets may have become another one."""
        return self.placements.last_change(reader_sets)

    def rows_of(self, document_ids: Iterable[int]) -> Ints:
        """Rows of these documents, ascending."""
        return self.placements.rows_of(document_ids)

    def ties_of(self, rows: Ints) -> Ints:
        """What orders these rows if their scores are equal, before the row itself."""
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
        return self.keywords.rank(
            question,
            reader_sets,
            k,
            allowed_rows=only,
            ties=self.ties.values,
            statistics=statistics,
        )
