"""Readers that a document's writers give it, under the rule of its place: checked and put into force
in one transaction.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.document_rows import delete_document, select_head
from indexes.catalog.documents import put_into_set
from indexes.catalog.jobs import Job, add_job
from indexes.catalog.names import meaning
from indexes.catalog.overrides import own_columns, own_readers, put_override, rows_of, uris_over
from indexes.catalog.reader_sets import readers_by_set, set_under
from indexes.catalog.schema import documents, ingest_failures, uploads
from indexes.catalog.sources import NamedSource
from indexes.catalog.writers import WritableDocument, writable_document
from indexes.errors import BadInput, Conflict, UnknownPrincipal
from indexes.formats import INSIDE
from indexes.job_kinds import REMOVE_FILE, PathRequest
from indexes.model import Actor, OwnReaders, Principal, Readers
from indexes.principals import ascii_form, check_rule


class StoredAccess:
    """What a writer may change of documents that are there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_readers(
        self, document_id: str, own: OwnReaders | None, principal: Principal, *, by: Actor
    ) -> Readers:
        """From the next request on these read it. own: None takes them away, so that the rule of
        its place holds alone. Returns who may read it then.

        Raises NotFound, NotAWriter, BadInput for what is no narrowing of the rule, UnknownPrincipal,
        NotAuthenticated, NotPermitted.
        """
        with self._database.writing(by) as connection:
            document = writable_document(connection, principal, document_id)
            rule_set = _rule_set_of(connection, document)
            if own is not None:
                own = check_own(connection, own, _rule_of(connection, document, rule_set))
            columns = own_columns(connection, own)
            kept = columns | {"rule_set_id": rule_set if own is not None else None}
            put_override(connection, document.uri, document.source.id, kept)
            waiting = update(uploads).where(uploads.c.uri == document.uri)
            connection.execute(waiting.values(columns))
            new = _settle(connection, document, rule_set)
            put_into_set(connection, document, new)
            after = {"own": None if own is None else own_as_json(own)}
            record_change(connection, "document.own_readers_set", document_id, after=after)
            return readers_by_set(connection, [new])[new]

    def delete(self, document_id: str, principal: Principal, *, by: Actor) -> Job:
        """It is gone from the next request on, with all that is in it if its file is an archive.

        Returns the job that removes the file. Raises NotFound, NotAWriter, Conflict for a file in an
        archive, NotAuthenticated, NotPermitted.
        """
        with self._database.writing(by) as connection:
            document = writable_document(connection, principal, document_id)
            refuse_inside_archive(document.uri)
            path = document.source.path_of(document.uri)
            payload = PathRequest(uri=document.uri, path=path).payload()
            job = add_job(connection, REMOVE_FILE, payload, principal.id)
            said = {"deleted": 1, "newest_job": job.number}
            put_override(connection, document.uri, document.source.id, said)
            delete_documents_of_file(connection, document.uri)
        return job


def refuse_inside_archive(uri: str) -> None:
    """Raises Conflict."""
    if INSIDE in uri:
        told, remedy = "It is a file in an archive.", "Replace or delete the whole archive."
        raise Conflict(told, remedy=remedy)


def own_as_json(own: OwnReaders) -> dict[str, list[str] | None]:
    """As records tell it."""
    allow = None if own.allow is None else sorted(own.allow)
    return {"allow": allow, "deny": sorted(own.deny)}


def check_own(connection: Connection, own: OwnReaders, rule: Readers | None) -> OwnReaders:
    """The same in the accepted spelling. rule: of the place; None: it is not known yet.

    Raises BadPrincipal, UnknownPrincipal, and BadInput if it allows whom the rule does not name.
    """
    said = check_rule(own.allow or (), own.deny)
    checked = OwnReaders(allow=None if own.allow is None else said.allow, deny=said.deny)
    if unknown := meaning(connection, said.allow | said.deny, hints=False).unknown:
        told = ", ".join(ascii_form(name) for name in sorted(unknown)[:5])
        raise UnknownPrincipal(f"Nobody has declared {told}.", remedy="Correct the name.")
    if rule is not None and (beyond := checked.beyond(rule)):
        told = ", ".join(ascii_form(name) for name in sorted(beyond)[:5])
        remedy = "Allow only those whom the rule names, or leave `allow` out; `deny` whom you like."
        raise BadInput(f"The rule of that place does not name {told}.", remedy=remedy)
    return checked


def rule_of_place(connection: Connection, uri: str, source: NamedSource) -> Readers | None:
    """The rule that holds for this path, as far as the catalog knows it; None if it does not."""
    stored = connection.execute(select_head(uri)).first()
    over = rows_of(connection, [uri]).get(uri)
    known = over.rule_set_id if over is not None and over.rule_set_id else None
    if known is None and stored is not None:
        known = stored.reader_set_id
    if known is not None:
        return readers_by_set(connection, [known])[known]
    return source.readers if source.readers.allow else None


def delete_documents_of_file(connection: Connection, uri: str) -> None:
    """The document of a file, or all of an archive, and what is known of their failures."""
    for row in documents_of_file(connection, uri):
        delete_document(connection, row.id, row.reader_set_id)
    connection.execute(delete(ingest_failures).where(_is_of_file(ingest_failures.c.uri, uri)))


def documents_of_file(connection: Connection, uri: str) -> list[Row[Any]]:
    """Ids and reader set of each."""
    of_it = documents.c
    found = select(of_it.id, of_it.public_id, of_it.reader_set_id)
    return list(connection.execute(found.where(_is_of_file(documents.c.uri, uri))))


def _is_of_file(column: ColumnElement[str], uri: str) -> ColumnElement[bool]:
    inside = uri + INSIDE
    return or_(column == uri, func.substr(column, 1, len(inside)) == inside)


def _rule_set_of(connection: Connection, document: WritableDocument) -> int:
    over = rows_of(connection, [document.uri]).get(document.uri)
    if over is None or over.rule_set_id is None:
        return document.reader_set_id
    return int(over.rule_set_id)


def _rule_of(connection: Connection, document: WritableDocument, rule_set: int) -> Readers:
    """With what the source denies and what its archive's own readers leave."""
    rule = readers_by_set(connection, [rule_set])[rule_set]
    for uri in uris_over(document.uri):
        own = own_readers(connection, uri) if uri != document.uri else None
        rule = own.under(rule) if own else rule
    return Readers(allow=rule.allow, deny=rule.deny | document.source.readers.deny)


def _settle(connection: Connection, document: WritableDocument, rule_set: int) -> int:
    """The reader set of a document under its rule, its archive's own readers, and its own."""
    settled, denied = rule_set, document.source.readers.deny
    for uri in uris_over(document.uri):
        settled = set_under(connection, settled, own_readers(connection, uri), denied)
    return settled
