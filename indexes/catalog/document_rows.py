"""A document as rows: what is checked before it is written, and the statements that write, replace
and remove it inside a transaction.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from indexes import attributes
from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note_document
from indexes.catalog.database import in_batches
from indexes.catalog.originals import exchange_original
from indexes.catalog.reader_sets import intern_readers, readers_of
from indexes.catalog.revisions import keep_revision
from indexes.catalog.schema import chunks, document_texts, documents, vectors
from indexes.errors import BadInput, ModelMismatch
from indexes.model import Chunk, Document, IndexGeneration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
MAX_VECTOR_BYTES = 900_000_000  # of one document; a database takes no value beyond a gigabyte
_UNIT_TOLERANCE = 1e-3


def check_document(document: Document) -> None:
    """Raises BadInput for attributes that a database would refuse or a filter could not name."""
    texts = [
        ("uri", document.uri, attributes.MAX_PATH_CHARS),
        ("path", document.path, attributes.MAX_PATH_CHARS),
        ("title", document.title, attributes.MAX_PATH_CHARS),
        ("collection", document.collection, attributes.MAX_NAME_CHARS),
        ("media type", document.media_type, attributes.MAX_NAME_CHARS),
        ("language", document.language, attributes.MAX_LANGUAGE_CHARS),
    ]
    for name, text, most in texts:
        if text is not None and (wrong := attributes.text_problem(text, most)):
            raise BadInput(f"The document's {name} {wrong}.")
    if wrong := attributes.metadata_problem(document.metadata):
        raise BadInput(f"The document's metadata {wrong}.")
    if document.modified_at is not None and (
        wrong := attributes.moment_problem(document.modified_at)
    ):
        raise BadInput(f"The document's time of change {wrong}.")


def vectors_as_bytes(
    document: Document,
    generation: IndexGeneration,
    by_generation: "Mapping[int, Vectors]",
) -> bytes:

    matrix = by_generation.get(generation.id)
    if matrix is None:
        raise ModelMismatch(
            f"There are no vectors of {generation.model} for {document.path}.",
            remedy="Embed it for every generation.",
        )
    if matrix.shape != (len(document.chunks), generation.dimension):
        raise BadInput(
            f"The vectors have shape {matrix.shape}, not {(len(document.chunks), generation.dimension)}."
        )
    if 4 * matrix.size > MAX_VECTOR_BYTES:
        raise BadInput(f"It has {len(document.chunks):,} passages, more than one document may.")
    check_unit_length(matrix)
    return matrix.astype("<f4").tobytes()


def check_unit_length(matrix: "Vectors") -> None:
    """Raises BadInput."""
    import numpy as np

    # NaN fails this too
    if not np.all(np.abs(np.linalg.norm(matrix, axis=1) - 1) < _UNIT_TOLERANCE):
        raise BadInput("The vectors are not of unit length.")


def select_head(uri: str) -> Select[Any]:
    of_it = documents.c
    return select(of_it.id, of_it.public_id, of_it.reader_set_id, of_it.original_sha256).where(
        of_it.uri == uri
    )


def write_head(connection: Connection, document: Document) -> tuple[int, str, tuple[int, ...]]:
    """(id, public id, the reader sets that held it before and hold it now)"""
    reader_set_id = intern_readers(connection, document.readers)
    values = {
        "path": document.path,
        "collection": document.collection,
        "title": document.title,
        "media_type": document.media_type,
        "language": document.language,
        "content_hash": document.content_hash,
        "page_kind": document.page_kind,
        "pages": _page_map(document),
        "metadata": dict(document.metadata),
        "metadata_digests": " ".join(
            sorted(attributes.metadata_digest(*item) for item in document.metadata.items())
        ),
        "modified_at": document.modified_at,
        "stored_at": datetime.now(UTC),
        "reader_set_id": reader_set_id,
        "token": secrets.token_bytes(32),
        "source_id": document.source_id,
        "losses": [asdict(loss) for loss in document.losses],
        "original_sha256": document.original,
    }
    found = connection.execute(select_head(document.uri)).first()
    before = None if found is None else found.original_sha256
    exchange_original(connection, before, document.original)
    if found is not None:
        _delete_body(connection, found.id)
        connection.execute(update(documents).where(documents.c.id == found.id).values(values))
        return found.id, found.public_id, (found.reader_set_id, reader_set_id)
    public_id = new_public_id()
    added = (
        insert(documents)
        .values(uri=document.uri, public_id=public_id, **values)
        .returning(documents.c.id)
    )
    return connection.execute(added).scalar_one(), public_id, (reader_set_id,)


def _page_map(document: Document) -> list[list[int | str | None]]:
    marks = {
        mark.number: mark for chunk in reversed(document.chunks) for mark in reversed(chunk.pages)
    }
    return [
        [mark.start, mark.number, mark.name]
        for mark in sorted(marks.values(), key=lambda mark: mark.start)
    ]


def write_body(connection: Connection, document_id: int, document: Document) -> None:
    connection.execute(insert(document_texts).values(document_id=document_id, text=document.text))
    for some in in_batches(document.chunks):  # a row is held twice or more until it is written
        connection.execute(insert(chunks), [_chunk_row(document_id, chunk) for chunk in some])


def _chunk_row(document_id: int, chunk: Chunk) -> dict[str, Any]:
    return {
        "public_id": new_public_id(),
        "document_id": document_id,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "section": list(chunk.section),
        "pages": [[mark.start, mark.number, mark.name] for mark in chunk.pages],
        "embedded": chunk.embedded or chunk.text,
        "words": chunk.words,
        "header": chunk.header,
        "headings": [[mark.start, list(mark.section)] for mark in chunk.headings],
        "tables": [[mark.start, mark.body, mark.end] for mark in chunk.tables],
    }


def write_vectors(connection: Connection, document_id: int, blobs: Mapping[int, bytes]) -> None:
    rows = [
        {"generation_id": g, "document_id": document_id, "vectors": blob}
        for g, blob in blobs.items()
    ]
    if rows:
        connection.execute(insert(vectors), rows)


def replace_vectors(connection: Connection, document_id: int, blobs: Mapping[int, bytes]) -> None:
    of_these = vectors.c.document_id == document_id, vectors.c.generation_id.in_(list(blobs))
    connection.execute(delete(vectors).where(*of_these))
    write_vectors(connection, document_id, blobs)


def delete_document(connection: Connection, document_id: int, reader_set_id: int) -> None:
    """Remove the document that this reader set holds, with its text, chunks and vectors."""
    wanted = select(documents.c.public_id, documents.c.original_sha256)
    stored = connection.execute(wanted.where(documents.c.id == document_id)).one()
    before = readers_of(connection, reader_set_id)
    record_change(connection, "document.removed", stored.public_id, before=before)
    exchange_original(connection, stored.original_sha256, None)
    _delete_body(connection, document_id)
    connection.execute(delete(documents).where(documents.c.id == document_id))
    note_document(connection, document_id, (reader_set_id,))


def _delete_body(connection: Connection, document_id: int) -> None:
    keep_revision(connection, document_id)
    for table in (vectors, chunks, document_texts):
        connection.execute(delete(table).where(table.c.document_id == document_id))


def new_public_id() -> str:
    """An id that says nothing and cannot be guessed."""
    return secrets.token_urlsafe(15)
