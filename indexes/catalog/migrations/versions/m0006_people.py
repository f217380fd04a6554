"""People and groups are entities: their state, their former names, and what their names look like."""

import hashlib
import logging

import sqlalchemy as sa
from alembic import op

from indexes.confusables import shapes

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)


def upgrade() -> None:
    # never by making the table anew: SQLite would then give ids of removed people to others
    op.add_column(
        "principals",
        sa.Column("state", sa.String(length=16), nullable=False, server_default="named"),
    )
    op.add_column(
        "principals", sa.Column("external", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute("UPDATE principals SET state = 'removed' WHERE name LIKE '%#%'")
    op.execute("UPDATE principals SET state = 'active' WHERE known = 1")
    op.create_table(
        "principal_aliases",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("principal_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_principal_aliases_principal_id")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_principal_aliases")),
    )
    op.create_index(
        op.f("ix_principal_aliases_principal_id"), "principal_aliases", ["principal_id"]
    )
    table = op.create_table(
        "principal_shapes",
        sa.Column("shape", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("principal_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_principal_shapes_principal_id")
        ),
        sa.PrimaryKeyConstraint("shape", "name", name=op.f("pk_principal_shapes")),
    )
    op.create_index(op.f("ix_principal_shapes_principal_id"), "principal_shapes", ["principal_id"])
    _look_at_names(table)


def _look_at_names(table: sa.Table) -> None:
    """Names that are taken for each other stay as they are: both are told, and no third one is let
    in.
    """
    people = (
        op.get_bind()
        .execute(sa.text("SELECT id, name FROM principals WHERE state = 'active' ORDER BY id"))
        .all()
    )
    found: dict[str, str] = {}
    rows = []
    for principal_id, name in people:
        for shape in _shapes(name):
            other = found.setdefault(shape, name)
            if other != name:
                log.warning(
                    "%a and %a are taken for each other; rename one: clearance users|groups rename",
                    other,
                    name,
                )
            rows.append({"shape": shape, "name": name, "principal_id": principal_id})
    if rows:
        op.bulk_insert(table, rows)


def _shapes(name: str) -> list[str]:
    kind, _, rest = name.partition(":")
    return sorted(hashlib.sha256(f"{kind}:{shape}".encode()).hexdigest() for shape in shapes(rest))
