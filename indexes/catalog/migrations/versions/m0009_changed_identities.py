"""When somebody's identities changed last, so that a remembered view is not worked out again for
nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("principals", sa.Column("changed", ID, nullable=False, server_default="0"))
