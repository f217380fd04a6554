"""What a process does for its indexes now and then, beside searching and following."""

import logging
from collections.abc import Callable

from indexes.derived import checkpoint
from indexes.derived.generation_switch import GenerationSwitch
from indexes.derived.health import HealthCheck
from indexes.derived.held_indexes import HeldIndexes
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.persistence import save_indexes
from indexes.derived.vectors.store import LearnsTopics
from indexes.errors import IndexDamaged
from indexes.model import MAINTENANCE, IndexGeneration

log = logging.getLogger(__name__)


class Maintenance:
    """Searches go on meanwhile. One thread at a time."""

    def __init__(self, held: HeldIndexes, switch: GenerationSwitch) -> None:
        self._held = held
        self._switch = switch
        self._health = HealthCheck(held)

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Rebuild when asked to, load a generation that is ready, learn topics once the corpus is
        large, and compare a few reader sets with the catalog.

        stop: asked now and then whether to leave that for another time.
        """
        with self._held.catalog.reading() as state:
            wanted = state.rebuild_number()
        if wanted > self._held.current.rebuild_number:
            self.rebuild()
        self._prepare_switch()
        self._have_topics(stop)
        self._health.check_some(stop)

    def _prepare_switch(self) -> None:
        """Load what will be searched soon; forget what was loaded and will not."""
        writable = self._held.catalog.generations.writable()
        ready = [generation for generation in writable if generation.state == "ready"]
        self._switch.forget_others([generation.id for generation in writable])
        for generation in ready:
            try:
                self._switch.prepare(generation)
            except IndexDamaged as error:  # a document came without its vectors: it is made first
                log.info("generation %d is not loaded yet: %s", generation.id, error)

    def save(self) -> None:
        """Write a checkpoint of what is in memory, so that the next start is fast."""
        if self._held.folder is None:
            return
        with self._held.slow_work, self._held.lock.reading():
            derived = self._held.current
            if derived.usable:  # what was not followed to the end is never kept
                save_indexes(derived, self._held.folder, self._held.catalog.history_secret)

    # --- everything anew ------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Build everything anew from the catalog while searches go on with the old; one switch at
        the end.
        """
        with self._held.slow_work:
            fresh = self._held.build_beside()
            self._catch_up(fresh)
            self._held.replace(fresh)
            if self._held.folder is not None:
                checkpoint.discard(self._held.folder)
        self.save()

    def _catch_up(self, fresh: DerivedIndexes) -> None:
        """Follow what was written while it was built, as far as that is simple; searches follow the
        rest.
        """
        newest = fresh.newest
        with self._held.catalog.reading() as state:
            if (
                fresh.reader_sets_behind(state, newest)
                and fresh.generation.id == state.generation_id
            ):
                changed = state.changed_since(fresh.followed.number)
                fresh.bring_in_line(state, sorted({document for _, document in changed}))
                fresh.note_followed(state.mark)

    # --- topics ---------------------------------------------------------------------------------

    def _have_topics(self, stop: Callable[[], bool]) -> None:
        """Have large views searched by topic from now on, once there are any."""
        vectors, generation = self._held.current.vectors, self._held.current.generation
        if not isinstance(vectors, LearnsTopics) or not vectors.wants_topics:
            return
        with self._held.slow_work:
            adopt = self._prepare_topics(vectors, generation, stop)
            if adopt is None:
                return
            derived = self._held.current
            with self._held.changing, self._held.lock.writing():
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
        generations, reading = self._held.catalog.generations, self._held.lock.reading
        kept = generations.centroids(generation)
        if kept is None:
            learnt = vectors.learn_topics(reading, stop)
            if learnt is None:
                return None
            kept = generations.keep_centroids(generation, learnt, by=MAINTENANCE)
        return vectors.prepare_topics(kept, reading, stop)
