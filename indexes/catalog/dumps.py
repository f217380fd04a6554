"""A catalog on a server, copied into a file by PostgreSQL's own tools and put back by them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL, make_url

from indexes.catalog.database import Database
from indexes.catalog.migrate import VERSION_TABLE
from indexes.errors import BadConfiguration, BadInput, Busy, CatalogUnavailable, StorageFull

_FULL = "No space left on device"


def dump(database: Database, connection: Connection, to: Path) -> None:
    """The state that this transaction reads, as a file. Others read and write meanwhile.

    Raises BadConfiguration without `pg_dump`, StorageFull, CatalogUnavailable.
    """
    snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
    options = ["--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={to}"]
    _run("pg_dump", options, database.engine.url)


def check_unused(url: str, *, replace: bool) -> bool:
    """Whether the database holds a catalog.

    Raises Busy if anybody else is connected, and BadInput for one that holds a catalog which is
    not to be replaced.
    """
    database = Database(url)
    others = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    try:
        with database.reading() as connection:
            holds_something = inspect(connection).has_table(VERSION_TABLE)
            used = connection.scalar(others)
    finally:
        database.close()
    if used:
        raise Busy(
            "A service, a worker or another command uses this database.",
            remedy="Stop it, then run again.",
        )
    if holds_something and not replace:
        raise BadInput("There is a catalog already.", remedy="To replace it: --replace.")
    return holds_something


def load(url: str, place: Path) -> None:
    """The database holds what was dumped, or, whatever goes wrong, what it held.

    Raises BadConfiguration without `pg_restore`, StorageFull, CatalogUnavailable.
    """
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
    _run("pg_restore", [*options, str(place)], make_url(url))


def _run(tool: str, options: Sequence[str], url: URL) -> None:
    found = shutil.which(tool)
    if found is None:
        raise BadConfiguration(
            f"The catalog is on PostgreSQL, and {tool} is not installed.",
            remedy="Install the client tools of the server's version.",
        )
    # a password among the arguments could be seen by other users
    named = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    done = subprocess.run(
        [found, f"--dbname={named}", *options],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    if _FULL in done.stderr:
        raise StorageFull("Nothing was kept.")
    said = done.stderr.strip().splitlines()
    raise CatalogUnavailable(f"{tool} says: {said[0][:300] if said else done.returncode}.")
