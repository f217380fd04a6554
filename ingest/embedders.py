"""The embedding models of a run, each loaded when it is needed first."""

import threading

from indexes.catalog import Catalog
from indexes.embedder import CounterRecipe, Embedder, LoadEmbedder, load_in_use
from indexes.errors import ModelMismatch
from indexes.model import Actor, IndexGeneration
from indexes.settings import Settings


class Embedders:
    """The embedder of the settings, and those of generations under construction."""

    def __init__(
        self, catalog: Catalog, model: str | Settings, load: LoadEmbedder, *, by: Actor
    ) -> None:
        """model: by its name, or the settings that say which one."""
        self._catalog = catalog
        self._by = by
        self._model = model
        self._load = load
        self._main: Embedder | None = None
        self._others: dict[str, Embedder] = {}  # by fingerprint
        self._recipe: CounterRecipe | None = None
        self._lock = threading.RLock()

    @property
    def main(self) -> Embedder:
        """The embedder of the settings; its tokenizer cuts the chunks.

        Raises ModelMismatch if another is in use.
        """
        with self._lock:
            if self._main is None:
                active = self._catalog.generations.active()
                if isinstance(self._model, Settings):
                    embedder = load_in_use(self._load, self._model, active)
                else:
                    embedder = self._load(self._model, active.fingerprint if active else None)
                self._catalog.generations.ensure(
                    embedder.name, embedder.fingerprint, embedder.dimension, by=self._by
                )
                self._main = embedder
            return self._main

    @property
    def recipe(self) -> CounterRecipe:
        """Counts the tokens of `main` in another process. Made once."""
        with self._lock:
            if self._recipe is None:
                self._recipe = self.main.counter_recipe()
            return self._recipe

    def by_generation(self) -> list[tuple[IndexGeneration, Embedder]]:
        """Every generation that a document needs vectors for now, with its embedder."""
        return [
            (generation, self._embedder_of(generation))
            for generation in self._catalog.generations.writable()
        ]

    def _embedder_of(self, generation: IndexGeneration) -> Embedder:
        with self._lock:
            if self.main.fingerprint == generation.fingerprint:
                return self.main
            if generation.fingerprint not in self._others:
                embedder = self._load(generation.model, generation.fingerprint)
                if embedder.fingerprint != generation.fingerprint:
                    raise ModelMismatch(
                        f"{generation.model} is not what generation {generation.id} was begun with."
                    )
                self._others[embedder.fingerprint] = embedder
            return self._others[generation.fingerprint]
