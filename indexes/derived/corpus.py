"""The catalog and the indexes derived from it, kept at one and the same state for whoever searches.

A search follows what its own view has to follow and nothing else; everything else is followed in
the background. So the time of a search does not tell what was written that its caller may not read.
Indexes that may be wrong are never asked: they are built anew from the catalog, beside the others,
and whoever comes meanwhile waits for the new ones.
"""

import hashlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog, Mark, Placement, ReadState
from indexes.derived import checkpoint
from indexes.derived.indexes import Derived, align, batches, empty_vectors
from indexes.derived.keywords import KeywordIndex
from indexes.derived.locks import ReadWriteLock
from indexes.derived.snapshot import Snapshot
from indexes.derived.vectors.store import LearnsTopics, Learnt, VectorStore, VectorStores
from indexes.derived.verify import all_reader_sets, compare_reader_set, verify
from indexes.derived.view import View, Views
from indexes.errors import IndexDamaged, IndexNotReady
from indexes.model import MAINTENANCE, IndexGeneration, Principal

_STEP = 8  # documents followed in the background before others get their turn
_PATIENCE_S = 0.05  # how long a step in the background lets searches go first
_WAIT_S = 30.0  # how long a search waits for indexes that another thread builds anew
_IN_VAIN_S = 60.0  # after indexes were distrusted: how long new ones that are no better are kept
# how long reader sets are compared with the catalog before others get their turn
_CHECKING_S = 0.02
_SHARE = 0.05  # of one processor's time, for comparing
_TRIES = 3  # how often one search has indexes built anew that turn out wrong

log = logging.getLogger(__name__)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Present:
    """One state, the indexes that are at it for a view, and that view. Valid only while it is held."""

    state: ReadState
    snapshot: Snapshot
    view: View


