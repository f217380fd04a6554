"""Parsed files to documents with chunks."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from indexes import attributes
from indexes.embedder import Embedder
from indexes.errors import SourceBroken, SourceEmpty, SourceError
from indexes.losses import describe_loss
from indexes.model import Document, Scalar
from ingest.chunking import chunk
from ingest.report import FileOutcome, failed_outcome
from ingest.steps.values import ChangedFile, ChunkedDocument, UnchangedFile, WriteTools

MAX_TITLE_CHARS = 300
# of what a file says about itself; the rest is for its manifest
MAX_OWN_ITEMS = attributes.MAX_ITEMS // 2

log = logging.getLogger(__name__)


def chunk_documents(
    items: Iterable[UnchangedFile | ChangedFile | FileOutcome], tools: WriteTools
) -> Iterator[UnchangedFile | ChunkedDocument | FileOutcome]:
    """Parsed files as documents with chunks; everything else as it is."""
    for item in items:
        if not isinstance(item, ChangedFile):
            yield item
            continue
        embedder = tools.embedders.main
        try:
            yield _chunk_document(item, embedder, tools.settings.chunk_tokens)
        except SourceError as error:
            yield failed_outcome(
                item.task.source.path,
                error,
                stale=item.task.stored is not None,
                uri=item.task.source.uri,
            )


def _chunk_document(changed: ChangedFile, embedder: Embedder, chunk_tokens: int) -> ChunkedDocument:
    """Raises SourceEmpty, SourceBroken."""
    source, parsed = changed.task.source, changed.parsed
    if parsed is None:
        raise SourceBroken("It was not parsed.")
    title = _storable_title(source.title or parsed.title or "", fallback=source.file)
    try:
        text, chunks = chunk(parsed, title, embedder, chunk_tokens)
    except SourceError:
        raise
    # whatever a strange text does to a tokenizer must not stop the other files
    except Exception as error:
        log.exception("Cutting %r failed", source.path)
        raise SourceBroken(
            f"It cannot be cut into passages ({type(error).__name__}: {error})."
        ) from error
    if not chunks:
        raise SourceEmpty()
    document = Document(
        uri=source.uri,
        source_id=source.source_id,
        path=source.path,
        title=title,
        media_type=parsed.media_type,
        text=text,
        chunks=chunks,
        content_hash=changed.content_hash,
        readers=changed.task.readers,
        collection=source.collection,
        language=parsed.language,
        page_kind=parsed.page_kind,
        modified_at=source.modified_at,
        metadata={**_storable_metadata(parsed.metadata), **source.metadata},
        losses=parsed.losses,
    )
    return ChunkedDocument(
        task=changed.task,
        verdict=changed.verdict,
        document=document,
        warnings=(*parsed.warnings, *map(describe_loss, parsed.losses)),
    )


def _storable_metadata(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What a file says about itself, without what no catalog takes: that is no reason to leave the
    file out.
    """
    sound = [item for item in metadata.items() if not attributes.metadata_problem(dict([item]))]
    return dict(sound[:MAX_OWN_ITEMS])


def _storable_title(given: str, fallback: Path) -> str:
    shown = " ".join("".join(c if c.isprintable() else " " for c in given).split())
    return shown[:MAX_TITLE_CHARS] or os.fsencode(fallback.stem).decode("utf-8", "replace")
