"""What filters compare of metadata, and an index that decides about a document without reading it."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BATCH = 1_000
_LARGEST_WHOLE = 2**53


def upgrade() -> None:
    op.add_column(
        "documents", sa.Column("metadata_digests", sa.Text(), nullable=False, server_default="")
    )
    op.create_index(
        "ix_documents_public_id_reader_set_id", "documents", ["public_id", "reader_set_id"]
    )
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    documents = sa.table(
        "documents",
        sa.column("id", sa.BigInteger),
        sa.column("metadata", sa.JSON),
        sa.column("metadata_digests"),
    )
    last = 0
    while True:
        wanted = sa.select(documents.c.id, documents.c.metadata).where(documents.c.id > last)
        batch = connection.execute(wanted.order_by(documents.c.id).limit(_BATCH)).all()
        if not batch:
            return
        for document_id, metadata in batch:
            if metadata:
                filled = sa.update(documents).where(documents.c.id == document_id)
                connection.execute(filled.values(metadata_digests=_digests(metadata)))
        last = batch[-1].id


def _digests(metadata: dict[str, str | float | bool]) -> str:
    return " ".join(sorted(_digest(key, value) for key, value in metadata.items()))


def _digest(key: str, value: str | float | bool) -> str:
    if isinstance(value, bool):
        kind, said = "truth", str(value)
    elif isinstance(value, str):
        kind, said = "text", value
    elif isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        kind, said = "number", repr(int(value))
    else:
        kind, said = "number", repr(value)
    return hashlib.sha256(json.dumps([key, kind, said]).encode()).hexdigest()[:32]
