"""Copies of databases, made while others write, and what such a copy holds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from indexes.catalog.catalog_file import BUSY_TIMEOUT_MS
from indexes.catalog.database import Database
from indexes.catalog.dumps import dump
from indexes.catalog.engines import CATALOG_FILE
from indexes.catalog.sqlite_driver import sqlite_driver
from indexes.errors import Busy, CatalogUnavailable, NotFound, StorageFull

WAIT_MS = 5_000  # for who reads or writes while the file is made smaller
DUMP = "catalog.dump"
"""What a copy of a catalog on a server is called."""

_FULL = "disk is full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What stands in a copy of the catalog. For operators only."""

    schema: str
    state: int  # number of the newest change
    documents: int
    models: tuple[str, ...]  # embedding models of its vectors
    originals: tuple[str, ...]  # SHA-256 of each file that is kept
    uploads: tuple[str, ...]  # ids of uploaded bytes that wait
    upload_digests: tuple[str, ...]  # SHA-256 of each of them


def copy_catalog(database: Database, folder: Path) -> tuple[str, Copied]:
    """One state of it as a file in this folder: its name, and what it holds. Others read and write
    meanwhile.

    Raises BadConfiguration, StorageFull, CatalogUnavailable.
    """
    if database.file is None:
        with database.reading() as connection:
            copied = _read(connection.exec_driver_sql)
            dump(database, connection, folder / DUMP)
        return DUMP, copied
    copy_database(database, folder / CATALOG_FILE)
    return CATALOG_FILE, read_copy(folder / CATALOG_FILE)


def describe(database: Database) -> Copied:
    """What it holds now, as a copy would."""
    with database.reading() as connection:
        return _read(connection.exec_driver_sql)


def copy_database(database: Database, to: Path) -> None:
    """One state of a database that is a file. Others read and write meanwhile.

    Raises StorageFull, CatalogUnavailable.
    """
    with database.reading() as connection:
        source: Any = connection.connection.driver_connection
        try:
            with closing(sqlite_driver().module.connect(to)) as target:
                target.execute("PRAGMA journal_mode=OFF")
                source.backup(target)  # in one step: a writer cannot make it begin again
        except sqlite_driver().module.Error as error:
            if _FULL in str(error):
                raise StorageFull("The copy was not made.") from error
            raise CatalogUnavailable(f"It cannot be copied: {error}.") from error


def copy_file(place: Path, to: Path) -> None:
    """As `copy_database`, of a catalog in whatever schema it is: none is brought to another.

    Raises NotFound, StorageFull, CatalogUnavailable.
    """
    if not place.is_file():
        raise NotFound("There is no catalog in this home.")
    with closing(Database(f"sqlite:///{place}")) as database:
        copy_database(database, to)


def read_schema(place: Path) -> str:
    """The schema of a copy. Raises CatalogUnavailable."""
    with _open_copy(place) as copy:
        return _schema(copy.execute)


def read_copy(place: Path) -> Copied:
    """What the copy holds. Raises CatalogUnavailable."""
    with _open_copy(place) as copy:
        return _read(copy.execute)


def shrink(database: Database) -> None:
    """What was removed is in no byte of the file or of its log any more. Raises Busy."""
    if database.file is None:
        return
    with database.reading() as connection:
        raw: Any = connection.connection.driver_connection
        raw.rollback()
        try:
            raw.execute(f"PRAGMA busy_timeout={WAIT_MS}")
            raw.execute("VACUUM")
            kept, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite_driver().module.OperationalError as error:
            if _FULL in str(error):
                raise StorageFull("Nothing was made smaller.") from error
            kept = 1
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    if kept:
        raise Busy(
            f"Somebody reads or writes {database.file.name}.",
            remedy="Try again in a moment, or stop the service and its workers first.",
        )


@contextmanager
def _open_copy(place: Path) -> Iterator[Any]:
    try:
        url = f"file:{quote(str(place))}?mode=ro&immutable=1"
        with closing(sqlite_driver().module.connect(url, uri=True)) as copy:
            yield copy
    except sqlite_driver().module.Error as error:
        raise CatalogUnavailable(f"The copy cannot be read: {error}.") from error


def _schema(execute: Callable[[str], Any]) -> str:
    found: str = execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return found


def _read(execute: Callable[[str], Any]) -> Copied:
    def column(query: str) -> Sequence[Any]:
        return [row[0] for row in execute(query).fetchall()]

    blobs = execute("SELECT public_id, sha256 FROM blobs ORDER BY public_id").fetchall()
    kept = "SELECT DISTINCT original_sha256 FROM documents WHERE original_sha256 IS NOT NULL"
    return Copied(
        schema=_schema(execute),
        state=column("SELECT max(number) FROM states")[0],
        documents=column("SELECT count(*) FROM documents")[0],
        models=tuple(column("SELECT DISTINCT model FROM generations ORDER BY model")),
        originals=tuple(sorted(column(kept))),
        uploads=tuple(row[0] for row in blobs),
        upload_digests=tuple(row[1] for row in blobs),
    )
