"""Original files of documents, and what people say of the answers that they got."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("original_sha256", sa.String(length=64)))
    op.create_index("ix_documents_original_sha256", "documents", ["original_sha256"])
    op.create_table(
        "loose_originals",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_loose_originals")),
    )
    op.create_table(
        "feedback",
        sa.Column("answer_id", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("expected", sa.Text()),
        sa.Column("question", sa.Text()),
        sa.Column("answered_at", sa.DateTime(), nullable=False),
        sa.Column("given_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_answered_at", "feedback", ["answered_at"])
