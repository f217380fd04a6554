"""Connections and transactions. The only module that knows which database it talks to."""

import fcntl
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, local
from typing import Any, TypeVar
from urllib.parse import quote

import pysqlite3
from sqlalchemy import CompoundSelect, Connection, Engine, Select, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    TimeoutError,
)

from indexes import durable
from indexes.errors import (
    BadConfiguration,
    Busy,
    CatalogUnavailable,
    ClearanceError,
    StorageFull,
    UnsafeDatabase,
)
from indexes.model import Actor
from indexes.private_files import keep_private, make_private, private_folder

CATALOG_FILE = "catalog.sqlite"  # a folder with this name in it is a home
SAFE_SQLITE = (3, 51, 3)  # earlier ones may corrupt a WAL that several processes write
BUSY_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_S = 10
_STATEMENTS = 1_024
"""Kept by each connection.

The driver drops what was used least often, so that in a full cache all that is new is put into
words again each time, which costs a search more than everything else of its statements.
"""
_BATCH = 500  # parameters of one statement: well under every database's limit
_WORDED = 1_000  # forms of one statement that are kept
# one number for the advisory lock that keeps change numbers in commit order
_WRITERS_LOCK = 0x636C7265
_REMEDY = "Check that the database runs, and CLEARANCE_DATABASE_URL or CLEARANCE_HOME."
_URLS = (
    "Use sqlite:////absolute/path/catalog.sqlite or postgresql+psycopg://user:password@host/name."
)
_HOME = "Set CLEARANCE_HOME to a folder that this user may write."

T = TypeVar("T")
log = logging.getLogger(__name__)

_ACTOR = "clearance_actor"  # among the execution options of each transaction that writes

_check: ContextVar["tuple[Database, Callable[[Connection], None]] | None"] = ContextVar(
    "check", default=None
)


class Database:
    """Reading and writing transactions on one catalog. Threads may share it."""

    def __init__(self, url: str) -> None:
        self.engine, self._file = _make_engine(url)
        self.is_sqlite = self._file is not None
        self._readers = self.engine.execution_options(clearance_write=False)  # the same connections

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent state of everything, however long it is held.

        Nothing can be written through it.

        Raises Busy, CatalogUnavailable.
        """
        with self._translating_errors(), self._readers.connect() as connection:
            # by way of the driver alone; the other way costs a search as much as two statements
            if self.is_sqlite:
                connection.connection.cursor().execute("BEGIN")
            self._check(connection)
            yield connection

    @contextmanager
    def writing(self, by: Actor) -> Iterator[Connection]:
        """All or nothing, durable when the block has ended.

        by: who acts; `actor_of` tells it to everything that runs inside the block.

        Writers wait for each other, and what they read is what the one before has left. Raises
        Busy, StorageFull, CatalogUnavailable.

        On PostgreSQL each statement sees what was committed before it began, so all that follow the
        lock see what its last holder did. In a transaction with one state for all, that state would
        be taken before the lock is had.
        """
        options: dict[str, Any] = {_ACTOR: by}
        if not self.is_sqlite:
            options["isolation_level"] = "READ COMMITTED"
        with (
            self._translating_errors(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            if not self.is_sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK}
                )
            self._check(connection)
            yield connection

    @contextmanager
    def checking(self, check: Callable[[Connection], None]) -> Iterator[None]:
        """Every transaction that begins inside the block, in this task and the threads it hands
        work to, begins so.
        """
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
    def _translating_errors(self) -> Iterator[None]:
        """Around a transaction: it is the same file all the time, and what goes wrong is said in
        our words.
        """
        with nullcontext() if self._file is None else self._file.in_use(self.engine.dispose):
            try:
                yield
            except DBAPIError as error:
                raise _translate_error(error) from error
            except TimeoutError as error:
                raise Busy(
                    "All connections to the catalog are in use.", remedy="Try again in a moment."
                ) from error


def actor_of(connection: Connection) -> Actor:
    """Who acts in this transaction. Raises LookupError in one that only reads."""
    actor: Actor = connection.get_execution_options()[_ACTOR]
    return actor


def in_batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts that one statement can take as parameters."""
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


