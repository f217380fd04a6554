"""Search under access control. Start here to see what happens to a question."""

import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.catalog.index_input import Mark
from indexes.catalog.reading import ReadState
from indexes.derived.background import background_work
from indexes.derived.checkpoint import IN_HOME
from indexes.derived.corpus import Corpus
from indexes.derived.precedence import Precedence
from indexes.derived.snapshot import Snapshot
from indexes.derived.vectors import vector_stores
from indexes.derived.vectors.store import VectorStores
from indexes.derived.view import View
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import ModelMismatch, TooOld, Withdrawn
from indexes.model import (
    MAINTENANCE,
    DocumentView,
    Hit,
    IndexGeneration,
    Mode,
    Principal,
    Row,
    SearchResult,
)
from indexes.search.deduplication import Selection
from indexes.search.fusion import best_first, fuse
from indexes.search.position import Positions
from indexes.search.reranker import RERANK_DEPTH, Reranker, rerank
from indexes.search.siblings import DEPTH as SIBLING_DEPTH
from indexes.search.siblings import add_siblings
from indexes.settings import Settings

_DEPTH = 100  # each side of a fusion is ranked at least this deep
# hits ranked beyond each one wanted, since some are left out; if too few, four times as many
_SPARE = 0.5

Ints = NDArray[np.int64]
Scores = NDArray[np.float64]
Ranked = tuple[Ints, Scores]
"""Rows and their scores, best first unless something else is said."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """For operators only: it counts what no single caller may see."""

    generation: IndexGeneration
    documents: int
    passages: int
    alarms: int
    # how often the indexes were thrown away and built anew because they might have been wrong
    discarded: int


class Searcher:
    """Made once per process; threads share it.

    Every method that returns text takes the principal that will read it.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        settings: Settings,
        *,
        load_embedder: LoadEmbedder | None = None,
        reranker: Reranker | None = None,
        stores: VectorStores | None = None,
        precedence: Precedence | None = None,
    ) -> None:
        """stores: for the vectors; if None, those of the settings. precedence: of requests before
        the work in the background.
        """
        catalog.generations.ensure(
            embedder.name, embedder.fingerprint, embedder.dimension, by=MAINTENANCE
        )
        self._embedders = _Embedders(embedder, load_embedder)
        self.corpus = Corpus(
            catalog,
            settings.home / IN_HOME,
            stores or vector_stores(settings),
            precedence,
            self._embedders.load_ahead,
        )
        self._positions = Positions(catalog.history_secret, catalog.former_history_secrets)
        self._reranker = reranker
        self._settings = settings
        self._stopped = 0

    def search(
        self,
        question: str,
        principal: Principal,
        k: int,
        *,
        mode: Mode = "hybrid",
        filters: Filters | None = None,
        at_least: str | None = None,
    ) -> SearchResult:
        """The k best passages that this principal may read, best first.

        Blocking: one embedding, one scan.

        Nothing that the principal may not read changes a byte of the result, its sealed position
        aside. at_least: a position from an earlier result; raises TooOld if this process cannot
        see that far yet. Raises NotAuthenticated if the principal's key does not hold any more
        in the state that is searched.
        """
        wanted = k if self._reranker is None else max(k, RERANK_DEPTH)
        found = self._search_indexes(
            question,
            principal,
            wanted,
            mode,
            filters,
            None if at_least is None else self._positions.open(at_least),
        )
        if self._reranker is None:
            return found
        best = Selection(k, self._settings.passages_per_document)
        best.take(rerank(self._reranker, question, found.hits))
        best.fill_up()
        return replace(found, hits=best.kept, left_out=(*best.left_out, *found.left_out)[:k])

    def _search_indexes(
        self,
        question: str,
        principal: Principal,
        k: int,
        mode: Mode,
        filters: Filters | None,
        at_least: Mark | None,
    ) -> SearchResult:
        query = _Query(question, self._embedders, mode)
        while True:
            stopped = self._stopped
            vector = query.vector_for(self.corpus.generation())
            with self.corpus.latest(principal) as now:
                if vector is not None and now.snapshot.generation.fingerprint != vector.fingerprint:
                    continue  # another model became active while the question was embedded
                _check_fresh(now.state, at_least)
                only = _rows_that_match(now.state, now.snapshot, filters, principal)
                ranking = _Ranking(question, vector, now.snapshot, now.view, only, mode)
                selection = self._select(ranking, k, now.state, principal)
                position = self._positions.seal(now.state.mark)
                result = SearchResult(
                    hits=selection.kept,
                    view_id=now.view.id,
                    exactness=ranking.exactness(),
                    mode=mode,
                    evidence=ranking.evidence,
                    left_out=selection.left_out,
                    position=position,
                )
                alarm = self._stopped > stopped or now.snapshot.alarms > 0
            if not alarm or not self.corpus.distrust(now.snapshot):
                return result

    def document(self, document_id: str, principal: Principal) -> DocumentView:
        """A whole document, to open a citation. Raises NotFound, whether it is absent or forbidden."""
        with self.corpus.catalog.reading() as state:
            return state.document(document_id, principal)

    def passage(self, passage_id: str, principal: Principal) -> Hit:
        """One passage, to open a citation. Raises NotFound, whether it is absent or forbidden."""
        with self.corpus.catalog.reading() as state:
            return state.passage(passage_id, principal)

    def confirm(
        self, principal: Principal, rows: Iterable[Row] = (), documents: Iterable[str] = ()
    ) -> None:
        """The principal may still ask, and read these rows and documents: a look at the catalog
        alone, no index is touched.

        Raises NotAuthenticated, and Withdrawn if one of them is gone, whether from the corpus or
        from its view.
        """
        wanted = frozenset(rows)
        with self.corpus.catalog.reading() as state:
            state.confirm(principal)
            if wanted and state.readable(wanted, principal) != wanted:
                raise Withdrawn()
            if not all(state.may_read_document(each, principal) for each in documents):
                raise Withdrawn()

    def passage_with_document(
        self, passage_id: str, principal: Principal
    ) -> tuple[Hit, DocumentView]:
        """A passage and the document it stands in, of one state.

        Raises NotFound and NotAuthenticated like both.
        """
        with self.corpus.catalog.reading() as state:
            hit = state.passage(passage_id, principal)
            return hit, state.document(hit.document_id, principal)

    def view_id(self, principal: Principal) -> str:
        """Changes exactly when something that this principal can see changes."""
        with self.corpus.latest(principal) as now:
            return now.view.id

    def view_now(self, principal: Principal, at_least: str | None = None) -> tuple[str, str]:
        """The id of the view, and the sealed position of the state that it is of.

        Raises NotAuthenticated and TooOld.
        """
        mark = None if at_least is None else self._positions.open(at_least)
        with self.corpus.latest(principal) as now:
            _check_fresh(now.state, mark)
            return now.view.id, self._positions.seal(now.state.mark)

    def active_embedder(self) -> Embedder:
        """Of the generation that is searched now. Blocking. Raises ModelMismatch."""
        return self._embedders.of(self.corpus.generation())

    def ready(self) -> bool:
        """Whether there are indexes to search, False while they are built anew.

        For everybody: it follows nothing.
        """
        return self.corpus.usable()

    def background_work(self, every_s: float = 1.0) -> AbstractContextManager[None]:
        """While the block runs, a thread follows what operators ask for; at its end a checkpoint is
        written.
        """
        return background_work(self.corpus, every_s)

    def status(self) -> IndexStatus:
        """What the indexes hold, at the newest state. Raises if the catalog cannot be read."""
        with self.corpus.everything() as (_, derived):
            return IndexStatus(
                generation=derived.generation,
                documents=len(derived.placements),
                passages=len(derived.vectors),
                alarms=self.corpus.held.alarms() + self._stopped,
                discarded=self.corpus.held.discarded,
            )

    def _select(
        self, ranking: "_Ranking", k: int, state: ReadState, principal: Principal
    ) -> Selection:
        """Reads as deep as it takes to select k hits, or to the end of the view."""
        depth = k + math.ceil(_SPARE * k)
        selection = Selection(k, self._settings.passages_per_document)
        taken: Ranked = np.empty(0, np.int64), np.empty(0)
        while True:
            rows, scores = ranking.rank_rows(depth)
            if not _begins_with((rows, scores), taken):  # so deep, others rank higher
                selection = Selection(k, self._settings.passages_per_document)
                taken = rows[:0], scores[:0]
            # text is read for as many as it takes, seldom for all
            for start in range(len(taken[0]), len(rows), k):
                some = _pairs(rows[start : start + k], scores[start : start + k])
                selection.take(self._read(some, state, principal))
                if selection.full:
                    return selection
            taken = rows, scores
            if len(rows) < depth:
                selection.fill_up()
                return selection
            depth *= 4

    def _read(
        self, ranked: Sequence[tuple[Row, float]], state: ReadState, principal: Principal
    ) -> tuple[Hit, ...]:
        readable = state.read(ranked, principal)
        if len(readable) < len(ranked):
            self._alarm(len(ranked) - len(readable))
        return readable

    def _alarm(self, rows: int) -> None:
        """The second gate stopped what the first let through: the derived indexes or the view are
        damaged.
        """
        self._stopped += rows
        log.error("The second gate stopped %d rows that the first had let through.", rows)


