"""Building the derived indexes anew while searches go on."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import BadInput, IndexDamaged
from indexes.model import Actor, IndexGeneration

_BATCH = 32  # documents embedded and stored at a time


def rebuild(
    catalog: Catalog,
    model: str | None,
    load_embedder: LoadEmbedder,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    by: Actor,
    grace_s: float = 3.0,
) -> IndexGeneration:
    """Without a model, every process builds its indexes anew from the catalog.

    With a model, everything is embedded again, and then searched with it; also with the model that
    is in use, if what runs it now gives other vectors than what ran it then.

    Writes go on meanwhile; whoever stores a document stores its vectors for the new generation too.
    `grace_s` is how long running services get to load the new vectors before the switch. Killed at
    any moment, it can be run again and goes on where it stopped; switching back to a former model
    needs only what was written since. Raises BadInput when passages are too long for the model.
    """
    active = catalog.generations.active()
    embedder = None if model is None else load_embedder(model)
    if active is not None and (embedder is None or embedder.fingerprint == active.fingerprint):
        catalog.generations.request_rebuild(by=by)
        progress(1, 1)
        return active
    if model is None or embedder is None:
        raise BadInput("There is nothing to rebuild yet.", remedy="Ingest a first document.")
    generation = catalog.generations.begin(model, embedder.fingerprint, embedder.dimension, by=by)
    embed_rest = partial(_embed_all, catalog, generation, embedder, progress, by)
    return _fill_and_activate(catalog, generation, embed_rest, grace_s, by)


def _fill_and_activate(
    catalog: Catalog,
    generation: IndexGeneration,
    embed_rest: Callable[[], None],
    grace_s: float,
    by: Actor,
) -> IndexGeneration:
    """Searches use this generation once every document has vectors of it."""
    embed_rest()
    catalog.generations.announce(generation, by=by)
    time.sleep(grace_s)
    while True:
        try:
            return catalog.generations.activate(generation, by=by)
        # a document came in meanwhile from a process that did not know of this generation
        except IndexDamaged:
            embed_rest()


def _embed_all(
    catalog: Catalog,
    generation: IndexGeneration,
    embedder: Embedder,
    progress: Callable[[int, int], None],
    by: Actor,
) -> None:
    with catalog.reading() as state:
        total, done = state.document_count(), 0
    while True:
        with catalog.reading() as state:
            pending = state.documents_without_vectors(generation, _BATCH)
            texts = state.embedded_texts([document_id for document_id, _ in pending])
        if not pending:
            progress(total, total)
            return
        vectors = _embed_passages(embedder, [texts.get(document, ()) for document, _ in pending])
        made = {
            document: (token, matrix)
            for (document, token), matrix in zip(pending, vectors, strict=True)
        }
        catalog.documents.add_vectors(generation, made, by=by)
        done += len(pending)
        progress(min(done, total), total)


def _embed_passages(
    embedder: Embedder, texts: Sequence[Sequence[str]]
) -> list[NDArray[np.float32]]:
    """The vectors of each document's passages. Raises BadInput if one is too long for the model."""
    flat = [text for passages in texts for text in passages]
    _check_lengths(flat, embedder)
    ends = np.cumsum([len(passages) for passages in texts])
    return np.split(embedder.passages(flat), ends[:-1])


def _check_lengths(texts: Sequence[str], embedder: Embedder) -> None:
    longest = max(embedder.count(texts), default=0)
    if longest > embedder.max_tokens:
        raise BadInput(
            f"A passage has {longest} tokens and {embedder.name} reads {embedder.max_tokens}; the rest would be lost.",
            remedy=f"Set CLEARANCE_CHUNK_TOKENS to at most {embedder.max_tokens} and ingest again, then rebuild.",
        )
