"""States with random tokens; changes noted with the reader sets that they touch."""

import secrets

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    newest = sa.text("SELECT COALESCE(MAX(number), 0) FROM changes")
    number = connection.scalar(newest) + 1
    kinds = sa.text("SELECT kind, MAX(number) FROM changes WHERE document_id IS NULL GROUP BY kind")
    kept = [tuple(row) for row in connection.execute(kinds)]
    op.create_table(
        "states",
        sa.Column("number", ID, nullable=False),
        sa.Column("token", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_states")),
        sqlite_autoincrement=True,
    )
    first = sa.text("INSERT INTO states (number, token) VALUES (:number, :token)")
    connection.execute(first, {"number": number, "token": secrets.token_bytes(16)})
    if connection.dialect.name == "postgresql":  # a number that was given does not count there
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence('states', 'number'), :number)"),
            {"number": number},
        )
    op.drop_table("changes")
    op.create_table(
        "changes",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", ID, nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_changes")),
    )
    for kind, of_kind in kept:
        again = sa.text("INSERT INTO changes (kind, number) VALUES (:kind, :number)")
        connection.execute(again, {"kind": kind, "number": of_kind})
    op.create_table(
        "document_changes",
        sa.Column("reader_set_id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("number", ID, nullable=False),
        sa.PrimaryKeyConstraint("reader_set_id", "document_id", name=op.f("pk_document_changes")),
    )
    op.create_index("ix_document_changes_number", "document_changes", ["number"])
    op.create_index(
        "ix_document_changes_reader_set_id_number", "document_changes", ["reader_set_id", "number"]
    )
    op.add_column("reader_sets", sa.Column("changed", ID, nullable=False, server_default="0"))
    op.create_index("ix_reader_sets_changed", "reader_sets", ["changed"])
