"""What must hold inside the catalog, whatever was written to it and however it was copied.

For operators only.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from indexes.catalog.schema import (
    chunks,
    document_texts,
    documents,
    reader_set_entries,
    reader_sets,
    vectors,
)
from indexes.model import IndexGeneration

_TOLD = 20  # documents of one kind of problem
_UNIT_TOLERANCE = 1e-3
_FLOAT_BYTES = 4

_sizes = (
    select(
        chunks.c.document_id,
        func.count().label("number"),
        func.min(chunks.c.ordinal).label("first"),
        func.max(chunks.c.ordinal).label("last"),
    )
    .group_by(chunks.c.document_id)
    .subquery()
)
_NAMES = select(documents.c.public_id).order_by(documents.c.id).limit(_TOLD)
_WITHOUT_TEXT = _NAMES.outerjoin(document_texts).where(document_texts.c.document_id.is_(None))
_WITHOUT_READERS = _NAMES.outerjoin(reader_sets).where(reader_sets.c.id.is_(None))
_WITH_GAPS = _NAMES.join(_sizes, _sizes.c.document_id == documents.c.id).where(
    or_(_sizes.c.first != 0, _sizes.c.last != _sizes.c.number - 1)
)
_ORPHANS: tuple[tuple[str, Select[Any]], ...] = tuple(
    (
        f"There are {what} of a document that does not exist.",
        select(table.c.document_id)
        .outerjoin(documents, documents.c.id == table.c.document_id)
        .where(documents.c.id.is_(None)),
    )
    for what, table in (("texts", document_texts), ("chunks", chunks), ("vectors", vectors))
)
_STRAY_READERS = (
    select(reader_set_entries.c.reader_set_id)
    .outerjoin(reader_sets, reader_sets.c.id == reader_set_entries.c.reader_set_id)
    .where(reader_sets.c.id.is_(None))
)
_next = chunks.alias("next")
_OUT_OF_ORDER = _NAMES.join(chunks, chunks.c.document_id == documents.c.id).join(
    _next,
    (_next.c.document_id == chunks.c.document_id)
    & (_next.c.ordinal == chunks.c.ordinal + 1)
    & (_next.c.row <= chunks.c.row),
)


def find_problems(
    connection: Connection, generation: IndexGeneration, *, whole: bool
) -> Iterator[str]:
    """What does not hold, in words. whole: look into every text and vector, too, instead of
    counting them.
    """
    for said, wanted in (
        ("has no text", _WITHOUT_TEXT),
        ("has readers that do not exist", _WITHOUT_READERS),
        ("lacks a chunk", _WITH_GAPS),
        ("has chunks out of order", _OUT_OF_ORDER),
        (
            f"has no vectors of {generation.model}, or not one for each chunk",
            _select_without_vectors(generation),
        ),
    ):
        yield from (f"Document {name} {said}." for name in connection.scalars(wanted))
    for said, wanted in (
        *_ORPHANS,
        ("There are readers of a set that does not exist.", _STRAY_READERS),
    ):
        if connection.execute(wanted.limit(1)).first() is not None:
            yield said
    if whole:
        yield from _find_wrong_contents(connection, generation)


def find_damage(connection: Connection, *, whole: bool) -> Iterator[str]:
    """What does not hold in the file of a database, in words. On a server, that is the server's."""
    if connection.dialect.name != "sqlite":
        return
    how = "integrity_check" if whole else "quick_check"
    for said in connection.exec_driver_sql(f"PRAGMA {how}({_TOLD})").scalars():
        if said != "ok":
            yield f"The database is damaged: {said}."
    strays = {row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    yield from (f"Rows of {table} belong to rows that do not exist." for table in sorted(strays))


def _select_without_vectors(generation: IndexGeneration) -> Select[Any]:
    expected = func.coalesce(_sizes.c.number, 0) * generation.dimension * _FLOAT_BYTES
    of_it = (vectors.c.document_id == documents.c.id) & (vectors.c.generation_id == generation.id)
    joined = _NAMES.outerjoin(vectors, of_it).outerjoin(
        _sizes, _sizes.c.document_id == documents.c.id
    )
    return joined.where(
        or_(vectors.c.vectors.is_(None), func.length(vectors.c.vectors) != expected)
    )


def _find_wrong_contents(connection: Connection, generation: IndexGeneration) -> Iterator[str]:
    import numpy as np

    pieces = (
        select(
            documents.c.public_id,
            chunks.c.text,
            chunks.c.start,
            chunks.c.end,
            document_texts.c.text.label("whole"),
        )
        .join(chunks, chunks.c.document_id == documents.c.id)
        .join(document_texts, document_texts.c.document_id == documents.c.id)
    )
    for name, text, start, end, whole in connection.execution_options(yield_per=100).execute(
        pieces
    ):
        if whole[start:end] != text:
            yield f"A chunk of document {name} is not what its text says there."
    stored = (
        select(documents.c.public_id, vectors.c.vectors)
        .join(vectors, vectors.c.document_id == documents.c.id)
        .where(vectors.c.generation_id == generation.id)
    )
    for name, blob in connection.execution_options(yield_per=100).execute(stored):
        if len(blob) % (_FLOAT_BYTES * generation.dimension):
            continue  # told already
        matrix = np.frombuffer(blob, "<f4").reshape(-1, generation.dimension)
        if not np.all(np.abs(np.linalg.norm(matrix, axis=1) - 1) < _UNIT_TOLERANCE):
            yield f"A vector of document {name} is not of unit length."
