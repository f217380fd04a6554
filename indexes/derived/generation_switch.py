"""The switch to another generation of vectors: loaded beside the former, exchanged in one step."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from indexes.catalog.index_input import Mark
from indexes.catalog.reading import ReadState
from indexes.derived.held_indexes import HeldIndexes, require_generation
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.vector_input import align_vectors, empty_vectors
from indexes.derived.vectors.store import VectorStore
from indexes.model import IndexGeneration


class GenerationSwitch:
    """Threads share it."""

    def __init__(self, held: HeldIndexes, have_model: Callable[[IndexGeneration], None]) -> None:
        """have_model: told of each generation before it is searched here, to load its model."""
        self._held = held
        self._have_model = have_model
        self._under_way: set[int] = set()  # generations that a thread is about to switch to
        self._prepared: dict[int, tuple[Mark, VectorStore]] = {}  # by generation, in which state

    def prepare(self, generation: IndexGeneration) -> None:
        """Load the vectors of a generation that is about to be activated, so that the switch takes
        no time.
        """
        with self._held.slow_work:
            if generation.id in self._prepared:
                return
            self._have_model(generation)
            with self._held.catalog.reading() as state:
                vectors = empty_vectors(state, generation, self._held.stores)
                align_vectors(vectors, state, generation)
            self._prepared[generation.id] = state.mark, vectors

    def forget_others(self, generations: Collection[int]) -> None:
        """Give the memory back of vectors that will not be switched to."""
        with self._held.slow_work:
            for other in self._prepared.keys() - set(generations):
                self._prepared.pop(other, None)

    @contextmanager
    def prepare_active(self) -> Iterator[None]:
        """Inside, the vectors of the active generation are at hand.

        Others search on with the former ones meanwhile.
        """
        active = self._held.catalog.generations.active()
        if active is None or active.id == self._held.current.generation.id:
            yield
            return
        self._under_way.add(active.id)
        try:
            self.prepare(active)
            yield
        finally:
            self._under_way.discard(active.id)

    def is_under_way(self, state: ReadState) -> bool:
        """Whether a thread is about to switch to the generation of this state."""
        return state.generation_id in self._under_way

    def bring_to_generation(self, derived: DerivedIndexes, state: ReadState) -> bool:
        """Bring indexes of another generation to this state as a whole, with the vectors of its
        generation. False: they are of this generation already.

        Raises IndexDamaged if it lacks some.
        """
        if derived.generation.id == state.generation_id:
            return False
        generation = require_generation(state)
        mark, vectors = self._prepared.pop(generation.id, (None, None))
        if mark is None or vectors is None or not state.has(mark):
            vectors = empty_vectors(state, generation, self._held.stores)
        align_vectors(vectors, state, generation)
        changed = state.changed_since(derived.followed.number)
        documents = sorted({document for _, document in changed})
        changes = derived.compute_changes(state, documents, None)
        with self._held.lock.writing():
            self._held.keep_alarms()
            derived.switch_generation(generation, vectors, changes)
            derived.note_followed(state.mark)
        return True
