"""Building the derived indexes anew while searches go on."""

import time
from collections.abc import Callable, Sequence

import numpy as np

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

    With a model, everything is embedded again, and then searched with it.

    Writes go on meanwhile; whoever stores a document stores its vectors for the new generation too.
    `grace_s` is how long running services get to load the new vectors before the switch. Killed at
    any moment, it can be run again and goes on where it stopped; switching back to a former model
    needs only what was written since. Raises BadInput when passages are too long for the model.
    """
    active = catalog.generations.active()
    if active is not None and model in (None, active.model):
        catalog.generations.request_rebuild(by=by)
        progress(1, 1)
        return active
    if model is None:
        raise BadInput("There is nothing to rebuild yet.", remedy="Ingest a first document.")
    embedder = load_embedder(model)
    if active is not None and active.fingerprint == embedder.fingerprint:
        catalog.generations.request_rebuild(by=by)
        return active
    generation = catalog.generations.begin(model, embedder.fingerprint, embedder.dimension, by=by)
    _embed_all(catalog, generation, embedder, progress, by)
    catalog.generations.announce(generation, by=by)
    time.sleep(grace_s)
    while True:
        try:
            return catalog.generations.activate(generation, by=by)
        # a document came in meanwhile from a process that did not know of this generation
        except IndexDamaged:
            _embed_all(catalog, generation, embedder, progress, by)


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
        sizes = [len(texts.get(document_id, ())) for document_id, _ in pending]
        flat = [text for document_id, _ in pending for text in texts.get(document_id, ())]
        _check_lengths(flat, embedder)
        parts = np.split(embedder.passages(flat), np.cumsum(sizes)[:-1])
        rows = zip(pending, parts, strict=True)
        catalog.documents.add_vectors(
            generation, {i: (token, matrix) for (i, token), matrix in rows}, by=by
        )
        done += len(pending)
        progress(min(done, total), total)


def _check_lengths(texts: Sequence[str], embedder: Embedder) -> None:
    longest = max(embedder.count(texts), default=0)
    if longest > embedder.max_tokens:
        raise BadInput(
            f"A passage has {longest} tokens and {embedder.name} reads {embedder.max_tokens}; the rest would be lost.",
            remedy=f"Set CLEARANCE_CHUNK_TOKENS to at most {embedder.max_tokens} and ingest again, then rebuild.",
        )
