"""A vector store on FAISS: vectors by row, grouped by reader set, and the search inside a view.

Every reader set has an inverted list of its own, so that a search scans what the caller may read
and nothing else. The best candidates by code are scored again in full precision, and a bound on the
error of the codes proves that nothing better was left behind:

    |x·q - x̂·q̂| ≤ ‖x - x̂‖·‖q‖ + ‖x̂‖·‖q - q̂‖        (Cauchy-Schwarz; ‖q‖ = 1, ‖x̂‖ ≤ 1 + ‖x - x̂‖)

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

from indexes.derived.ties import ties_of
from indexes.derived.vectors import array_files
from indexes.derived.vectors.codes import CodedQuery, encode
from indexes.derived.vectors.lists import NO_NEIGHBOUR, Bits
from indexes.derived.vectors.selectors import Selectors, bits_of, has_bit
from indexes.derived.vectors.store import Floats, Ints, Ranked, ReadLock, VectorContents, of_each
from indexes.derived.vectors.stored_rows import ROUNDING, StoredRows
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
# with CANDIDATES_PER_HIT, enough to prove the hits in one scan at p95 of real passages
FIRST_CANDIDATES: Final = 128
CANDIDATES_PER_HIT: Final = 8
# rows of a filter that are scored outright, without looking at codes first
_ONE_BY_ONE: Final = 1_024
# budgets: a smaller view is scanned as fast as searched by topic, since a selector costs time
_LEAST_BUDGETS: Final = 6
_BLOCK: Final = 4_096  # rows in double precision at once
_SORTED_AT_ONCE: Final = 8_192  # rows sorted into topics before a waiting writer gets its turn
_LOADED_AT_ONCE: Final = 65_536  # rows of a checkpoint

log = logging.getLogger(__name__)


EMPTY: Final = Ranked(np.empty(0, np.int64), np.empty(0), True, 0)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What one search may look at."""

    reader_sets: Ints  # ascending
    lists: NDArray[np.int32]  # of those of these reader sets that hold rows
    size: int  # rows in scope
    among: Bits | None = None  # a filter on top, one bit per row
    ties: Ints | None = None  # by row, what orders equal scores


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
    ) -> None:
        self.dimension = dimension
        self.scan_limit = scan_limit
        self.alarms = 0  # rows that FAISS returned although they are not in the view
        self._topics = topics
        self._stored = StoredRows(dimension, lists)
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
        scope = replace(self._scope(reader_sets), ties=ties)
        if only is not None:
            rows = only[self._stored.is_in_sets(only, reader_sets)]
            if len(rows) <= max(_ONE_BY_ONE, scope.size // 128):
                return self._score_and_rank(rows, query, k, ties)
            scope, view = (
                replace(scope, size=len(rows), among=bits_of(rows, self._stored.row_range())),
                None,
            )
        k = min(k, scope.size)
        coded_query = CodedQuery.of(query)
        if self._topics is not None and scope.size > max(
            self.scan_limit, _LEAST_BUDGETS * row_budget(k)
        ):
            found = self._search_by_topic(self._topics, query, coded_query, scope, k, view)
            if len(found.rows) == k:
                return found
        return self._search_exactly(query, coded_query, scope, k)

    def _scope(self, reader_sets: Ints) -> _Scope:
        lists, size = self._stored.lists_of(reader_sets)
        return _Scope(reader_sets, lists, size)

    def _search_exactly(
        self, query: Floats, coded_query: CodedQuery, scope: _Scope, k: int
    ) -> Ranked:
        wanted = min(scope.size, max(FIRST_CANDIDATES, CANDIDATES_PER_HIT * k))
        while wanted:
            ranked, outside = self._scan(query, coded_query, scope, k, wanted)
            if wanted == scope.size or (
                len(ranked.rows) == k and (k == 0 or ranked.scores[-1] > outside)
            ):
                return ranked
            wanted = min(scope.size, 4 * wanted)
        return EMPTY

    def _scan(
        self, query: Floats, coded_query: CodedQuery, scope: _Scope, k: int, wanted: int
    ) -> tuple[Ranked, float]:
        """The best k of the `wanted` best codes, and what no row outside of those can exceed."""
        found, scores = self._stored.search(coded_query.code, scope.lists, wanted, scope.among)
        error = self._stored.largest_error(scope.lists)
        off = error + (1 + error) * coded_query.error + ROUNDING
        real = found != NO_NEIGHBOUR
        right = self._check_scope(found[real], scope)
        rows, cosines = found[real][right], scores[real][right] * coded_query.unit
        # what is so much worse than the k-th by code cannot be among the best k
        if 0 < k < len(rows):
            rows = rows[cosines >= cosines[k - 1] - 2 * off]
        ranked = self._score_and_rank(rows, query, k, scope.ties)
        # a row came from outside the view or one is missing: the derived index is damaged
        if len(cosines) < wanted:
            ranked = replace(ranked, exact=False)
        return ranked, float(scores[-1]) * coded_query.unit + off

    def _search_by_topic(
        self,
        topics: Topics,
        query: Floats,
        coded_query: CodedQuery,
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
        rows = topics.candidates(coded_query, scope.size, k, wanted, among)
        return replace(
            self._score_and_rank(rows[self._check_scope(rows, scope)], query, k, scope.ties),
            exact=False,
        )

    def _score_and_rank(self, rows: Ints, query: Floats, k: int, ties: Ints | None) -> Ranked:
        """Scored one by one in double precision: a score never depends on which other rows are
        scored with it.
        """
        scores, precise = np.empty(len(rows)), query.astype(np.float64)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            scores[part] = (self._stored.vectors_of(rows[part]) * precise).sum(axis=1)
        best = np.lexsort((rows, ties_of(rows, ties), -scores))[:k]
        return Ranked(rows[best], scores[best], True, len(rows))

    def _check_scope(self, rows: Ints, scope: _Scope) -> NDArray[np.bool_]:
        """Which of these rows are known to be in scope. What FAISS says is not believed."""
        right = self._stored.is_in_sets(rows, scope.reader_sets)
        if scope.among is not None:
            right &= has_bit(scope.among, rows)
        if not right.all():
            self.alarms += int((~right).sum())
            log.error(
                "The vector index returned %d rows from outside the view; they were dropped.",
                (~right).sum(),
            )
        return right

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
        array_files.save_arrays(folder, self.arrays())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to make this index again; rows, reader_sets, vectors and topics are of
        equal length.
        """
        rows = self.rows()
        topics = self._topics
        return {
            "rows": rows,
            "reader_sets": self.reader_sets_of(rows),
            "vectors": self._stored.vectors_of(rows),
            "topics": np.full(len(rows), -1, np.int32)
            if topics is None
            else topics.topics_of(rows),
            "centroids": np.zeros((0, self.dimension), np.int8)
            if topics is None
            else topics.centroids,
        }

    @classmethod
    def from_arrays(
        cls,
        dimension: int,
        arrays: Mapping[str, NDArray[Any]],
        *,
        scan_limit: int = SCAN_LIMIT,
        centroids: Centroids | None = None,
    ) -> Self:
        """centroids: of this generation; the arrays' topics count only if they belong to them.

        Raises IndexDamaged when the arrays do not belong together.
        """
        rows, sets, vectors, topics = (
            arrays[name] for name in ("rows", "reader_sets", "vectors", "topics")
        )
        if not (len(rows) == len(sets) == len(vectors) == len(topics)) or vectors.shape[1:] != (
            dimension,
        ):
            raise IndexDamaged(
                f"Shapes {rows.shape}, {sets.shape}, {vectors.shape} do not belong together."
            )
        index = cls(
            dimension,
            scan_limit=scan_limit,
            topics=None if centroids is None else Topics(centroids),
        )
        known = (
            centroids is not None
            and np.array_equal(centroids, arrays["centroids"])
            and topics.min(initial=0) >= 0
        )
        for start in range(0, len(rows), _LOADED_AT_ONCE):
            part = slice(start, start + _LOADED_AT_ONCE)
            given = topics[part] if known else None
            index.add(rows[part], sets[part], np.asarray(vectors[part]), given)
        return index
