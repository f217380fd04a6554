"""Connections and transactions. The only module that knows which database it talks to."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pysqlite3
from sqlalchemy import Connection, Engine, Select, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from indexes.errors import BadConfiguration, Busy, ClearanceError, StorageFull, UnsafeDatabase

SAFE_SQLITE = (3, 51, 3)  # earlier ones may corrupt a WAL that several processes write
BUSY_TIMEOUT_MS = 30_000
_WORDED = 1_000  # forms of one statement that are kept
_WRITERS_LOCK = 0x636C7265  # one number for the advisory lock that keeps change numbers in commit order

_check: ContextVar["tuple[Database, Callable[[Connection], None]] | None"] = ContextVar("check", default=None)


class Database:
    """Reading and writing transactions on one catalog. Threads may share it."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent state of everything, however long it is held. Nothing can be written through it."""
        with self._transaction(write=False) as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """All or nothing, durable when the block has ended. Writers wait for each other. Raises Busy."""
        with self._transaction(write=True) as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})
            self._check(connection)
            yield connection

    @contextmanager
    def checked(self, check: Callable[[Connection], None]) -> Iterator[None]:
        """Every transaction that begins inside the block, in this task and the threads it hands work to, begins so."""
        before = _check.set((self, check))
        try:
            yield
        finally:
            _check.reset(before)

    def _check(self, connection: Connection) -> None:
        wanted = _check.get()
        if wanted is not None and wanted[0] is self:
            wanted[1](connection)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(clearance_write=write) as connection, connection.begin():
                yield connection
        except OperationalError as error:
            raise _plain(error) from error


class Prepared:
    """A statement put into words once for each number of values in its lists. For the few that every search runs.

    It goes to the driver directly, and values come and go as the driver has them: rows are tuples in the order of the
    statement's columns, and JSON comes unread from a database that keeps it as text.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement
        self._known: dict[tuple[str | int, ...], _Worded] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """values: every parameter by its name; a list for one that stands behind IN. Raises OperationalError."""
        lists = {name: value for name, value in values.items() if isinstance(value, list)}
        shape: tuple[str | int, ...] = (connection.dialect.name, *(len(value) for value in lists.values()))
        worded = self._known.get(shape)
        if worded is None:
            if len(self._known) >= _WORDED:
                self._known.clear()
            worded = self._known[shape] = self._put_into_words(connection, values)
        given = {**worded.fixed, **values}
        for name, value in lists.items():
            given.update((f"{name}_{place}", item) for place, item in enumerate(value, start=1))
        ordered = [given[name] for name in worded.names]
        sent = tuple(ordered) if worded.by_place else dict(zip(worded.names, ordered, strict=True))
        cursor = connection.connection.cursor()
        try:
            cursor.execute(worded.sql, sent)
            return cursor.fetchall()
        except _driver(connection).OperationalError as error:
            raise OperationalError(worded.sql, None, error) from error
        finally:
            cursor.close()

    def _put_into_words(self, connection: Connection, values: Mapping[str, Any]) -> "_Worded":
        state = self.statement.compile(dialect=connection.dialect).construct_expanded_state(dict(values))
        fixed = {name: value for name, value in state.parameters.items() if name not in values}
        names = state.positiontup if state.positiontup is not None else list(state.parameters)
        return _Worded(state.statement, tuple(names), fixed, state.positiontup is not None)


def _driver(connection: Connection) -> Any:
    """The module that speaks to the database."""
    return connection.dialect.dbapi


@dataclass(frozen=True, slots=True)
class _Worded:
    sql: str
    names: tuple[str, ...]  # of the parameters, in the order of the statement
    fixed: Mapping[str, Any]  # values that belong to the statement itself
    by_place: bool  # whether this database's driver counts parameters instead of naming them


def _plain(error: OperationalError) -> ClearanceError | OperationalError:
    reason = str(error.orig)
    if "locked" in reason or "busy" in reason:
        return Busy("The catalog is locked by another process.", remedy="Try again in a moment.")
    if "disk is full" in reason:
        return StorageFull("Nothing of the last write was kept.")
    return error


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url, parsed.database)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(url, isolation_level="REPEATABLE READ", pool_pre_ping=True)
    raise BadConfiguration(
        f"There is no catalog on {parsed.get_backend_name()}.", remedy="Use a sqlite:/// or postgresql+psycopg:// URL."
    )


def _sqlite(url: str, database: str | None) -> Engine:
    check_sqlite(pysqlite3.sqlite_version_info)
    if not database or database == ":memory:":
        raise BadConfiguration("The catalog must be a file.", remedy="Use sqlite:////absolute/path/catalog.sqlite.")
    folder = Path(database).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, module=pysqlite3, pool_size=16, max_overflow=48)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def check_sqlite(version: tuple[int, ...]) -> None:
    """Raises UnsafeDatabase for a SQLite whose WAL may be corrupted by several processes."""
    if version < SAFE_SQLITE:
        found, needed = (".".join(map(str, v)) for v in (version, SAFE_SQLITE))
        raise UnsafeDatabase(f"SQLite {found}; {needed} or newer is needed.", remedy="Install the package pysqlite3.")


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, never by the driver
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "mmap_size=0",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("clearance_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
