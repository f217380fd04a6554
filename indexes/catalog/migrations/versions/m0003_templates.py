"""Templates with versions and activations."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("style", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("reader_set_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_set_id"], ["reader_sets.id"], name=op.f("fk_templates_reader_set_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sa.UniqueConstraint("name", name=op.f("uq_templates_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "template_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("template_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column("saved_by", sa.String(length=255), nullable=False),
        sa.Column("saved_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_template_versions_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_versions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_template_versions_template_id_version",
        "template_versions",
        ["template_id", "version"],
        unique=True,
    )
    op.create_table(
        "template_activations",
        sa.Column("id", ID, nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("principal_id", ID, nullable=True),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("candidate_id", ID, nullable=True),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("activated_by", sa.String(length=255), nullable=False),
        sa.Column("activated_at", sa.DateTime(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_template_activations_principal_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["template_versions.id"],
            name=op.f("fk_template_activations_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["template_versions.id"],
            name=op.f("fk_template_activations_candidate_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_activations")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_template_activations_audience_principal_id",
        "template_activations",
        ["audience", "principal_id"],
    )
