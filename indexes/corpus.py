"""The catalog and the indexes derived from it, kept at one and the same state for whoever searches."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes import checkpoint
from indexes.catalog import Catalog, Placement, ReadState
from indexes.derived import Derived, align, empty_vectors
from indexes.errors import ClearanceError, IndexDamaged
from indexes.keywords import KeywordIndex
from indexes.locks import ReadWriteLock
from indexes.model import Generation
from indexes.vectors import Topics, VectorIndex, learn, number_of_topics, sample

_SORTED_AT_ONCE = 8_192  # rows sorted into topics before a waiting writer gets its turn

log = logging.getLogger(__name__)


class Corpus:
    """One per process; threads share it. `folder` holds the checkpoint and may be deleted at any time."""

    def __init__(self, catalog: Catalog, folder: Path | None, scan_limit: int) -> None:
        """scan_limit: views of more passages than that are searched by topic."""
        self.catalog = catalog
        self._scan_limit = scan_limit
        self._folder = folder
        self._lock = ReadWriteLock()
        self._following = Lock()
        self._prepared: dict[int, VectorIndex] = {}
        self._maintenance = Lock()
        self._derived = self._start()
        with catalog.reading() as state:
            self._rebuilt = state.rebuild_number()

    @contextmanager
    def latest(self) -> Iterator[tuple[ReadState, Derived]]:
        """The newest acknowledged state of the catalog, and the derived indexes at exactly that state."""
        with ExitStack() as held:
            state = self._met(held)
            if state is None:
                with self._following:  # who waited here finds, unless there were more writes, that another has followed
                    state = self._met(held) or self._followed(held)
            yield state, self._derived

    def _met(self, held: ExitStack) -> ReadState | None:
        """The newest state, kept while `held` lasts, where the derived indexes are at it already."""
        with ExitStack() as meeting:
            meeting.enter_context(self._lock.reading())
            state = meeting.enter_context(self.catalog.reading())
            if not self._derived.is_at(state):
                return None
            held.push(meeting.pop_all())
            return state

    def _followed(self, held: ExitStack) -> ReadState:
        """The newest state, kept while `held` lasts, with the derived indexes brought to it."""
        share = held.enter_context(self._lock.writing())
        state = held.enter_context(self.catalog.reading())
        self._follow(state)
        share()  # nothing is written before this state has been read, and others may read it too
        return state

    def usable(self) -> bool:
        """Whether there are indexes that can be searched: they are built before anybody is answered."""
        return self._derived is not None

    def generation(self) -> Generation:
        """The generation that the last search used."""
        return self._derived.generation

    def prepare(self, generation: Generation) -> None:
        """Load the vectors of a generation that is about to be activated, so that the switch takes no time."""
        if generation.id in self._prepared:
            return
        with self._maintenance:
            with self.catalog.reading() as state:
                vectors = empty_vectors(state, generation, self._scan_limit)
                align(vectors, state, generation, list(state.placements()))
            self._prepared[generation.id] = vectors

    def rebuild(self) -> None:
        """Build everything anew from the catalog while searches go on with the old; one switch at the end."""
        with self._maintenance:
            with self.catalog.reading() as state:
                fresh = self._built(state)
            with self._lock.writing(), self.catalog.reading() as state:
                fresh.catch_up(state)
                self._derived = fresh
            if self._folder is not None:
                checkpoint.discard(self._folder)
        self.save()

    def tend(self, stop: Callable[[], bool] = lambda: False) -> None:
        """What a process does now and then beside searching: rebuild when asked to, load a generation that is ready,
        learn topics once the corpus is large. stop: asked now and then whether to leave that for another time.
        """
        with self.catalog.reading() as state:
            wanted = state.rebuild_number()
        if wanted > self._rebuilt:
            self._rebuilt = wanted
            self.rebuild()
        for generation in self.catalog.generations.writable():
            if generation.state == "ready":
                self.prepare(generation)
        self._tend_topics(stop)

    def save(self) -> None:
        """Write a checkpoint of what is in memory, so that the next start is fast."""
        if self._folder is None:
            return
        with self._maintenance, self._lock.reading():
            facts = self._facts(self._derived.generation)
            checkpoint.save(self._folder, facts, lambda folder: _write(self._derived, folder))

    def alarms(self) -> int:
        """How many rows the derived indexes returned that did not belong to the view. Anything but 0 is a defect."""
        return self._derived.vectors.alarms

    # --- topics -------------------------------------------------------------------------------------------------

    def _tend_topics(self, stop: Callable[[], bool]) -> None:
        """Have large views searched by topic from now on, once there are any. Searches go on meanwhile."""
        vectors, generation = self._derived.vectors, self._derived.generation
        if vectors.has_topics or len(vectors) <= self._scan_limit:
            return
        with self._maintenance:
            topics = self._learnt(vectors, generation, stop)
            if topics is None or not self._sorted_into(topics, vectors, stop):
                return
            with self._lock.writing():
                vectors.adopt(topics)
        log.info("Views of more than %d passages are searched by topic now.", self._scan_limit)

    def _learnt(self, vectors: VectorIndex, generation: Generation, stop: Callable[[], bool]) -> Topics | None:
        centroids = self.catalog.generations.centroids(generation)
        if centroids is None:
            with self._lock.reading():
                rows = vectors.rows()
                _, codes = vectors.codes(sample(rows))
            learnt = learn(codes, number_of_topics(len(rows)), stop)
            if learnt is None:
                return None
            centroids = self.catalog.generations.keep_centroids(generation, learnt)
        return Topics(centroids)

    def _sorted_into(self, topics: Topics, vectors: VectorIndex, stop: Callable[[], bool]) -> bool:
        """Sort into topics what is here now. False: stopped before the end."""
        with self._lock.reading():
            rows = vectors.rows()
        for start in range(0, len(rows), _SORTED_AT_ONCE):
            if stop():
                return False
            with self._lock.reading():
                here, codes = vectors.codes(rows[start : start + _SORTED_AT_ONCE])
            topics.add(here, codes)
        return True

    # --- starting -----------------------------------------------------------------------------------------------

    def _start(self) -> Derived:
        with self.catalog.reading() as state:
            loaded = self._loaded(state)
            if loaded is not None:
                repaired = loaded.repair(state)
                log.info("Loaded the checkpoint; %d documents had changed since.", repaired)
                return loaded
            return self._built(state)

    def _built(self, state: ReadState) -> Derived:
        fresh = Derived.empty(state, _active(state), self._scan_limit)
        fresh.repair(state)
        return fresh

    def _loaded(self, state: ReadState) -> Derived | None:
        if self._folder is None:
            return None
        generation = _active(state)
        try:
            folder = checkpoint.verified(self._folder, self._facts(generation))
            return None if folder is None else _read(generation, folder, self._scan_limit, state.centroids(generation))
        except ClearanceError as error:
            log.warning("The checkpoint cannot be used and is built anew from the catalog: %s", error)
            return None

    def _facts(self, generation: Generation) -> Mapping[str, Any]:
        """What a checkpoint must have been made for: this installation, this generation."""
        installation = hashlib.sha256(b"checkpoint" + self.catalog.secret).hexdigest()
        return {"installation": installation, "generation": generation.id, "model": generation.fingerprint}

    def _follow(self, state: ReadState) -> None:
        generation = _active(state)
        prepared = self._prepared.pop(generation.id, None)
        if prepared is not None and generation.id != self._derived.generation.id:
            self._derived.switch(state, generation, prepared)
        try:
            self._derived.catch_up(state)
        except IndexDamaged as error:
            log.warning("The indexes in memory cannot follow the catalog and are built anew: %s", error)
            self._derived = self._built(state)


def _active(state: ReadState) -> Generation:
    generation = state.generation()
    if generation is None:
        raise IndexDamaged("The catalog has no generation yet.", remedy="Call generations.ensure first.")
    return generation


def _write(derived: Derived, folder: Path) -> None:
    placed = derived.placements()
    rows = [p.rows for p in placed]
    arrays = {
        **{f"vectors-{name}": array for name, array in derived.vectors.arrays().items()},
        "documents-id": np.array([p.document_id for p in placed], np.int64),
        "documents-reader-set": np.array([p.reader_set for p in placed], np.int64),
        "documents-token": np.frombuffer(b"".join(p.token for p in placed), np.uint8).reshape(-1, 32),
        "documents-rows": np.concatenate(rows) if rows else np.empty(0, np.int64),
        "documents-size": np.array([len(r) for r in rows], np.int64),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    derived.keywords.save(folder)


def _read(generation: Generation, folder: Path, scan_limit: int, centroids: NDArray[np.int8] | None) -> Derived:
    def array(name: str) -> NDArray[Any]:
        loaded: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False, mmap_mode="r")
        return loaded

    try:
        parts = {name: array(f"vectors-{name}") for name in ("rows", "reader_sets", "vectors", "topics", "centroids")}
        vectors = VectorIndex.from_arrays(generation.dimension, parts, scan_limit=scan_limit, centroids=centroids)
        derived = Derived(generation, KeywordIndex.load(folder), vectors)
        ends = np.cumsum(array("documents-size"))
        rows = np.split(array("documents-rows"), ends[:-1]) if len(ends) else []
        columns = (array(f"documents-{name}") for name in ("id", "reader-set", "token"))
        derived.take_over(
            Placement(int(i), int(s), token.tobytes(), r) for i, s, token, r in zip(*columns, rows, strict=True)
        )
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise IndexDamaged(str(error)) from error
    return derived
