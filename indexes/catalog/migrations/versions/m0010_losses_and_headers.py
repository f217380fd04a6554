"""What a document lacks of its file; of passages, what keyword search reads, the headings and
tables inside, and the header above a part of a table.

Documents that are stored already have none of it until they are ingested again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("losses", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("chunks", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    op.add_column("chunks", sa.Column("header", sa.Text(), nullable=False, server_default=""))
    op.add_column("chunks", sa.Column("headings", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("chunks", sa.Column("tables", sa.JSON(), nullable=False, server_default="[]"))
