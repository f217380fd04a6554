"""Bringing a catalog to the present schema, one process at a time.

Alembic is imported only if there is something to do: nearly every process finds a catalog that is
at the present schema.
"""

import logging
from pathlib import Path

from sqlalchemy import Connection, String, column, inspect, select, table

from indexes.catalog.database import Database
from indexes.errors import SchemaMismatch
from indexes.model import Actor

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
_MIGRATION = Actor("system:migration")

logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every connection


def migrate(database: Database) -> None:
    """Raises SchemaMismatch for a catalog that a newer version of Clearance wrote."""
    with database.reading() as connection:
        if find_revision(connection) == newest_revision():
            return
    # held throughout, so that two processes never migrate at once
    with database.writing(_MIGRATION) as connection:
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = find_revision(connection)
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"Its schema is {found}.", remedy="Install the version of Clearance that wrote it."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def newest_revision() -> str:
    """The revision that the files of migrations lead to, by their names: m0009_… makes 0009."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("m[0-9]*.py"))


def find_revision(connection: Connection) -> str | None:
    """The revision that the catalog is at, or None if nothing was ever made in it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = column("version_num", String)
    return connection.scalar(select(version).select_from(table(VERSION_TABLE)))
