"""Which job builds a generation, and since when one was searched last.

Of those that are there nobody knows who builds them: they count as abandoned, and can be taken up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("generations", sa.Column("job_id", sa.String(length=32)))
    op.add_column("generations", sa.Column("activated_at", sa.DateTime()))
    op.execute(
        "UPDATE generations SET activated_at = created_at WHERE state IN ('active', 'retired')"
    )
