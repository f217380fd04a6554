"""A vector store on FAISS: vectors by row, grouped by reader set, and the search inside a view.

Every reader set has an inverted list of its own, so that a search scans what the caller may read
and nothing else. Whatever may be among the best by its code is scored again in full precision. That
nothing better was left behind is proved by a bound on the error of the codes:

    |x·q - x̂·q̂| ≤ ‖x - x̂‖·‖q‖ + ‖x̂‖·‖q - q̂‖        (Cauchy-Schwarz; ‖q‖ = 1, ‖x̂‖ ≤ 1 + ‖x - x̂‖)

A row whose code scores below the k-th best code by more than twice that is worse than k others.

Views above a limit are searched by topic, once the topics of the generation are learnt.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from indexes.derived.vectors import array_files
from indexes.derived.vectors.codes import CodedQuery, encode
from indexes.derived.vectors.lists import Bits
from indexes.derived.vectors.selectors import Selectors, bits_of, has_bit
from indexes.derived.vectors.store import Floats, Ints, Ranked, ReadLock, VectorContents, of_each
from indexes.derived.vectors.stored_rows import SomeLists, StoredRows
from indexes.derived.vectors.topics import (
    Centroids,
    Topics,
    learn_centroids,
    number_of_topics,
    row_budget,
    sample_rows,
)
from indexes.errors import IndexDamaged

# fixed when a FAISS index is made; more reader sets than this need a new one
LISTS: Final = 131_072
SCAN_LIMIT: Final = 250_000  # visible rows up to which all of them are scanned
# by topic: so many of the best codes, and so many for each hit, are scored in full precision
FIRST_CANDIDATES: Final = 128
CANDIDATES_PER_HIT: Final = 8
# rows of a filter that are scored outright, without looking at codes first
_ONE_BY_ONE: Final = 1_024
# budgets: a smaller view is scanned as fast as searched by topic, since a selector costs time
_LEAST_BUDGETS: Final = 6
_SORTED_AT_ONCE: Final = 8_192  # rows sorted into topics before a waiting writer gets its turn

log = logging.getLogger(__name__)


_NO_TIES: Final = np.empty(0, np.int64)
EMPTY: Final = Ranked(np.empty(0, np.int64), np.empty(0), True, 0)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What one search may look at."""

    reader_sets: Ints  # ascending
    lists: SomeLists  # of these reader sets
    size: int  # rows in scope
    ties: Ints  # by row, what orders equal scores
    among: Bits | None = None  # a filter on top, one bit per row


@dataclass(frozen=True, slots=True)
class FaissStores:
    """Makes the stores of a process. scan_limit: views of more rows are searched by topic."""

    scan_limit: int = SCAN_LIMIT

    def empty(self, dimension: int, learnt: Centroids | None = None) -> "FaissStore":
        """A store without rows. learnt: the centroids of its topics, if there are any."""
        topics = None if learnt is None else Topics(learnt)
        return FaissStore(dimension, scan_limit=self.scan_limit, topics=topics)

    def load(self, folder: Path, dimension: int, learnt: Centroids | None = None) -> "FaissStore":
        """The store that was saved. Raises IndexDamaged if it cannot be used."""
        try:
            arrays, limit = array_files.open_arrays(folder), self.scan_limit
            return FaissStore.from_arrays(dimension, arrays, scan_limit=limit, centroids=learnt)
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise IndexDamaged(str(error)) from error


