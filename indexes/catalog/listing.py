"""What an operator sees of documents: where they are from, who may read them, what went wrong.

Never their text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    RowMapping,
    String,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.document_rows import delete_document
from indexes.catalog.reader_sets import readers_by_set
from indexes.catalog.revisions import erase_revisions, has_revisions
from indexes.catalog.schema import (
    Moment,
    chunks,
    documents,
    ingest_failures,
    principals,
    reader_set_entries,
    sources,
)
from indexes.errors import BadInput, NotFound
from indexes.model import Actor, Loss, Readers

DocumentState = Literal["stored", "stale", "failed", "refused", "gone"]
STATES: tuple[DocumentState, ...] = ("stored", "stale", "failed", "refused", "gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDocument:
    """A document, or a file that did not become one, as operators see it.

    `stale` means that an older version of the file is stored, `gone` that there is no file any
    more.
    """

    id: str | None  # None if it is not stored
    source: str | None
    path: str
    title: str | None
    state: DocumentState
    chunks: int
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    error: str | None
    remedy: str | None
    failed_at: datetime | None
    stored_at: datetime | None
    losses: tuple[Loss, ...] = ()  # what stands in its file and not in its text
    original: bool = False  # whether its file is kept


class Listing:
    """Documents and failed files, for operators. Nothing here returns text of a document."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(
        self,
        *,
        source: str | None = None,
        path_prefix: str = "",
        state: DocumentState | None = None,
        reader: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[ListedDocument]:
        """Documents by path, then source. reader: only those whose rule allows this name.

        Raises BadInput for a state that is none.
        """
        if state is not None and state not in STATES:
            raise BadInput(f"{state} is no state.", remedy=f"States: {', '.join(STATES)}.")
        wanted = _select_documents()
        given: list[Any] = (
            [func.substr(wanted.c.path, 1, len(path_prefix)) == path_prefix] if path_prefix else []
        )
        given += [wanted.c.source == source] if source else []
        given += [wanted.c.state == state] if state else []
        given += [_is_allowed(reader, wanted.c.reader_set_id)] if reader else []
        page = (
            select(wanted)
            .where(*given)
            .order_by(wanted.c.path, wanted.c.uri)
            .limit(limit)
            .offset(offset)
        )
        with self._database.reading() as connection:
            rows = connection.execute(page).mappings().all()
            sets = {row["reader_set_id"] for row in rows if row["reader_set_id"] is not None}
            readers = readers_by_set(connection, sets)
        return [_document_of(row, readers) for row in rows]

    def get(self, document_id: str) -> ListedDocument:
        """By public id. Raises NotFound."""
        wanted = _select_documents()
        with self._database.reading() as connection:
            row = (
                connection.execute(select(wanted).where(wanted.c.public_id == document_id))
                .mappings()
                .first()
            )
            if row is None:
                raise NotFound(f"There is no document {document_id}.")
            return _document_of(row, readers_by_set(connection, [row["reader_set_id"]]))

    def remove(self, document_ids: Sequence[str], *, erase: bool = False, by: Actor) -> int:
        """All of these, by public id, or none. Raises NotFound.

        erase: with all that they ever said, so that answers made of them cannot be shown again.
        """
        with self._database.writing(by) as connection:
            for public_id in document_ids:
                found = select(documents.c.id, documents.c.uri, documents.c.reader_set_id)
                row = connection.execute(found.where(documents.c.public_id == public_id)).first()
                if row is None and erase and has_revisions(connection, public_id):
                    continue
                if row is None:
                    raise NotFound(f"There is no document {public_id}.")
                delete_document(connection, row.id, row.reader_set_id)
                connection.execute(ingest_failures.delete().where(ingest_failures.c.uri == row.uri))
            if erase:
                erase_revisions(connection, document_ids)
                for public_id in document_ids:
                    record_change(connection, "document.erased", public_id)
        return len(document_ids)


def _is_allowed(reader: str, reader_set: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the rule of this column's reader set allows this name."""
    named = select(literal(1)).where(
        reader_set_entries.c.reader_set_id == reader_set,
        reader_set_entries.c.effect == "allow",
        reader_set_entries.c.principal_id.in_(
            select(principals.c.id).where(principals.c.name == reader)
        ),
    )
    return exists(named)


def _select_documents() -> Any:
    """Documents with what went wrong with them, and files that are known for what went wrong alone."""
    size = select(func.count()).where(chunks.c.document_id == documents.c.id).scalar_subquery()
    problem = ingest_failures.c
    state = case(
        (problem.status.is_(None), "stored"), (problem.status == "gone", "gone"), else_="stale"
    )
    stored = (
        select(
            documents.c.uri, documents.c.public_id, sources.c.name.label("source"), documents.c.path,
            documents.c.title, state.label("state"), size.label("chunks"), documents.c.reader_set_id,
            problem.reason, problem.remedy, problem.failed_at, documents.c.stored_at, documents.c.losses,
            documents.c.original_sha256,
        )
        .select_from(documents)
        .outerjoin(sources, sources.c.id == documents.c.source_id)
        .outerjoin(ingest_failures, problem.uri == documents.c.uri)
    )  # fmt: skip
    nothing = null()
    only_failed = (
        select(
            problem.uri, nothing.label("public_id"), sources.c.name.label("source"), problem.path,
            nothing.label("title"), problem.status.label("state"), literal(0).label("chunks"),
            cast(nothing, Integer).label("reader_set_id"), problem.reason, problem.remedy, problem.failed_at,
            cast(nothing, Moment).label("stored_at"), cast(nothing, JSON).label("losses"),
            cast(nothing, String).label("original_sha256"),
        )
        .select_from(ingest_failures)
        .outerjoin(sources, sources.c.id == problem.source_id)
        .where(~exists().where(documents.c.uri == problem.uri))
    )  # fmt: skip
    return union_all(stored, only_failed).subquery()


def _document_of(row: RowMapping, readers: Mapping[int, Readers]) -> ListedDocument:
    own = readers.get(row["reader_set_id"], Readers(allow=frozenset()))
    return ListedDocument(
        id=row["public_id"],
        source=row["source"],
        path=row["path"],
        title=row["title"],
        state=row["state"],
        chunks=row["chunks"],
        allow=tuple(sorted(own.allow)),
        deny=tuple(sorted(own.deny)),
        error=row["reason"],
        remedy=row["remedy"],
        failed_at=row["failed_at"],
        stored_at=row["stored_at"],
        losses=tuple(Loss(**told) for told in row["losses"] or ()),
        original=row["original_sha256"] is not None,
    )
