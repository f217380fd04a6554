"""The indexes that one process holds, and their replacement.

Indexes that may be wrong are never asked: they are thrown away and built anew from the catalog,
beside the others, and whoever needs indexes meanwhile waits for the new ones.
"""

import logging
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Lock

from indexes.catalog import Catalog
from indexes.catalog.reading import ReadState
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.locks import ReadWriteLock
from indexes.derived.persistence import load_indexes
from indexes.derived.vectors.store import VectorStores
from indexes.errors import IndexDamaged, IndexNotReady
from indexes.model import IndexGeneration

_WAIT_S = 30.0  # how long a search waits for indexes that another thread builds anew

log = logging.getLogger(__name__)


class HeldIndexes:
    """One per process; threads share it."""

    def __init__(self, catalog: Catalog, folder: Path | None, stores: VectorStores) -> None:
        """folder: holds the checkpoint. stores: makes those that hold the vectors."""
        self.catalog = catalog
        self.folder = folder
        self.stores = stores
        self.lock = ReadWriteLock()  # reading: searches. writing: short steps in memory
        # held by the one thread that changes the indexes or puts others in their place
        self.changing = Lock()
        # held by the one thread that loads, builds or saves while searches go on
        self.slow_work = Lock()
        self.discarded = 0  # how often indexes were thrown away because they might have been wrong
        self._former_alarms = 0  # of indexes that are not used any more
        # searches that find no usable indexes wait for this
        self._building: Future[None] | None = None
        self._choosing_builder = Lock()
        with catalog.reading() as state:
            self.current = self._load(state) or self.build(state)

    def alarms(self) -> int:
        """How many rows the derived indexes returned that did not belong to the view.

        Anything but 0 is a defect.
        """
        return self._former_alarms + self.current.vectors.alarms

    def keep_alarms(self) -> None:
        """To be called, under the lock, before the present vectors give way to others."""
        self._former_alarms += self.current.vectors.alarms

    def replace(self, fresh: DerivedIndexes) -> None:
        """Search these from now on; the present ones were usable to the end."""
        with self.changing, self.lock.writing():
            self.keep_alarms()
            self.current = fresh

    # --- indexes that may be wrong --------------------------------------------------------------

    def discard(self, derived: DerivedIndexes, why: str) -> None:
        """Never ask these indexes again. They are built anew before anybody is answered."""
        with self.lock.writing():
            if not derived.usable:
                return
            self._former_alarms += derived.vectors.alarms
            derived.discard()
        self.report_discarded(why)

    def report_discarded(self, why: str) -> None:
        """Count and log that the present indexes can be used no more."""
        self.discarded += 1
        failed = sys.exc_info()[0] is not None
        log.error("%s. They are built anew from the catalog.", why, exc_info=failed)

    def make_usable(self) -> None:
        """Build new indexes if the present ones were thrown away, or wait until another thread has
        done it.
        """
        with self._choosing_builder:
            if self.current.usable:
                return
            building, mine = self._building, self._building is None
            if building is None:
                building = self._building = Future()
        if mine:
            self._build_for_all(building)
            return
        try:
            building.result(_WAIT_S)
        except TimeoutError as error:
            raise IndexNotReady from error

    def _build_for_all(self, building: "Future[None]") -> None:
        """Build new indexes; the threads that wait for it learn through `building` how it ended."""
        try:
            fresh = self.build_beside()
            with self.changing, self.lock.writing():
                self.current = fresh
            building.set_result(None)
        except BaseException as error:
            # without what the failed build still holds
            building.set_exception(IndexNotReady(str(error)))
            log.exception("The indexes could not be built anew; this is tried again.")
            if isinstance(error, Exception):
                raise IndexNotReady(str(error)) from error
            raise
        finally:
            with self._choosing_builder:
                self._building = None

    # --- where indexes come from ----------------------------------------------------------------

    def build_beside(self) -> DerivedIndexes:
        """New indexes, beside those that there are. Holds nothing that a search waits for."""
        with self.catalog.reading() as state:
            return self.build(state)

    def build(self, state: ReadState) -> DerivedIndexes:
        """New indexes of this state."""
        fresh = DerivedIndexes.empty(state, require_generation(state), self.stores)
        fresh.repair(state)
        fresh.rebuild_number = state.rebuild_number()
        return fresh

    def _load(self, state: ReadState) -> DerivedIndexes | None:
        if self.folder is None:
            return None
        generation = require_generation(state)
        return load_indexes(
            state, generation, self.stores, self.folder, self.catalog.history_secret
        )


def require_generation(state: ReadState) -> IndexGeneration:
    """The generation that is searched in this state. Raises IndexDamaged if there is none."""
    generation = state.generation()
    if generation is None:
        raise IndexDamaged(
            "The catalog has no generation yet.", remedy="Call generations.ensure first."
        )
    return generation