class FaissStore:
    """A VectorStore whose every reader set has an inverted list of its own."""

    def __init__(
        self,
        dimension: int,
        *,
        lists: int = LISTS,
        scan_limit: int = SCAN_LIMIT,
        topics: Topics | None = None,
        stored: StoredRows | None = None,
    ) -> None:
        self.dimension = dimension
        self.scan_limit = scan_limit
        self.alarms = 0  # rows that were found in lists although they are not in the view
        self._topics = topics
        self._stored = StoredRows(dimension, lists) if stored is None else stored
        self._selectors = Selectors()

    def __len__(self) -> int:
        return len(self._stored)

    # --- writing --------------------------------------------------------------------------------

    def add(
        self,
        rows: Ints,
        reader_sets: Ints | int,
        vectors: Floats,
        topics: NDArray[np.int32] | None = None,
    ) -> None:
        """rows: shape (n,), none of them here yet. reader_sets: of each; one number stands for all.

        vectors: unit vectors, shape (n, dimension). topics: of each row, if they are known already.
        """
        if not len(rows):
            return
        codes = encode(vectors)
        self._stored.add(rows, reader_sets, vectors, codes)
        if self._topics is not None:
            self._topics.add(rows, codes, topics)

    def remove(self, rows: Ints) -> None:
        """Rows that are not here are passed over."""
        here = rows[self._stored.is_here(rows)]
        if not len(here):
            return
        if self._topics is not None:
            self._topics.remove(here)
        self._stored.remove(here)

    def move(self, rows: Ints, reader_sets: Ints | int) -> None:
        """Put rows that are here under other reader sets. Their topics stay."""
        known = self._stored.is_here(rows)
        if known.any():
            self._stored.move(rows[known], of_each(reader_sets, rows)[known])

    def make_empty(self) -> "FaissStore":
        """Another store for vectors of this dimension, with next to no lists."""
        return FaissStore(self.dimension, lists=1, scan_limit=self.scan_limit)

    # --- searching ------------------------------------------------------------------------------

    def nearest(
        self,
        query: Floats,
        reader_sets: Ints,
        k: int,
        only: Ints | None = None,
        view: str | None = None,
        ties: Ints | None = None,
    ) -> Ranked:
        """The k nearest rows of these reader sets. query: unit vector, shape (dimension,).
        reader_sets: ascending.

        only: a filter's rows. view: a name that stands for exactly these rows, now and later; what
        a search by topic needs to know of them is then kept under it. ties: by row, what orders
        equal scores, before the row itself.
        """
        lists = self._stored.lists_of(reader_sets)
        scope = _Scope(reader_sets, lists, lists.rows, _NO_TIES if ties is None else ties)
        if only is not None:
            if len(only) <= max(_ONE_BY_ONE, scope.size // 128):
                return self._rank(only, scope, query, min(k, len(only)))[0]
            rows = only[self._stored.is_in_sets(only, reader_sets)]
            bits = bits_of(rows, self._stored.row_range())
            scope, view = replace(scope, size=len(rows), among=bits), None
        k = min(k, scope.size)
        if not k:
            return EMPTY
        coded = CodedQuery.of(query)
        if self._topics is not None and scope.size > max(
            self.scan_limit, _LEAST_BUDGETS * row_budget(k)
        ):
            found = self._search_by_topic(self._topics, query, coded, scope, k, view)
            if len(found.rows) == k:
                return found
        return self._search_exactly(query, coded, scope, k)

    def _search_exactly(self, query: Floats, coded: CodedQuery, scope: _Scope, k: int) -> Ranked:
        rows, _ = self._stored.scan(coded, scope.lists, k, scope.among)
        ranked, wrong = self._rank(rows, scope, query, k)
        # a row came from outside the view or one is missing: the derived index is damaged
        if wrong or len(ranked.rows) < k:
            self._alarm(wrong)
            return replace(ranked, exact=False)
        return ranked

    def _search_by_topic(
        self,
        topics: Topics,
        query: Floats,
        coded: CodedQuery,
        scope: _Scope,
        k: int,
        view: str | None,
    ) -> Ranked:
        wanted = max(FIRST_CANDIDATES, CANDIDATES_PER_HIT * k)
        among = (
            scope.among
            if scope.among is not None
            else self._selectors.get(view, lambda: self._stored.bits_of_lists(scope.lists))
        )
        rows = topics.candidates(coded, scope.size, k, wanted, among)
        ranked, wrong = self._rank(rows, scope, query, k)
        self._alarm(wrong)
        return replace(ranked, exact=False)

    def _rank(self, rows: Ints, scope: _Scope, query: Floats, k: int) -> tuple[Ranked, int]:
        """The k best of these rows, and how many are not in scope; those are passed over. What was
        found in lists is not believed.
        """
        wrong = 0
        if scope.among is not None:
            inside = has_bit(scope.among, rows)
            rows, wrong = rows[inside], int((~inside).sum())
        best, scores, outside = self._stored.rank(rows, scope.reader_sets, query, k, scope.ties)
        return Ranked(best, scores, True, len(rows) - outside), wrong + outside

    def _alarm(self, rows: int) -> None:
        """Rows were found in lists of the view that do not belong to it, and were dropped."""
        if rows:
            self.alarms += rows
            log.error(
                "The vector index held %d rows from outside the view; they were dropped.", rows
            )

    # --- topics ---------------------------------------------------------------------------------

    @property
    def wants_topics(self) -> bool:
        """Whether some views may be too large to be scanned, and there are no topics yet."""
        return self._topics is None and len(self) > self.scan_limit

    def learn_topics(self, reading: ReadLock, stop: Callable[[], bool]) -> Centroids | None:
        """Centroids of a sample of what is here now. If None, it was stopped."""
        with reading():
            rows = self.rows()
            _, codes = self.codes(sample_rows(rows))
        return learn_centroids(codes, number_of_topics(len(rows)), stop)

    def prepare_topics(
        self, learnt: Centroids, reading: ReadLock, stop: Callable[[], bool]
    ) -> Callable[[], None] | None:
        """Sort what is here now into topics of its own. Gives the step that adopts them."""
        topics = Topics(learnt)
        with reading():
            rows = self.rows()
        for start in range(0, len(rows), _SORTED_AT_ONCE):
            if stop():
                return None
            with reading():
                here, codes = self.codes(rows[start : start + _SORTED_AT_ONCE])
            topics.add(here, codes)
        return partial(self.adopt_topics, topics)

    def rows(self) -> Ints:
        """All rows that are here, ascending."""
        return self._stored.rows()

    def codes(self, rows: Ints) -> tuple[Ints, Floats]:
        """Those of these rows that are here, and their codes."""
        here = rows[self._stored.is_here(rows)]
        return here, encode(self._stored.vectors_of(here))

    def adopt_topics(self, topics: Topics) -> None:
        """Search large views by topic from now on.

        Rows that came or went since `topics` was filled are put right.
        """
        before, now = topics.rows(), self.rows()
        topics.remove(before[~self._stored.is_here(before)])
        topics.add(*self.codes(now[topics.topics_of(now) < 0]))
        self._topics = topics

    # --- looking inside -------------------------------------------------------------------------

    def reader_sets_of(self, rows: Ints) -> Ints:
        """The reader set of each row; -1 if it is not here."""
        return self._stored.reader_sets_of(rows)

    def held_reader_sets(self) -> list[int]:
        """The reader sets with rows, ascending."""
        return self._stored.held_reader_sets()

    def contents(self, reader_set: int) -> VectorContents:
        """What stands under a reader set, the same however it came there."""
        held = self._stored.contents(reader_set)
        if self._topics is None or bool(np.all(self._topics.topics_of(held.rows) >= 0)):
            return held
        return replace(held, consistent=False)

    # --- checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write every array into a file of its own."""
        self._stored.save(folder)
        topics, rows = self._topics, self.rows()
        none = np.full(len(rows), -1, np.int32), np.zeros((0, self.dimension), np.int8)
        of_rows, centroids = none if topics is None else (topics.topics_of(rows), topics.centroids)
        array_files.save_arrays(folder, {"topics": of_rows, "centroids": centroids})

    @classmethod
    def from_arrays(
        cls,
        dimension: int,
        arrays: Mapping[str, NDArray[Any]],
        *,
        scan_limit: int = SCAN_LIMIT,
        centroids: Centroids | None = None,
    ) -> Self:
        """What was saved. centroids: of this generation; the arrays' topics count only if they belong
        to them.

        Raises IndexDamaged when the arrays do not belong together.
        """
        stored = StoredRows.load(dimension, LISTS, arrays)
        topics = None
        if centroids is not None:
            topics = Topics(centroids)
            _sort_into(topics, stored, arrays)
        return cls(dimension, scan_limit=scan_limit, topics=topics, stored=stored)


def _sort_into(topics: Topics, stored: StoredRows, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Every stored row into its topic: as it was saved, if that was for the same centroids."""
    of_rows, rows = arrays["topics"], arrays["rows"]
    if np.array_equal(topics.centroids, arrays["centroids"]) and of_rows.min(initial=0) >= 0:
        held = arrays["list-rows"]
        topics.fill(held, of_rows[np.searchsorted(rows, held)], arrays["list-codes"])
        return
    for start in range(0, len(rows), _SORTED_AT_ONCE):
        part = slice(start, start + _SORTED_AT_ONCE)
        topics.add(rows[part], encode(stored.vectors_of(rows[part])))
