"""Connections to each database that can hold a catalog, set up as its transactions need them."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from indexes.catalog.catalog_file import BUSY_TIMEOUT_MS, CatalogFile
from indexes.catalog.sqlite_driver import check_sqlite, sqlite_driver
from indexes.errors import BadConfiguration
from indexes.private_files import keep_private, make_private, private_folder
from indexes.switching import opening

CATALOG_FILE = "catalog.sqlite"  # a folder with this name in it is a home
CONNECT_TIMEOUT_S = 10
LOOK_TIMEOUT_S = 3
_STATEMENTS = 1_024
"""Kept by each connection.

The driver drops what was used least often, so that in a full cache all that is new is put into
words again each time, which costs a search more than everything else of its statements.
"""
_URLS = (
    "Use sqlite:////absolute/path/catalog.sqlite or postgresql+psycopg://user:password@host/name."
)
_HOME = "Set CLEARANCE_HOME to a folder that this user may write."


def make_engine(url: str, *, relaxed: bool = False) -> tuple[Engine, CatalogFile | None]:
    """With the file, if the catalog is one. Raises BadConfiguration, UnsafeDatabase.

    relaxed: a commit to a file does not wait for the disk.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            return _make_sqlite_engine(url, parsed.database, relaxed=relaxed)
        if backend == "postgresql":
            return _make_postgresql_engine(url), None
    except (ArgumentError, ValueError, ImportError) as error:
        raise _bad_url() from error
    raise BadConfiguration(f"There is no catalog on {backend}.", remedy=_URLS)


def make_looking_engine(url: str) -> Engine:
    """To look at a catalog that is there: nothing can be made or changed through it.

    What takes longer than a few seconds fails. Raises BadConfiguration, UnsafeDatabase.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            options = "-c default_transaction_read_only=on -c statement_timeout=5s"
            return _make_postgresql_engine(url, connect_timeout=LOOK_TIMEOUT_S, options=options)
        place = Path(parsed.database or "").absolute()
    except (ArgumentError, ValueError, ImportError) as error:
        raise _bad_url() from error
    if not place.is_file():
        raise BadConfiguration(f"There is no catalog at {place}.", remedy=_HOME)
    driver = sqlite_driver()
    check_sqlite(driver)

    def connect() -> Any:
        return driver.module.connect(
            f"file:{quote(str(place))}?mode=ro",
            uri=True,
            timeout=LOOK_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = create_engine("sqlite://", module=driver.module, creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _bad_url() -> BadConfiguration:
    # never with the URL itself, which may hold a password
    return BadConfiguration("CLEARANCE_DATABASE_URL is not the URL of a database.", remedy=_URLS)


def _make_postgresql_engine(url: str, **given: Any) -> Engine:
    engine = create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, **given},
    )
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.commit()


def _make_sqlite_engine(
    url: str, database: str | None, *, relaxed: bool
) -> tuple[Engine, CatalogFile]:
    driver = sqlite_driver()
    check_sqlite(driver)
    if not database or database == ":memory:":
        raise BadConfiguration(
            "The catalog must be a file.", remedy="Use sqlite:////absolute/path/catalog.sqlite."
        )
    place = Path(database)
    _keep_folder_private(place)
    with opening(place.parent):
        make_private(place)  # its log and its shared memory get the same mode from SQLite
    engine = create_engine(
        url,
        module=driver.module,
        pool_size=16,
        max_overflow=48,
        connect_args={"cached_statements": _STATEMENTS},
    )
    file = CatalogFile(place)

    def connect(dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
        def open_one(*arguments: Any, **named: Any) -> Any:
            connection = dialect.connect(*arguments, **named)
            try:
                _configure_sqlite(connection, relaxed=relaxed)
            except BaseException:
                connection.close()
                raise
            return connection

        return file.connect(open_one, arguments, named)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", _begin_sqlite)
    return engine, file


def _keep_folder_private(place: Path) -> None:
    """The folder of this catalog; if it is the home, everything in it."""
    try:
        if place.name == CATALOG_FILE:
            keep_private(place.parent)
        else:
            private_folder(place.parent)
    except OSError as error:
        raise BadConfiguration(
            f"The folder {place.parent} cannot be used: {error.strerror}.", remedy=_HOME
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, *, relaxed: bool) -> None:
    # transactions are begun by _begin_sqlite, never by the driver
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        f"synchronous={'NORMAL' if relaxed else 'FULL'}",
        "foreign_keys=ON",
        "secure_delete=ON",
        "mmap_size=0",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")
    # makes the write-ahead log, so that `CatalogFile` can note which one belongs to the file
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("clearance_write", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