@dataclass(frozen=True, slots=True)
class _Vector:
    values: NDArray[np.float32]
    fingerprint: str


class _Ranking:
    """One question ranked inside one view, as deep as asked for."""

    def __init__(
        self,
        question: str,
        vector: _Vector | None,
        snapshot: Snapshot,
        view: View,
        only: Ints | None,
        mode: Mode,
    ) -> None:
        self._question, self._vector, self._snapshot = question, vector, snapshot
        self._view, self._only, self._mode = view, only, mode
        self._exact = True
        self.evidence = 0.0  # how well the best passage matches, its siblings aside

    def rank_rows(self, depth: int) -> Ranked:
        """At most `depth` rows with their scores, best first; equal scores by a random number of
        their document.
        """
        if self._mode == "dense":
            rows, scores = self._rank_by_meaning(depth)
            self.evidence = float(scores[0]) if len(scores) else 0.0
            return rows, scores
        wide = max(depth, _DEPTH, SIBLING_DEPTH)
        rows, alone, ceiling = self._rank_by_words(wide)
        ties = self._snapshot.ties_of(rows)  # a number for each document
        scores = add_siblings(alone, ties, ceiling)
        if self._mode == "keyword":
            self.evidence = float(alone[0]) / ceiling if len(alone) else 0.0
            return best_first(rows, scores, ties, depth)
        near, cosines = self._rank_by_meaning(wide)
        found = _union(near, rows)
        cosines = self._add_missing(_spread(cosines, near, found, math.nan), found)
        by_words = [_spread(some, rows, found, 0.0) for some in (alone, scores)]
        alone, fused = fuse(cosines, np.array(by_words), ceiling)
        told = ~np.isnan(cosines)
        if not told.all():  # the vectors are damaged
            found, alone, fused = found[told], alone[told], fused[told]
        self.evidence = float(alone.max(initial=0.0))
        return best_first(found, fused, self._snapshot.ties_of(found), depth)

    def exactness(self) -> Literal["exact", "approximate"]:
        return "exact" if self._exact else "approximate"

    def _rank_by_meaning(self, depth: int) -> Ranked:
        assert self._vector is not None
        query, view = self._vector.values, self._view
        found = self._snapshot.nearest(query, view.reader_sets, depth, self._only, view.id)
        self._exact &= found.exact
        return found.rows, found.scores

    def _add_missing(self, cosines: Scores, rows: Ints) -> Scores:
        """The cosines of these rows, ascending, with those that no ranking has given."""
        assert self._vector is not None
        others = rows[np.isnan(cosines)]
        if not len(others):
            return cosines
        query, sets = self._vector.values, self._view.reader_sets
        found = self._snapshot.nearest(query, sets, len(others), others, None)
        cosines[rows.searchsorted(found.rows)] = found.scores
        return cosines

    def _rank_by_words(self, depth: int) -> tuple[Ints, Scores, float]:
        """The best rows by words, and a score that none in this view reaches."""
        sets = self._view.reader_sets
        return self._snapshot.ranking(self._question, sets, depth, self._only)


