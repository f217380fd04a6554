"""Documents over HTTP: who may write to a source, uploads that wait, what was said of single paths,
keys of requests that may come twice, and jobs that may be cancelled.
"""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sources", sa.Column("writer_set_id", ID))
    op.add_column("jobs", sa.Column("asker_id", ID))
    op.add_column(
        "jobs", sa.Column("cancel_requested", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_index("ix_jobs_asker_id", "jobs", ["asker_id"])
    _create_overrides()
    _create_uploads()


def _create_overrides() -> None:
    op.create_table(
        "overrides",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("own_kind", sa.Integer(), nullable=False),
        sa.Column("own_set_id", ID),
        sa.Column("rule_set_id", ID),
        sa.Column("title", sa.Text()),
        sa.Column("collection", sa.String(length=255)),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("newest_job", ID, nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_overrides")),
    )
    op.create_index("ix_overrides_source_id", "overrides", ["source_id"])


def _create_uploads() -> None:
    op.create_table(
        "blobs",
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("size", ID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=32)),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("public_id", name=op.f("pk_blobs")),
    )
    op.create_index("ix_blobs_owner_id", "blobs", ["owner_id"])
    op.create_table(
        "uploads",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("blob_id", sa.String(length=32)),
        sa.Column("is_new", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("own_kind", sa.Integer(), nullable=False),
        sa.Column("own_set_id", ID),
        sa.Column("title", sa.Text()),
        sa.Column("collection", sa.String(length=255)),
        sa.Column("metadata", sa.JSON()),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_uri", "uploads", ["uri"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
