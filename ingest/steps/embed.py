"""Documents to documents with vectors."""

from collections.abc import Iterator

import numpy as np

from indexes.embedder import Embedder
from ingest.report import FileOutcome
from ingest.stages import AheadQueue, Stages
from ingest.steps.values import (
    ChunkedDocument,
    EmbeddedDocument,
    UnchangedFile,
    Vectors,
    WriteTools,
)

BATCH_TOKENS = 8_192  # given to the embedder in one call; also how long an interrupt waits


def embed_documents(
    items: AheadQueue[UnchangedFile | ChunkedDocument | FileOutcome],
    window: int,
    tools: WriteTools,
    stages: Stages,
) -> Iterator[UnchangedFile | EmbeddedDocument | FileOutcome]:
    """Documents with their vectors; everything else as it is.

    A window is what is ready now, so the embedder waits only when nothing is.
    """
    batch = max(1, BATCH_TOKENS // tools.settings.chunk_tokens)
    while taken := items.take_window(window):
        yield from (item for item in taken if not isinstance(item, ChunkedDocument))
        chunked = [item for item in taken if isinstance(item, ChunkedDocument)]
        del taken  # a large document is held by nobody when it has gone on
        if chunked:
            yield from _embed_window(chunked, tools, batch, stages)


def _embed_window(
    chunked: list[ChunkedDocument], tools: WriteTools, batch: int, stages: Stages
) -> Iterator[EmbeddedDocument]:
    """The documents with their vectors. Empties the list."""
    texts = [piece.embedded or piece.text for one in chunked for piece in one.document.chunks]
    vectors = {
        generation.id: _embed_by_length(texts, embedder, batch, stages)
        for generation, embedder in tools.embedders.by_generation()
    }
    del texts
    begin = 0
    chunked.reverse()
    while chunked:
        end = begin + len(chunked[-1].document.chunks)
        own = {generation: matrix[begin:end] for generation, matrix in vectors.items()}
        yield EmbeddedDocument(chunked=chunked.pop(), vectors=own)
        begin = end


def _embed_by_length(texts: list[str], embedder: Embedder, batch: int, stages: Stages) -> Vectors:
    """Vectors in the order of the texts, shape (texts, dimension); made longest first, so that
    little is padding.
    """
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    vectors = np.empty((len(texts), embedder.dimension), np.float32)
    for start in range(0, len(order), batch):
        stages.check()
        some = order[start : start + batch]
        vectors[some] = embedder.passages([texts[i] for i in some])
    return vectors