class Corpus:
    """One per process; threads share it.

    `folder` holds the checkpoint and may be deleted at any time.
    """

    def __init__(self, catalog: Catalog, folder: Path | None, stores: VectorStores) -> None:
        """stores: makes those that hold the vectors."""
        self.catalog = catalog
        self.discarded = 0  # how often indexes were thrown away because they might have been wrong
        self._stores = stores
        self._folder = folder
        self._views = Views(catalog.secret)
        self._lock = ReadWriteLock()  # reading: searches. writing: short steps in memory
        # held by the one thread that changes the indexes or puts others in their place
        self._following = Lock()
        # what those wait for who come while there are no usable indexes
        self._building: Future[None] | None = None
        self._deciding = Lock()  # about who builds
        self._switching: set[int] = set()  # generations that a thread is about to switch to
        self._prepared: dict[int, tuple[Mark, VectorStore]] = {}  # by generation, in which state
        self._maintenance = Lock()
        self._alarms = 0  # of indexes that were thrown away
        self._distrusted_at: float | None = None
        # reader sets that are still to be compared with the catalog in this round
        self._to_check: list[int] = []
        self._check_again_at = 0.0
        self._derived = self._start()

    # --- for searches ---------------------------------------------------------------------------

    @contextmanager
    def latest(self, principal: Principal) -> Iterator[Present]:
        """The newest acknowledged state, and the indexes at exactly that state for all that the
        principal may read.

        Raises IndexNotReady while the indexes cannot be built, and NotAuthenticated where the
        principal's key does not hold in this state.
        """
        with ExitStack() as held:
            state, derived, sets = self._met(held, principal) or self._brought_up(held, principal)
            assert sets is not None
            yield Present(state, derived, self._views.view(derived, principal, sets))

    @contextmanager
    def everything(self) -> Iterator[tuple[ReadState, Derived]]:
        """The newest acknowledged state, and the indexes at exactly that state as a whole.

        For operators only.
        """
        with ExitStack() as held:
            state, derived, _ = self._met(held, None) or self._brought_up(held, None)
            yield state, derived

    def _met(
        self, held: ExitStack, principal: Principal | None, *, switched: bool = False
    ) -> "_Met | None":
        """The newest state, kept while `held` lasts, if nothing has to be followed for this
        principal; None: all.

        switched: accept no former generation, even while another thread prepares the switch to the
        active one.
        """
        with ExitStack() as meeting:
            meeting.enter_context(self._lock.reading())
            state = meeting.enter_context(self.catalog.reading())
            derived = self._derived
            pending = derived.pending(state)
            if pending is None or not self._may_serve(derived, state, switched):
                return None
            derived.seen(state.mark)  # before anything is remembered of it
            sets = None if principal is None else self._views.reader_sets(state, derived, principal)
            if _within(pending, sets):
                return None
            held.push(meeting.pop_all())
            return state, derived, sets

    def _may_serve(self, derived: Derived, state: ReadState, switched: bool) -> bool:
        former = not switched and state.generation_id in self._switching
        return former or derived.generation.id == state.generation_id

    def _brought_up(self, held: ExitStack, principal: Principal | None) -> "_Met":
        """The newest state, kept while `held` lasts, with the indexes brought to it for this
        principal; None: all.
        """
        for _ in range(_TRIES):
            self._make_usable()
            with self._switch_prepared(), self._following:
                # who waited here finds, unless there were more writes, that another has followed
                met = self._met(held, principal, switched=True) or self._followed(held, principal)
            if met is not None:
                return met
        raise IndexNotReady

    def _followed(self, held: ExitStack, principal: Principal | None) -> "_Met | None":
        """As _brought_up; None if the indexes had to be thrown away."""
        derived = self._derived
        try:
            with ExitStack() as following:
                state = following.enter_context(self.catalog.reading())
                if self._pending(derived, state) is None:
                    return None
                if derived.generation.id != state.generation_id:
                    self._switch(derived, state)
                pending = derived.pending(state) or []
                derived.seen(state.mark)
                sets = (
                    None
                    if principal is None
                    else self._views.reader_sets(state, derived, principal)
                )
                wanted = _within(pending, sets)
                *most, last = [*batches(derived.documents_due(state, wanted))] or [[]]
                for some in most:
                    changes = derived.worked_out(state, some, derived.generation)
                    with self._lock.writing():
                        derived.apply(changes)
                changes = derived.worked_out(state, last, derived.generation)
                share = following.enter_context(self._lock.writing())
                derived.apply(changes)
                derived.reached(state.mark, wanted if principal is not None else None)
                # nothing is written before this state has been read, and others may read it too
                share()
                held.push(following.pop_all())
                return state, derived, sets
        except Exception:
            if derived.usable:
                raise  # nothing was touched
            self._thrown_away(derived, "The indexes failed while they followed the catalog")
            return None

    def _pending(self, derived: Derived, state: ReadState) -> list[int] | None:
        """As Derived.pending; indexes that cannot follow this catalog are thrown away."""
        pending = derived.pending(state)
        if pending is None and derived.usable:
            self.discard(
                derived,
                "The catalog is not the one that the indexes were made from: was a copy put back?",
            )
        return pending

    # --- in the background ----------------------------------------------------------------------

    def follow(
        self,
        stop: Callable[[], bool] = lambda: False,
        rest: Callable[[float], object] = lambda took: None,
    ) -> None:
        """Bring everything to the newest state, a few documents at a time. rest: told how long each
        step took.
        """
        while not stop():
            self._lock.wait_until_idle(_PATIENCE_S)
            start = time.monotonic()
            if not self._followed_some():
                return
            rest(time.monotonic() - start)

    def _followed_some(self) -> bool:
        """One step. False: nothing is left to follow."""
        self._make_usable()
        with self._switch_prepared(), self._following, self.catalog.reading() as state:
            derived = self._derived
            try:
                if self._pending(derived, state) is None:
                    return True
                if derived.generation.id != state.generation_id:
                    self._switch(derived, state)
                if derived.followed == state.mark:
                    return False
                oldest = state.changed_since(derived.followed.number, _STEP)
                changes = derived.worked_out(
                    state, sorted({document for _, document in oldest}), derived.generation
                )
                with self._lock.writing(patience_s=_PATIENCE_S):
                    derived.apply(changes)
                    derived.reached(oldest[-1][0] if len(oldest) == _STEP else state.mark)
                return True
            except Exception:
                if derived.usable:
                    raise
                self._thrown_away(derived, "The indexes failed while they followed the catalog")
                return True

    # --- indexes that may be wrong --------------------------------------------------------------

    def usable(self) -> bool:
        """Whether there are indexes to search; False while they are built anew.

        Looks at nothing but memory.
        """
        return self._derived.usable

    def distrust(self, snapshot: Snapshot) -> bool:
        """Throw indexes away that gave out what does not belong to a view.

        False: new ones have not helped just now.

        What new indexes do not mend is no fault of theirs: then gate two alone decides, and the
        alarm goes on.
        """
        now = time.monotonic()
        if self._distrusted_at is not None and now < self._distrusted_at + _IN_VAIN_S:
            return False
        self._distrusted_at = now
        derived = self._derived
        if derived is snapshot:  # otherwise others have taken their place already
            self.discard(derived, "The indexes gave out what does not belong to a view")
        return True

    def discard(self, derived: Derived, why: str) -> None:
        """Never ask these indexes again. They are built anew before anybody is answered."""
        with self._lock.writing():
            if not derived.usable:
                return
            self._alarms += derived.vectors.alarms
            derived.discard()
        self._thrown_away(derived, why)

    def _thrown_away(self, derived: Derived, why: str) -> None:
        self.discarded += 1
        failed = sys.exc_info()[0] is not None
        log.error("%s. They are built anew from the catalog.", why, exc_info=failed)

    def _make_usable(self) -> None:
        """Build new indexes if the present ones were thrown away, or wait until another thread has
        done it.
        """
        with self._deciding:
            if self._derived.usable:
                return
            building, mine = self._building, self._building is None
            if building is None:
                building = self._building = Future()
        if not mine:
            self._wait_for(building)
            return
        try:
            fresh = self._built_anew()
            with self._following, self._lock.writing():
                self._derived = fresh
            building.set_result(None)
        except BaseException as error:
            # without what the failed build still holds
            building.set_exception(IndexNotReady(str(error)))
            log.exception("The indexes could not be built anew; this is tried again.")
            if isinstance(error, Exception):
                raise IndexNotReady(str(error)) from error
            raise
        finally:
            with self._deciding:
                self._building = None

    def _wait_for(self, building: "Future[None]") -> None:
        try:
            building.result(_WAIT_S)
        except TimeoutError as error:
            raise IndexNotReady from error

    def _built_anew(self) -> Derived:
        """New indexes, beside those that there are. Holds nothing that a search waits for."""
        with self.catalog.reading() as state:
            return self._built(state)

    # --- generations ----------------------------------------------------------------------------

    def generation(self) -> IndexGeneration:
        """The generation that the last search used."""
        return self._derived.generation

    def prepare(self, generation: IndexGeneration) -> None:
        """Load the vectors of a generation that is about to be activated, so that the switch takes
        no time.
        """
        with self._maintenance:
            if generation.id in self._prepared:
                return
            with self.catalog.reading() as state:
                vectors = empty_vectors(state, generation, self._stores)
                align(vectors, state, generation)
            self._prepared[generation.id] = state.mark, vectors

    @contextmanager
    def _switch_prepared(self) -> Iterator[None]:
        """Inside, the vectors of the active generation are at hand.

        Others search on with the former ones meanwhile.
        """
        active = self.catalog.generations.active()
        if active is None or active.id == self._derived.generation.id:
            yield
            return
        self._switching.add(active.id)
        try:
            self.prepare(active)
            yield
        finally:
            self._switching.discard(active.id)

    def _switch(self, derived: Derived, state: ReadState) -> None:
        """Bring everything to this state, with the vectors of its generation.

        Raises IndexDamaged if it lacks some.
        """
        generation = _active(state)
        mark, vectors = self._prepared.pop(generation.id, (None, None))
        if mark is None or vectors is None or not state.has(mark):
            vectors = empty_vectors(state, generation, self._stores)
        align(vectors, state, generation)
        due = state.changed_since(derived.followed.number)
        changes = derived.worked_out(state, sorted({document for _, document in due}), None)
        with self._lock.writing():
            self._alarms += derived.vectors.alarms
            derived.switch(generation, vectors, changes)
            derived.reached(state.mark)

    # --- what a process does beside searching ---------------------------------------------------

    def rebuild(self) -> None:
        """Build everything anew from the catalog while searches go on with the old; one switch at
        the end.
        """
        with self._maintenance:
            fresh = self._built_anew()
            self._catch_up(fresh)
            with self._following, self._lock.writing():
                self._alarms += self._derived.vectors.alarms
                self._derived = fresh
            if self._folder is not None:
                checkpoint.discard(self._folder)
        self.save()

    def _catch_up(self, fresh: Derived) -> None:
        """Follow what was written while it was built, as far as that is simple; searches follow the
        rest.
        """
        with self.catalog.reading() as state:
            if fresh.pending(state) and fresh.generation.id == state.generation_id:
                due = state.changed_since(fresh.followed.number)
                fresh.bring_in_line(state, sorted({document for _, document in due}))
                fresh.reached(state.mark)

    def tend(self, stop: Callable[[], bool] = lambda: False) -> None:
        """What a process does now and then beside searching: rebuild when asked to, load a
        generation that is ready, learn topics once the corpus is large. stop: asked now and then
        whether to leave that for another time.
        """
        with self.catalog.reading() as state:
            wanted = state.rebuild_number()
        if wanted > self._derived.rebuild_number:
            self.rebuild()
        for generation in self.catalog.generations.writable():
            if generation.state == "ready":
                self.prepare(generation)
        self._tend_topics(stop)
        self._check_some(stop)

    def _check_some(self, stop: Callable[[], bool]) -> None:
        """Compare a few reader sets with the catalog; in the course of time, all.

        Takes a small share of the time.
        """
        start = time.monotonic()
        while (
            not stop() and start >= self._check_again_at and time.monotonic() < start + _CHECKING_S
        ):
            derived = self._derived
            if not self._to_check:
                with self.catalog.reading() as state, self._lock.reading():
                    self._to_check = sorted(
                        all_reader_sets(derived, state.sets_in_use()), reverse=True
                    )
            if not self._to_check:
                break
            self._check(derived, self._to_check.pop())
            if not self._to_check:
                break  # all have had their turn; the next round starts another time
        took = time.monotonic() - start
        if took > _CHECKING_S:
            self._check_again_at = start + took + took / _SHARE

    def _check(self, derived: Derived, reader_set: int) -> None:
        """Throw the indexes away unless they hold what the catalog says.

        What changes meanwhile has its turn later.
        """
        just_this = np.array([reader_set], np.int64)
        with self._lock.reading():
            before = derived.changed(just_this)
        with self.catalog.reading() as state:
            pending = derived.pending(state)
            if (
                pending is None
                or reader_set in pending
                or derived.generation.id != state.generation_id
            ):
                return
            expected = list(state.placements(state.documents_in(reader_set)))
            with self._lock.reading():
                if not derived.usable or derived.changed(just_this) != before:
                    return
                try:
                    found = [
                        each.what
                        for each in compare_reader_set(
                            state, derived, reader_set, expected, whole=False
                        )
                    ]
                except Exception as error:  # so damaged that it cannot even be looked at
                    found = [repr(error)]
        if found:
            self.discard(
                derived, f"Reader set {reader_set} is not what the catalog says ({found[0]})"
            )
            self._make_usable()

    def save(self) -> None:
        """Write a checkpoint of what is in memory, so that the next start is fast."""
        if self._folder is None:
            return
        with self._maintenance, self._lock.reading():
            derived = self._derived
            if derived.usable:  # what was not followed to the end is never kept
                facts = self._facts(derived.generation, derived.rebuild_number)
                checkpoint.save(self._folder, facts, lambda folder: _write(derived, folder))

    def alarms(self) -> int:
        """How many rows the derived indexes returned that did not belong to the view.

        Anything but 0 is a defect.
        """
        return self._alarms + self._derived.vectors.alarms

    # --- topics ---------------------------------------------------------------------------------

    def _tend_topics(self, stop: Callable[[], bool]) -> None:
        """Have large views searched by topic from now on, once there are any.

        Searches go on meanwhile.
        """
        vectors, generation = self._derived.vectors, self._derived.generation
        if not isinstance(vectors, LearnsTopics) or not vectors.wants_topics:
            return
        with self._maintenance:
            adopt = self._prepare_topics(vectors, generation, stop)
            if adopt is None:
                return
            derived = self._derived
            with self._following, self._lock.writing():
                try:
                    adopt()
                except BaseException:
                    if derived.vectors is vectors:
                        derived.discard()
                    raise
        log.info("Large views are searched by topic now.")

    def _prepare_topics(
        self, vectors: LearnsTopics, generation: IndexGeneration, stop: Callable[[], bool]
    ) -> Callable[[], None] | None:
        """The last step of having topics; the first process to learn some decides for all.

        If None, it was stopped before the end.
        """
        kept = self.catalog.generations.centroids(generation)
        if kept is None:
            learnt = vectors.learn_topics(self._lock.reading, stop)
            if learnt is None:
                return None
            kept = self.catalog.generations.keep_centroids(generation, learnt, by=MAINTENANCE)
        return vectors.prepare_topics(kept, self._lock.reading, stop)

    # --- starting -------------------------------------------------------------------------------

    def _start(self) -> Derived:
        with self.catalog.reading() as state:
            return self._loaded(state) or self._built(state)

    def _built(self, state: ReadState) -> Derived:
        fresh = Derived.empty(state, _active(state), self._stores)
        fresh.repair(state)
        fresh.rebuild_number = state.rebuild_number()
        return fresh

    def _loaded(self, state: ReadState) -> Derived | None:
        """The checkpoint brought to this state, if it is sound, of a state that this catalog was
        in, and right.
        """
        if self._folder is None:
            return None
        generation = _active(state)
        facts = self._facts(generation, state.rebuild_number())
        try:
            with checkpoint.open_checkpoint(self._folder, facts) as folder:
                if folder is None:
                    return None
                loaded = _read(generation, folder, self._stores, state.centroids(generation))
            if not state.has(loaded.newest):
                raise IndexDamaged("It is of a state that this catalog does not know.")
            repaired = loaded.repair(state)
            for difference in verify(state, loaded, whole=False).differences:
                raise IndexDamaged(f"It is not what the catalog says. {difference.what}")
        # whatever is wrong with a derived file, it is no reason not to start
        except Exception as error:
            log.warning(
                "The checkpoint cannot be used and is built anew from the catalog: %s", error
            )
            return None
        loaded.rebuild_number = state.rebuild_number()
        log.info("Loaded the checkpoint; %d documents had changed since.", repaired)
        return loaded

    def _facts(self, generation: IndexGeneration, rebuild_number: int) -> Mapping[str, Any]:
        """What a checkpoint must have been made for: this installation, this generation, the last
        rebuild asked for.
        """
        return {
            "installation": hashlib.sha256(b"checkpoint" + self.catalog.secret).hexdigest(),
            "generation": generation.id,
            "model": generation.fingerprint,
            "rebuild": rebuild_number,
        }


