"""Who may upload to a source, and replace, relabel and delete what is there.

A scope of the key says that it may be used for this, the rule of the source says who may. What the
caller may neither read nor write looks exactly like what does not exist.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from indexes.attributes import text_problem
from indexes.catalog.access import NO_SET, confirm, may_read_set
from indexes.catalog.prepared import Prepared
from indexes.catalog.reading import ID_OR_NEXT
from indexes.catalog.schema import documents, sources
from indexes.catalog.sources import NamedSource, find_sources
from indexes.errors import NotAWriter, NotFound, NotPermitted
from indexes.model import Principal
from indexes.scopes import INGEST

_MAX_ID_CHARS = 64
_PLACE_OF_DOCUMENT = Prepared(
    select(
        func.max(documents.c.public_id),
        func.max(documents.c.id),
        func.max(documents.c.reader_set_id),
        func.max(documents.c.source_id),
    ).where(documents.c.public_id.between(ID_OR_NEXT, ID_OR_NEXT))
)
"""Of the document with this id, or of the next one: as much work for an id that is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritableDocument:
    """A document that the caller may replace, relabel and delete."""

    id: int
    public_id: str
    uri: str
    reader_set_id: int
    source: NamedSource


def writable_source(connection: Connection, principal: Principal, name: str) -> NamedSource:
    """The source of this name, if the caller may write to it.

    Raises NotFound, whether it is absent or not the caller's to write, NotAuthenticated,
    NotPermitted.
    """
    by_name = {one.name.casefold(): one for one in find_sources(connection)}
    source = by_name.get(name.casefold())
    if not may_write(connection, principal, source.id if source else None) or source is None:
        raise NotFound("There is no such source for you to write to.")
    return source


def writable_document(
    connection: Connection, principal: Principal, public_id: str
) -> WritableDocument:
    """The document, if the caller may write to its source.

    Raises NotFound, whether it is absent or may neither be read nor written, NotAWriter for what
    the caller may read, NotAuthenticated, NotPermitted.
    """
    if text_problem(public_id, _MAX_ID_CHARS):
        raise NotFound()
    ((found, row_id, reader_set, source_id),) = _PLACE_OF_DOCUMENT.rows(
        connection, {"public_id": public_id}
    )
    there = found == public_id
    writes = may_write(connection, principal, source_id if there else None)
    reads = may_read_set(connection, principal, reader_set if there else NO_SET)
    if not writes:
        raise NotAWriter() if reads else NotFound()
    uri = connection.scalar(select(documents.c.uri).where(documents.c.id == row_id))
    source = next(one for one in find_sources(connection) if one.id == source_id)
    return WritableDocument(
        id=row_id, public_id=public_id, uri=str(uri), reader_set_id=reader_set, source=source
    )


def may_write(connection: Connection, principal: Principal, source_id: int | None) -> bool:
    """Whether the rule of this source lets the caller write. None stands for one that is absent.

    Raises NotAuthenticated, and NotPermitted without the scope.
    """
    confirm(connection, principal, INGEST)
    if principal.id is None:
        raise NotPermitted()
    writer_set = connection.scalar(
        select(sources.c.writer_set_id).where(sources.c.id == (source_id or 0))
    )
    # the key was confirmed with the scope that counts here; it need not carry `ask`
    person = replace(principal, key=None)
    return may_read_set(connection, person, writer_set or NO_SET)
