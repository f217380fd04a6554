"""Transactions on the catalog, and what goes wrong with them in our words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    TimeoutError,
)

from indexes.catalog.audit.changes import RECORDED, Change, write_changes
from indexes.catalog.engines import make_engine
from indexes.errors import Busy, CatalogUnavailable, ClearanceError, StorageFull
from indexes.model import Actor

_BATCH = 500  # parameters of one statement: well under every database's limit
# one number for the advisory lock that keeps change numbers in commit order
_WRITERS_LOCK = 0x636C7265
_KEPT = 16  # connections for reading, of those that the pool may open
T = TypeVar("T")

_ACTOR = "clearance_actor"  # among the execution options of each transaction that writes

_joined: ContextVar["tuple[Database, Connection] | None"] = ContextVar("joined", default=None)
_check: ContextVar["tuple[Database, Callable[[Connection], None]] | None"] = ContextVar(
    "check", default=None
)


class Database:
    """Reading and writing transactions on one catalog. Threads may share it."""

    def __init__(self, url: str, *, relaxed: bool = False) -> None:
        """relaxed: what `appending` writes to a file is on the disk a moment later only, so that it
        is there after a crash of the process, but perhaps not after one of the machine.
        """
        self.engine, self._file = make_engine(url, relaxed=relaxed)
        self.is_sqlite = self._file is not None
        self._readers = _Kept(self.engine, "BEGIN")
        self._appenders = _Kept(self.engine, None)

    @property
    def file(self) -> Path | None:
        """Where it is, if it is a file."""
        return None if self._file is None else self._file.path

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent state of everything, however long it is held.

        Nothing can be written through it.

        Raises Busy, CatalogUnavailable.
        """
        with self._translating_errors():
            if not self.is_sqlite:
                with self._readers.open() as connection:
                    self._check(connection)
                    yield connection
                return
            connection = self._readers.begin()
            try:
                self._check(connection)
                yield connection
            finally:
                self._readers.end(connection)

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
        joined = _joined.get()
        if joined is not None and joined[0] is self:
            yield joined[1]
            return
        recorded: list[Change] = []
        options: dict[str, Any] = {_ACTOR: by, RECORDED: recorded}
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
            write_changes(connection, by, recorded)

    @contextmanager
    def appending(self) -> Iterator[Connection]:
        """As `writing`, for rows that nobody decides by and that only this process adds to.

        On a server it waits for no other writer, and neither there nor in a relaxed file for the
        disk. In a file each statement stands alone: to begin and to commit apart from it would let
        other threads go first twice more. Raises Busy, StorageFull, CatalogUnavailable.
        """
        with self._translating_errors():
            if not self.is_sqlite:
                options = {"isolation_level": "READ COMMITTED"}
                with self.engine.connect().execution_options(**options) as connection:
                    connection.execute(text("SET LOCAL synchronous_commit TO off"))
                    yield connection
                    connection.commit()
                return
            connection = self._appenders.begin()
            try:
                yield connection
            finally:
                self._appenders.end(connection)

    @contextmanager
    def together(self, by: Actor) -> Iterator[Connection]:
        """As `writing`, and each `writing` inside the block, in this thread, is a part of it: all of it
        is done, or nothing.
        """
        with self.writing(by) as connection:
            before = _joined.set((self, connection))
            try:
                yield connection
            finally:
                _joined.reset(before)

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
        """Closes all connections that are not in use."""
        self._readers.close()
        self._appenders.close()
        self.engine.dispose()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        """Around a transaction: it is the same file all the time, and what goes wrong is said in
        our words.
        """
        with (
            nullcontext() if self._file is None else self._file.in_use(self.close),
            translating_errors(),
        ):
            yield


@contextmanager
def translating_errors() -> Iterator[None]:
    """What goes wrong with the database is said in our words."""
    try:
        yield
    except DBAPIError as error:
        raise _translate_error(error) from error
    except TimeoutError as error:
        raise Busy(
            "All connections to the catalog are in use.", remedy="Try again in a moment."
        ) from error


class _Kept:
    """Connections for what each search does. Threads share it.

    Those to a file are kept open with all that SQLAlchemy makes for one: to take one from its pool
    and to give it back costs a search more than its statements. A server's are looked at by the
    pool before each use, so they go back there.
    """

    def __init__(self, engine: Engine, begin: str | None) -> None:
        """begin: the statement that begins a transaction; None: each statement is one."""
        self._begin = begin
        self._engine = engine.execution_options(clearance_write=False)  # the same connections
        self._kept: list[Connection] = []

    def open(self) -> Connection:
        return self._engine.connect()

    def begin(self) -> Connection:
        """A connection to a file, in a transaction of its own."""
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self.open()
        try:
            if self._begin is not None:
                connection.connection.cursor().execute(self._begin)  # by way of the driver alone
        except BaseException:
            connection.close()
            raise
        return connection

    def end(self, connection: Connection) -> None:
        """Ends the transaction of a connection that `begin` gave."""
        if connection.invalidated or len(self._kept) >= _KEPT:
            connection.close()
            return
        try:
            # what SQLAlchemy has run, if anything, it also ends; else the driver alone does
            (connection if connection.in_transaction() else connection.connection).rollback()
        except BaseException:
            connection.close()
            raise
        self._kept.append(connection)

    def close(self) -> None:
        """Closes those that are kept."""
        while self._kept:
            self._kept.pop().close()


def actor_of(connection: Connection) -> Actor:
    """Who acts in this transaction. Raises LookupError in one that only reads."""
    actor: Actor = connection.get_execution_options()[_ACTOR]
    return actor


def in_batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts that one statement can take as parameters."""
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


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
    return CatalogUnavailable(f"The database says: {said}.")