class Prepared:
    """A statement put into words once for each number of values in its lists.

    For the few that every search runs.

    It goes to the driver directly, and values come and go as the driver has them: rows are tuples
    in the order of the statement's columns, and JSON comes unread from a database that keeps it as
    text.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
        self.statement = statement
        self._known: dict[tuple[str | int, ...], _Worded] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """values: every parameter by its name; a list for one that stands behind IN.

        Raises DBAPIError.
        """
        lengths = (len(value) for value in values.values() if type(value) is list)
        shape: tuple[str | int, ...] = (connection.dialect.name, *lengths)
        worded = self._known.get(shape)
        if worded is None:
            if len(self._known) >= _WORDED:
                self._known.clear()
            worded = self._known[shape] = self._put_into_words(connection, values)
        given = {**worded.fixed, **values}
        for name in worded.lists:
            given.update(
                (f"{name}_{place}", item) for place, item in enumerate(values[name], start=1)
            )
        sent: Any = tuple(map(given.__getitem__, worded.names))
        if not worded.by_place:
            sent = dict(zip(worded.names, sent, strict=True))
        try:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(worded.sql, sent)
                return cursor.fetchall()
            finally:
                cursor.close()
        except _driver(connection).Error as error:
            raise _wrap_driver_error(connection, worded.sql, error) from error

    def _put_into_words(self, connection: Connection, values: Mapping[str, Any]) -> "_Worded":
        state = self.statement.compile(dialect=connection.dialect).construct_expanded_state(
            dict(values)
        )
        fixed = {name: value for name, value in state.parameters.items() if name not in values}
        names = state.positiontup if state.positiontup is not None else list(state.parameters)
        lists = tuple(name for name, value in values.items() if type(value) is list)
        return _Worded(state.statement, tuple(names), lists, fixed, state.positiontup is not None)


def _driver(connection: Connection) -> Any:
    """The module that speaks to the database."""
    return connection.dialect.dbapi


@dataclass(frozen=True, slots=True)
class _Worded:
    sql: str
    names: tuple[str, ...]  # of the parameters, in the order of the statement
    lists: tuple[str, ...]  # of those values that stand behind IN
    fixed: Mapping[str, Any]  # values that belong to the statement itself
    by_place: bool  # whether this database's driver counts parameters instead of naming them


def _wrap_driver_error(connection: Connection, sql: str, error: Any) -> Exception:
    """The driver's error as SQLAlchemy would have raised it.

    A connection that is lost is not used again.
    """
    dialect = connection.dialect
    assert dialect.dbapi is not None
    lost = dialect.is_disconnect(error, connection.connection, None)
    if lost:
        connection.invalidate(error)
    same: Exception = DBAPIError.instance(
        sql, None, error, dialect.dbapi.Error, connection_invalidated=lost, dialect=dialect
    )
    return same


# a conflict, a deadlock, or a lock that was not to be had in time
_IN_THE_WAY = ("40001", "40P01", "55P03")
# the statement's fault, not the database's
_OURS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


def _translate_error(error: DBAPIError) -> ClearanceError | DBAPIError:
    """What went wrong with the database, in our words; an error of ours stays as it is."""
    reason, code = str(error.orig), getattr(error.orig, "sqlstate", None)
    if code in _IN_THE_WAY or (code is None and ("locked" in reason or "busy" in reason)):
        return Busy("The catalog is locked by another process.", remedy="Try again in a moment.")
    if code == "53100" or "disk is full" in reason:
        return StorageFull("Nothing of the last write was kept.")
    if isinstance(error, _OURS):
        return error
    said = reason.strip().partition("\n")[0].rstrip(".")
    return CatalogUnavailable(f"The database says: {said}.", remedy=_REMEDY)


def _make_engine(url: str) -> tuple[Engine, "_CatalogFile | None"]:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            return _make_sqlite_engine(url, parsed.database)
        if backend == "postgresql":
            return _make_postgresql_engine(url), None
    # never with the URL itself, which may hold a password
    except (ArgumentError, ValueError, ImportError) as error:
        raise BadConfiguration(
            "CLEARANCE_DATABASE_URL is not the URL of a database.", remedy=_URLS
        ) from error
    raise BadConfiguration(f"There is no catalog on {backend}.", remedy=_URLS)


def _make_postgresql_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.commit()


def _make_sqlite_engine(url: str, database: str | None) -> tuple[Engine, "_CatalogFile"]:
    check_sqlite(pysqlite3.sqlite_version_info)
    if not database or database == ":memory:":
        raise BadConfiguration(
            "The catalog must be a file.", remedy="Use sqlite:////absolute/path/catalog.sqlite."
        )
    place = Path(database)
    try:
        if place.name == CATALOG_FILE:
            keep_private(place.parent)
        else:
            private_folder(place.parent)
    except OSError as error:
        raise BadConfiguration(
            f"The folder {place.parent} cannot be used: {error.strerror}.", remedy=_HOME
        ) from error
    make_private(place)  # its log and its shared memory get the same mode from SQLite
    engine = create_engine(
        url,
        module=pysqlite3,
        pool_size=16,
        max_overflow=48,
        connect_args={"cached_statements": _STATEMENTS},
    )
    file = _CatalogFile(place)
    event.listen(engine, "do_connect", file.before_connect)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "connect", file.after_connect)
    event.listen(engine, "begin", _begin_sqlite)
    return engine, file


def check_sqlite(version: tuple[int, ...]) -> None:
    """Raises UnsafeDatabase for a SQLite whose WAL may be corrupted by several processes."""
    if version < SAFE_SQLITE:
        found, needed = (".".join(map(str, v)) for v in (version, SAFE_SQLITE))
        raise UnsafeDatabase(
            f"SQLite {found}; {needed} or newer is needed.", remedy="Install the package pysqlite3."
        )


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # transactions are begun by _begin_sqlite, never by the driver
    connection.isolation_level = None
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
    if connection.get_execution_options().get("clearance_write", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


_Identity = list[int] | None  # device and inode; None: there is no such file


def _file_identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_dev, found.st_ino]


class _CatalogFile:
    """The file that all connections of this process have open. Threads share it.

    Somebody may put another file into its place, such as a copy from yesterday. A connection that
    is open would go on reading the former one for ever, so each transaction looks first and then,
    once no other is at work, all connections are closed. SQLite would take the write-ahead log that
    the former file left behind for the new file's own: so which log belongs to which file is noted
    beside them, and a log of another file is set aside before it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._log, self._index, self._note = (
            Path(f"{self._path}{end}") for end in ("-wal", "-shm", "-belongs")
        )
        self._opened: _Identity = None
        self._noted: list[_Identity] = []
        self._existed = False
        self._active = 0
        self._changed = Condition()
        self._of_thread = local()

    @contextmanager
    def in_use(self, close_all: Callable[[], None]) -> Iterator[None]:
        """Inside, it is the same file. Raises Busy, CatalogUnavailable."""
        depth = getattr(self._of_thread, "depth", 0)
        with self._changed:
            # within another transaction of this thread, there is nothing to wait for
            if depth == 0:
                self._reopen_if_replaced(close_all)
            self._active += 1
        self._of_thread.depth = depth + 1
        try:
            yield
        finally:
            self._of_thread.depth = depth
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def _reopen_if_replaced(self, close_all: Callable[[], None]) -> None:
        while self._opened is not None and (now := _file_identity(self._path)) != self._opened:
            if now is None:
                raise CatalogUnavailable(
                    f"The file {self._path.name} is not there.", remedy=_REMEDY
                )
            if self._active:
                if not self._changed.wait(BUSY_TIMEOUT_MS / 1000):
                    raise Busy(
                        "Another file has taken the place of the catalog.",
                        remedy="Try again in a moment.",
                    )
                continue
            log.warning(
                "Another file has taken the place of %s: it is read from now on.", self._path.name
            )
            close_all()
            self._opened = None

    def before_connect(
        self, _dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]
    ) -> None:
        if self._opened is None:
            self._set_aside_a_foreign_log()
        # a catalog that is missing for a moment is not made anew, empty
        if self._existed and not named.get("uri"):
            arguments[0] = f"file:{quote(str(self._path))}?mode=rw"
            named["uri"] = True

    def after_connect(self, connection: Any, _record: Any) -> None:
        now = _file_identity(self._path)
        if self._opened is None:
            self._opened = now
        elif now != self._opened:  # it was replaced this moment
            connection.close()
            raise Busy(
                "Another file has taken the place of the catalog.", remedy="Try again in a moment."
            )
        self._existed = True
        self._write_note([now, _file_identity(self._log)])

    def _set_aside_a_foreign_log(self) -> None:
        """Kept under another name: if the former file is wanted back, its last changes are in
        there.
        """
        with suppress(OSError, ValueError), _folder_lock(self._path.parent):
            file, its_log = json.loads(self._note.read_text(encoding="utf-8"))
            now = _file_identity(self._path)
            if (
                now is not None
                and now != file
                and its_log is not None
                and _file_identity(self._log) == its_log
            ):
                log.warning(
                    "%s belongs to a file that was replaced; it is set aside.", self._log.name
                )
                self._log.replace(f"{self._log}-of-replaced")
                self._index.unlink(missing_ok=True)

    def _write_note(self, noted: list[_Identity]) -> None:
        if noted == self._noted:
            return
        self._noted = noted
        with suppress(OSError), _folder_lock(self._path.parent):
            durable.remove_leftovers(self._note)
            durable.write(self._note, json.dumps(noted).encode())


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """One process at a time. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