def _union(some: Ints, others: Ints) -> Ints:
    """The rows of both, ascending, each once."""
    rows = np.concatenate([some, others])
    rows.sort()
    first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return rows[first]


def _spread(scores: Scores, rows: Ints, over: Ints, missing: float) -> Scores:
    """The scores of these rows as those of more rows, which are ascending."""
    spread = np.full(len(over), missing)
    spread[over.searchsorted(rows)] = scores
    return spread


class _Query:
    """A question, embedded at most once per embedding model."""

    def __init__(self, question: str, embedders: "_Embedders", mode: Mode) -> None:
        self._question, self._embedders, self._mode = question, embedders, mode
        self._vector: _Vector | None = None

    def vector_for(self, generation: IndexGeneration) -> _Vector | None:
        if self._mode == "keyword":
            return None
        if self._vector is None or self._vector.fingerprint != generation.fingerprint:
            embedder = self._embedders.of(generation)
            self._vector = _Vector(embedder.query(self._question), embedder.fingerprint)
        return self._vector


class _Embedders:
    """The embedder of each generation: the configured one, and others once a rebuild has switched
    to them.
    """

    def __init__(self, configured: Embedder, load: LoadEmbedder | None) -> None:
        self._by_fingerprint = {configured.fingerprint: configured}
        self._load = load
        self._lock = Lock()

    def of(self, generation: IndexGeneration) -> Embedder:
        """Raises ModelMismatch when the generation's model cannot be had."""
        known = self._by_fingerprint.get(generation.fingerprint)
        if known is None:  # only who needs a model that is not there waits until it is loaded
            with self._lock:
                known = self._by_fingerprint.get(generation.fingerprint)
                if known is None and self._load is not None:
                    known = self._load(generation.model, generation.fingerprint)
                    self._by_fingerprint[known.fingerprint] = known
        if known is None or known.fingerprint != generation.fingerprint:
            raise ModelMismatch(
                f"The index now belongs to {generation.model}.", remedy="Restart with that model."
            )
        return known

    def load_ahead(self, generation: IndexGeneration) -> None:
        """Before the generation is searched; whoever then asks is told what is wrong."""
        try:
            self.of(generation)
        except Exception as error:  # whatever a model's files make it raise
            told = type(error).__qualname__
            log.warning("The model %s cannot be loaded (%s).", generation.model, told)


def _check_fresh(state: ReadState, at_least: Mark | None) -> None:
    """Raises TooOld."""
    if at_least is not None and not state.has(at_least):
        remedy = (
            "Ask again in a moment or without the position; the catalog may have been put back."
        )
        raise TooOld(remedy=remedy)


def _rows_that_match(
    state: ReadState, snapshot: Snapshot, filters: Filters | None, principal: Principal
) -> Ints | None:
    if filters is None or filters.empty:
        return None
    return snapshot.rows_of(state.matching(filters, principal))


def _begins_with(ranked: Ranked, others: Ranked) -> bool:
    pairs = zip(ranked, others, strict=True)
    return all(np.array_equal(one[: len(other)], other) for one, other in pairs)


def _pairs(rows: Ints, scores: Scores) -> list[tuple[Row, float]]:
    return [(Row(row), score) for row, score in zip(rows.tolist(), scores.tolist(), strict=True)]
