"""Bringing a catalog to the present schema, one process at a time."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from indexes.catalog.database import Database
from indexes.errors import SchemaMismatch

logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every connection


def migrate(database: Database) -> None:
    """Raises SchemaMismatch for a catalog that a newer version of Clearance wrote."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    with database.reading() as connection:
        if MigrationContext.configure(connection).get_current_revision() == script.get_current_head():
            return
    with database.writing() as connection:  # held throughout, so that two processes never migrate at once
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
            raise SchemaMismatch(f"Its schema is {found}.", remedy="Install the version of Clearance that wrote it.")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
