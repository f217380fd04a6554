"""Building the derived indexes anew while searches go on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.derived.comparison import LEAST_OVERLAP, Comparison, compare_generations
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import BadInput, ClearanceError, Conflict, IndexDamaged, ModelMismatch, NotFound
from indexes.job_kinds import RebuildRequest
from indexes.model import Actor, IndexGeneration

_BATCH = 32  # documents stored at a time
_EMBEDDED_TOGETHER = 32  # passages; whoever stops a rebuild waits for so many
GRACE_S = 3.0  # running services get so long to load new vectors before the switch
_LOOK_S = 0.1  # while running services load the new vectors: how often it is asked whether to go on

Progress = Callable[[int, int], None]
"""Told how far it is: documents done, and all of them. What it raises ends the rebuild."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """How a new generation comes into use."""

    grace_s: float = GRACE_S
    # of the best hits, at least this share must stay; None: whatever stays
    least_overlap: float | None = LEAST_OVERLAP
    job: str | None = None  # that builds it
    told: Callable[[Comparison], None] = lambda compared: None


def rebuild(
    catalog: Catalog,
    model: str | None,
    load_embedder: LoadEmbedder,
    progress: Progress = lambda done, total: None,
    *,
    by: Actor,
    grace_s: float = GRACE_S,
    switching: Switching | None = None,
    fingerprint: str | None = None,
) -> IndexGeneration:
    """Without a model, every process builds its indexes anew from the catalog.

    With a model, everything is embedded again, compared with the former vectors, and then searched
    with it; also with the model that is in use, if what runs it now gives other vectors than what
    ran it then. fingerprint: of the vectors that are wanted; None: what the settings give.

    Writes go on meanwhile; whoever stores a document stores its vectors for the new generation too.
    `grace_s` is how long running services get to load the new vectors before the switch. Killed at
    any moment, it can be run again and goes on where it stopped; switching back to a former model
    needs only what was written since. Raises BadInput when passages are too long for the model,
    VectorsDiffer if the new vectors find too little of what the former ones do, Busy while another
    job builds the same.
    """
    how = switching or Switching(grace_s=grace_s)
    active = catalog.generations.active()
    embedder = None if model is None else load_embedder(model, fingerprint)
    if active is not None and (embedder is None or embedder.fingerprint == active.fingerprint):
        catalog.generations.request_rebuild(by=by)
        progress(1, 1)
        return active
    if model is None or embedder is None:
        raise BadInput("There is nothing to rebuild yet.", remedy="Ingest a first document.")
    generation = catalog.generations.begin(
        model, embedder.fingerprint, embedder.dimension, by=by, job=how.job
    )
    try:
        embed_rest = partial(_embed_all, catalog, generation, embedder, progress, by)
        embed_rest()
        with catalog.reading() as state:
            go_on = partial(progress, *2 * [state.document_count()])
        if active is not None and how.least_overlap is not None:
            compared = compare_generations(
                catalog, active, generation, embedder, load_embedder, go_on
            )
            how.told(compared)
            compared.require(how.least_overlap)
        return _announce_and_activate(catalog, generation, embed_rest, go_on, how.grace_s, by)
    except BaseException:
        _lay_aside(catalog, generation, by)
        raise


def perform_rebuild(
    catalog: Catalog,
    request: RebuildRequest,
    load_embedder: LoadEmbedder,
    progress: Progress,
    *,
    by: Actor,
    job: str,
    least_overlap: float,
) -> dict[str, Any]:
    """What a job asks for. Returns its result.

    least_overlap: if the request names none. Raises as `rebuild` does.
    """
    compared: list[Comparison] = []
    least = least_overlap if request.least_overlap is None else request.least_overlap
    switching = Switching(
        grace_s=GRACE_S,
        least_overlap=None if request.anyway else least,
        job=job,
        told=compared.append,
    )
    built = rebuild(
        catalog,
        request.model,
        load_embedder,
        progress,
        by=by,
        switching=switching,
        fingerprint=request.fingerprint,
    )
    result = {"generation": built.id, "model": built.model, "dimension": built.dimension}
    for each in compared:
        result |= {"comparison": each.as_json(), "lines": [each.describe()]}
    return result


def find_rollback(catalog: Catalog, load_embedder: LoadEmbedder) -> IndexGeneration:
    """The generation that was searched before, if searches can go back to it.

    Raises NotFound if there is none, Conflict if it lacks vectors of what was written since,
    ModelMismatch if its model cannot be had any more.
    """
    former = catalog.generations.former()
    if former is None:
        raise NotFound(
            "No generation was searched before this one, or it was dropped.",
            remedy="To move to another model: clearance rebuild --model NAME",
        )
    _check_complete(catalog, former)
    if load_embedder(former.model, former.fingerprint).fingerprint != former.fingerprint:
        raise ModelMismatch(
            f"{former.model} is not what it was when generation {former.id} was built.",
            remedy=f"Build it anew: clearance rebuild --model {former.model}",
        )
    return former


def _check_complete(catalog: Catalog, former: IndexGeneration) -> None:
    """Raises Conflict, with what is missing and what to do."""
    with catalog.reading() as state:
        missing = state.count_documents_without_vectors(former)
    if missing:
        raise Conflict(
            f"Generation {former.id} ({former.model}) has no vectors of {missing} documents"
            " that were written since.",
            remedy=f"Embed them and switch: clearance rebuild --model {former.model}",
        )


def _lay_aside(catalog: Catalog, generation: IndexGeneration, by: Actor) -> None:
    """Whatever ended it is told, even if this cannot be written."""
    try:
        catalog.generations.lay_aside(generation, by=by)
    except ClearanceError:
        return


def _announce_and_activate(
    catalog: Catalog,
    generation: IndexGeneration,
    embed_rest: Callable[[], None],
    go_on: Callable[[], None],
    grace_s: float,
    by: Actor,
) -> IndexGeneration:
    """Searches use this generation once every document has vectors of it."""
    catalog.generations.announce(generation, by=by)
    until = time.monotonic() + grace_s
    while time.monotonic() < until:
        go_on()
        time.sleep(_LOOK_S)
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
    progress: Progress,
    by: Actor,
) -> None:
    with catalog.reading() as state:
        total = state.document_count()
        done, after = total - state.count_documents_without_vectors(generation), 0
    while True:
        with catalog.reading() as state:
            pending = state.documents_without_vectors(generation, _BATCH, after)
            texts = state.embedded_texts([document_id for document_id, _ in pending])
        if not pending and after == 0:
            progress(total, total)
            return
        if not pending:
            after = 0  # once more from the beginning: for what was written meanwhile
            continue
        go_on = partial(progress, min(done, total), total)
        wanted = [texts.get(document, ()) for document, _ in pending]
        made = {
            document: (token, matrix)
            for (document, token), matrix in zip(
                pending, _embed_passages(embedder, wanted, go_on), strict=True
            )
        }
        catalog.documents.add_vectors(generation, made, by=by)
        after, done = pending[-1][0], done + len(pending)
        progress(min(done, total), total)


def _embed_passages(
    embedder: Embedder, texts: Sequence[Sequence[str]], go_on: Callable[[], None]
) -> list[NDArray[np.float32]]:
    """The vectors of each document's passages. Raises BadInput if one is too long for the model."""
    flat = [text for passages in texts for text in passages]
    vectors = np.empty((len(flat), embedder.dimension), np.float32)
    for start in range(0, len(flat), _EMBEDDED_TOGETHER):
        go_on()
        some = flat[start : start + _EMBEDDED_TOGETHER]
        _check_lengths(some, embedder)
        vectors[start : start + len(some)] = embedder.passages(some)
    return np.split(vectors, np.cumsum([len(passages) for passages in texts])[:-1])


def _check_lengths(texts: Sequence[str], embedder: Embedder) -> None:
    longest = max(embedder.count(texts), default=0)
    if longest > embedder.max_tokens:
        raise BadInput(
            f"A passage has {longest} tokens and {embedder.name} reads {embedder.max_tokens}; the rest would be lost.",
            remedy=f"Set CLEARANCE_CHUNK_TOKENS to at most {embedder.max_tokens} and ingest again, then rebuild.",
        )
