"""What a generation learnt about its vectors: the centroids of its topics."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "centroids",
        sa.Column("generation_id", ID, nullable=False),
        sa.Column("codes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name=op.f("fk_centroids_generation_id")
        ),
        sa.PrimaryKeyConstraint("generation_id", name=op.f("pk_centroids")),
    )
