"""Text to vectors.

`load` gives the embedder that the settings name; the rest of the project sees only the Protocol.
Knows no document, no reader and no catalog.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.artifacts import Report
from indexes.model import IndexGeneration
from indexes.settings import Settings

if TYPE_CHECKING:
    from indexes.embedder.sentences import ModelFacts

log = logging.getLogger(__name__)

MOST_THREADS = 8
"""More do not make one text of a small model faster."""


class TokenCounter(Protocol):
    """What cutting a text takes of an embedder."""

    @property
    def max_tokens(self) -> int:
        """Of one text."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without prefix and special tokens, and without cutting."""
        ...


@dataclass(frozen=True, slots=True)
class CounterRecipe:
    """How another process makes a TokenCounter that counts like an embedder, without its model."""

    maker: str  # "module:function", to be called with the other two
    data: bytes = field(repr=False)
    max_tokens: int


class Embedder(Protocol):
    """Turns questions and passages into unit vectors whose dot product says how near they are.

    A vector depends on its own text and on nothing else: not on the batch, not on what other
    callers do. Safe to use from several threads.
    """

    @property
    def name(self) -> str:
        """As configured."""
        ...

    @property
    def fingerprint(self) -> str:
        """Weights, prefixes, longest text and backend: vectors may be compared exactly if these
        are equal.
        """
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Of the text alone: prefix and special tokens are taken off already.

        What is longer is cut off, unseen.
        """
        ...

    def query(self, text: str) -> NDArray[np.float32]:
        """A unit vector of shape (dimension,); the same bytes each time for the same text in one
        process.
        """
        ...

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (len(texts), dimension), in the order of the texts."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without prefix and special tokens, and without cutting."""
        ...

    def counter_recipe(self) -> CounterRecipe:
        """For a process that may have neither the model nor its files."""
        ...


class LoadEmbedder(Protocol):
    """Gives the embedder of a model by its name or folder."""

    def __call__(self, model: str, fingerprint: str | None = None, /) -> Embedder:
        """fingerprint: of the vectors that it has to fit, if there are any. Whoever has no embedder
        with that fingerprint gives another one: the caller compares.
        """
        ...


def load(
    settings: Settings, report: Report = log.info, *, fingerprint: str | None = None
) -> Embedder:
    """The embedder that the settings name, ready to use; if they leave the backend open, the one
    that has the fingerprint, or the fastest for this processor.

    Slow the first time, when a model is fetched or converted.

    Raises BadConfiguration with a remedy when the model is not there or cannot be used.
    """
    from indexes.embedder.backends import choose_backend, load_backend
    from indexes.embedder.folders import locate_model
    from indexes.embedder.sentences import SentenceTransformerEmbedder, fingerprint_of, prefixes_of

    threads = settings.embedding_threads or available_threads()
    os.environ.setdefault("RAYON_NUM_THREADS", str(threads))  # the tokenizer's own pool
    os.environ.setdefault("TQDM_DISABLE", "1")  # progress is reported in sentences
    name, cache = settings.embedding_model, settings.home.absolute() / "models"
    prefixes = settings.embedding_query_prefix, settings.embedding_passage_prefix
    model = locate_model(name, cache, report)

    def fits(facts: "ModelFacts") -> bool:
        return fingerprint_of(facts, *prefixes_of(name, facts, *prefixes)) == fingerprint

    chosen = settings.embedding_backend
    if chosen == "auto":
        chosen = choose_backend(model, cache, fits if fingerprint else None)
    backend = load_backend(chosen, model, cache, threads, report)
    query, passage = prefixes
    return SentenceTransformerEmbedder(name, backend, query_prefix=query, passage_prefix=passage)


def embedder_loader(settings: Settings, report: Report = log.info) -> LoadEmbedder:
    """Loads the embedder of a model by its name, with the other settings as they are; each once."""
    loaded: dict[tuple[str, str | None], Embedder] = {}
    lock = Lock()

    def load_model(model: str, fingerprint: str | None = None, /) -> Embedder:
        with lock:
            if (model, fingerprint) not in loaded:
                named = settings.model_copy(update={"embedding_model": model})
                found = load(named, report, fingerprint=fingerprint)
                known = loaded.setdefault((model, found.fingerprint), found)
                loaded[model, fingerprint] = known
            return loaded[model, fingerprint]

    return load_model


def load_in_use(
    load_embedder: LoadEmbedder, settings: Settings, active: IndexGeneration | None
) -> Embedder:
    """The embedder to begin with: that of the settings, or, if they say so, that of the active
    generation. The caller compares.
    """
    if active is None:
        return load_embedder(settings.embedding_model)
    name = settings.embedding_model
    if settings.embedding_follows == "catalog" and active.model != name:
        log.warning(
            "The settings name the embedding model %s; the catalog is searched with %s, which is used.",
            name,
            active.model,
        )
        name = active.model
    return load_embedder(name, active.fingerprint)


def available_threads() -> int:
    """Threads that are of use to an embedder."""
    return max(1, min(available_cores(), MOST_THREADS))


def available_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
