"""The audit record, and what documents said before they were changed."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    chains = op.create_table(
        "audit_chains",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("begun_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chains")),
    )
    op.create_table(
        "audit_records",
        sa.Column("chain_id", _ID, nullable=False),
        sa.Column("number", _ID, nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        _of_chain("audit_records"),
        sa.PrimaryKeyConstraint("chain_id", "number", name=op.f("pk_audit_records")),
    )
    op.create_table(
        "audit_seals",
        sa.Column("id", _ID, nullable=False),
        sa.Column("chain_id", _ID, nullable=False),
        sa.Column("number", _ID, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("pruned", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("signature", sa.LargeBinary(64), nullable=False),
        _of_chain("audit_seals"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_seals")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kept_revisions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("document_public_id", sa.String(32), nullable=False),
        sa.Column("head", sa.JSON(), nullable=False),
        sa.Column("passages", sa.LargeBinary(), nullable=False),
        sa.Column("reader_set_id", _ID, nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_set_id"], ["reader_sets.id"], name=op.f("fk_kept_revisions_reader_set_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_revisions")),
        sqlite_autoincrement=True,
    )
    asked = sa.text("subject IS NOT NULL")
    op.create_index(
        "ix_audit_records_subject",
        "audit_records",
        ["subject"],
        sqlite_where=asked,
        postgresql_where=asked,
    )
    op.create_index("ix_audit_records_at", "audit_records", ["at"])
    op.create_index("ix_audit_seals_chain_id_number", "audit_seals", ["chain_id", "number"])
    for column in ("document_public_id", "ended_at"):
        op.create_index(f"ix_kept_revisions_{column}", "kept_revisions", [column])
    begun = datetime.now(UTC).replace(tzinfo=None)
    op.bulk_insert(chains, [{"id": 1, "name": "changes", "begun_at": begun}])


def _of_chain(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["chain_id"], ["audit_chains.id"], name=op.f(f"fk_{table}_chain_id")
    )
