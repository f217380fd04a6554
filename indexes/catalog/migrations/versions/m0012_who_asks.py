"""Scopes of keys and of people, people known by their identity provider, and their sessions.

Keys of before may ask, as they could.
"""

import json

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_tables_of_scopes()
    op.drop_column("api_keys", "scopes")
    op.add_column("api_keys", sa.Column("used_at", sa.DateTime()))
    op.add_column("api_keys", sa.Column("replaced_by", sa.String(length=16)))
    op.create_index("ix_principals_external", "principals", ["external"])
    op.create_table(
        "principal_subjects",
        sa.Column("issuer", sa.String(length=512), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("principal_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_principal_subjects_principal_id")
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_principal_subjects")),
    )
    op.create_index("ix_principal_subjects_principal_id", "principal_subjects", ["principal_id"])
    op.create_table(
        "sessions",
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("principal_id", ID, nullable=False),
        sa.Column("issuer", sa.String(length=512), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("told_by", sa.String(length=64)),
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_sessions_principal_id")
        ),
        sa.PrimaryKeyConstraint("secret_sha256", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_principal_id", "sessions", ["principal_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _make_tables_of_scopes() -> None:
    of_keys = op.create_table(
        "key_scopes",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_key_scopes_key_id")),
        sa.PrimaryKeyConstraint("key_id", "scope", name=op.f("pk_key_scopes")),
    )
    op.create_table(
        "principal_scopes",
        sa.Column("principal_id", ID, nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_principal_scopes_principal_id")
        ),
        sa.PrimaryKeyConstraint("principal_id", "scope", name=op.f("pk_principal_scopes")),
    )
    rows = [
        {"key_id": key_id, "scope": scope}
        for key_id, stored in op.get_bind().execute(sa.text("SELECT id, scopes FROM api_keys"))
        for scope in sorted({"ask", *(json.loads(stored) if isinstance(stored, str) else stored)})
    ]
    if rows:
        op.bulk_insert(of_keys, rows)
