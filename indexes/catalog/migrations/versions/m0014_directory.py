"""Users and groups that a directory keeps: its names and ids for them, beside what rules know."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "directory_entries",
        sa.Column("principal_id", ID, nullable=False),
        sa.Column("public_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("external_id", sa.String(length=255)),
        sa.Column("active", sa.Boolean()),
        sa.Column("shut_out", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("left_at", sa.DateTime()),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_directory_entries_principal_id")
        ),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_directory_entries")),
        sa.UniqueConstraint("public_id", name=op.f("uq_directory_entries_public_id")),
    )
    op.create_index("ix_directory_entries_kind_folded", "directory_entries", ["kind", "folded"])
    op.create_index("ix_directory_entries_external_id", "directory_entries", ["external_id"])
