"""Who asked for a job, for whom its work acts. Of jobs that are there already it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("asked_by", sa.Text()))
