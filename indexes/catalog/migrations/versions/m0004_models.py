"""Who may use which language model."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("reader_set_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_set_id"], ["reader_sets.id"], name=op.f("fk_models_reader_set_id")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
