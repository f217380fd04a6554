"""Parsed files to documents with chunks.

Files have been cut where they were parsed, in a process that may fail. What was not parsed there,
such as a row of a labelled set, is cut here.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from indexes import attributes
from indexes.catalog.document_rows import MAX_VECTOR_BYTES
from indexes.errors import SourceBroken, SourceError, SourceTooCostly
from indexes.losses import describe_loss
from indexes.model import Document, Scalar
from ingest.chunking import cut, storable_title
from ingest.elements import CutOptions, CutText, Parsed
from ingest.judged_files import SourceFile
from ingest.report import FileOutcome, failed_outcome
from ingest.steps.values import ChangedFile, ChunkedDocument, UnchangedFile, WriteTools

# of what a file says about itself; the rest is for its manifest
MAX_OWN_ITEMS = attributes.MAX_ITEMS // 2

log = logging.getLogger(__name__)


def chunk_documents(
    items: Iterable[UnchangedFile | ChangedFile | FileOutcome], tools: WriteTools
) -> Iterator[UnchangedFile | ChunkedDocument | FileOutcome]:
    """Parsed files as documents with chunks; everything else as it is."""
    return map(partial(_chunk_item, tools=tools), items)


def _chunk_item(
    item: UnchangedFile | ChangedFile | FileOutcome, tools: WriteTools
) -> UnchangedFile | ChunkedDocument | FileOutcome:
    if not isinstance(item, ChangedFile):
        return item
    try:
        return _chunk_document(item, tools)
    except SourceError as error:
        source, stale = item.task.source, item.task.stored is not None
        return failed_outcome(source.path, error, stale=stale, uri=source.uri)


def cut_options(source: SourceFile, chunk_tokens: int) -> CutOptions:
    """How this file is cut, wherever that happens."""
    stem = os.fsencode(source.file.stem).decode("utf-8", "replace")
    return CutOptions(chunk_tokens=chunk_tokens, title=source.title, fallback_title=stem)


def _chunk_document(changed: ChangedFile, tools: WriteTools) -> ChunkedDocument:
    """Raises SourceEmpty, SourceBroken."""
    source, parsed = changed.task.source, changed.parsed
    if parsed is None:
        raise SourceBroken("It was not parsed.")
    done = parsed.cut or _cut_here(parsed, source, tools)
    _check_size(len(done.chunks), tools)
    document = Document(
        uri=source.uri,
        source_id=source.source_id,
        path=source.path,
        title=storable_title(done.title, "untitled"),
        media_type=parsed.media_type,
        text=done.text,
        chunks=done.chunks,
        content_hash=changed.content_hash,
        readers=changed.task.readers,
        collection=source.collection,
        language=parsed.language,
        page_kind=parsed.page_kind,
        modified_at=source.modified_at,
        metadata={**_storable_metadata(parsed.metadata), **source.metadata},
        losses=parsed.losses,
        original=changed.original,
    )
    return ChunkedDocument(
        task=changed.task,
        verdict=changed.verdict,
        document=document,
        warnings=(*parsed.warnings, *map(describe_loss, parsed.losses)),
    )


def _check_size(passages: int, tools: WriteTools) -> None:
    """Before hours of embedding. Raises SourceTooCostly."""
    if 4 * passages * tools.embedders.main.dimension > MAX_VECTOR_BYTES:
        told = f"It has {passages:,} passages, more than one document may."
        raise SourceTooCostly(told, remedy="Split the file.")


def _cut_here(parsed: Parsed, source: SourceFile, tools: WriteTools) -> CutText:
    """Raises SourceEmpty, SourceBroken."""
    options, embedder = cut_options(source, tools.settings.chunk_tokens), tools.embedders.main
    try:
        made = cut(parsed, options, embedder).cut
    except SourceError:
        raise
    # whatever a strange text does to a tokenizer must not stop the other files
    except Exception as error:
        log.exception("Cutting %r failed", source.path)
        raise SourceBroken(
            f"It cannot be cut into passages ({type(error).__name__}: {error})."
        ) from error
    assert made is not None
    return made


def _storable_metadata(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What a file says about itself, without what no catalog takes: that is no reason to leave the
    file out.
    """
    sound = [item for item in metadata.items() if not attributes.metadata_problem(dict([item]))]
    return dict(sound[:MAX_OWN_ITEMS])
