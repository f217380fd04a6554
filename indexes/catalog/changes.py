"""The change log that derived indexes follow. Internal: its numbers move with hidden writes, so no caller sees them."""

from typing import Literal

from sqlalchemy import Connection, delete, insert

from indexes.catalog.schema import changes

ChangeKind = Literal["document", "access", "generation", "rebuild"]


def note(connection: Connection, kind: ChangeKind, document_id: int | None = None) -> None:
    """Record that something changed, in the transaction that changes it. Only the newest note of a thing is kept."""
    same = changes.c.document_id == document_id if document_id is not None else changes.c.document_id.is_(None)
    connection.execute(delete(changes).where(changes.c.kind == kind, same))
    connection.execute(insert(changes).values(kind=kind, document_id=document_id))