_Met = tuple[ReadState, Derived, Ints | None]


def _within(pending: Sequence[int], sets: Ints | None) -> list[int]:
    """Those of the reader sets that belong to a view; None: all. sets: ascending."""
    if sets is None or not pending:
        return list(pending)
    due = np.array(pending, np.int64)
    if not len(sets):
        return []
    place = np.minimum(np.searchsorted(sets, due), len(sets) - 1)
    inside: list[int] = due[sets[place] == due].tolist()
    return inside


def _active(state: ReadState) -> IndexGeneration:
    generation = state.generation()
    if generation is None:
        raise IndexDamaged(
            "The catalog has no generation yet.", remedy="Call generations.ensure first."
        )
    return generation


def _write(derived: Derived, folder: Path) -> None:
    placed = derived.placements()
    rows = [p.rows for p in placed]
    arrays: dict[str, NDArray[Any]] = {
        "documents-id": np.array([p.document_id for p in placed], np.int64),
        "documents-reader-set": np.array([p.reader_set for p in placed], np.int64),
        "documents-token": np.frombuffer(b"".join(p.token for p in placed), np.uint8).reshape(
            -1, 32
        ),
        "documents-rows": np.concatenate(rows) if rows else np.empty(0, np.int64),
        "documents-size": np.array([len(r) for r in rows], np.int64),
        "state-number": np.array(derived.newest.number, np.int64),
        "state-token": np.frombuffer(derived.newest.token, np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    derived.vectors.save(folder)
    derived.keywords.save(folder)


def _read(
    generation: IndexGeneration,
    folder: Path,
    stores: VectorStores,
    learnt: Learnt | None,
) -> Derived:
    def array(name: str) -> NDArray[Any]:
        loaded: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False, mmap_mode="r")
        return loaded

    try:
        vectors = stores.load(folder, generation.dimension, learnt)
        derived = Derived(generation, KeywordIndex.load(folder), vectors)
        ends = np.cumsum(array("documents-size"))
        rows = np.split(array("documents-rows"), ends[:-1]) if len(ends) else []
        columns = (array(f"documents-{name}") for name in ("id", "reader-set", "token"))
        derived.take_over(
            Placement(int(i), int(s), token.tobytes(), r)
            for i, s, token, r in zip(*columns, rows, strict=True)
        )
        derived.newest = Mark(int(array("state-number")), array("state-token").tobytes())
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise IndexDamaged(str(error)) from error
    return derived
