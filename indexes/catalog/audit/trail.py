"""What people asked and were shown: a chain of this process, written together with what others of
it wait to write.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Self

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from indexes import durable
from indexes.catalog.audit.chain import NOTHING, Entry, Head, extend, find_head
from indexes.catalog.audit.seals import SealingKey, seal_head
from indexes.catalog.copying import shrink
from indexes.catalog.database import Database
from indexes.catalog.schema import audit_chains, audit_records, audit_seals
from indexes.errors import CatalogUnavailable
from indexes.model import MAINTENANCE

AUDIT_FILE = "audit.sqlite"
"""Beside a catalog that is a file: what is asked is written there, so that no search waits for who
writes to the catalog, and none shows in the time that another takes.
"""

_AGAIN = "Try again in a moment."
_TABLES = (audit_chains, audit_records, audit_seals)


@dataclass(slots=True)
class _Waiting:
    """Entries of one caller, until they are written."""

    entries: Sequence[Entry]
    written: bool = False
    failed: Exception | None = field(default=None)


class Trail:
    """Records what is shown to people, before they see it. Threads share it."""

    def __init__(self, database: Database, file: Path | None) -> None:
        """file: of the database, if it is one of its own."""
        self._database = database
        self._file = file
        self._queue: list[_Waiting] = []
        self._queue_lock, self._turn = Lock(), Lock()
        self._head: Head | None = None  # None: the chain has not begun, or its end is not known
        self._chain: int | None = None
        self._unsealed = self._unsynced = 0

    @classmethod
    def beside(cls, catalog: Database) -> Self:
        """Of the catalog's database; of a file beside it, if the catalog is a file."""
        if catalog.file is None:
            return cls(catalog, None)
        file = catalog.file.with_name(AUDIT_FILE)
        database = Database(f"sqlite:///{file}", relaxed=True)
        with database.writing(MAINTENANCE) as connection:
            for table in _TABLES:
                table.create(connection, checkfirst=True)
        return cls(database, file)

    @property
    def database(self) -> Database:
        return self._database

    @property
    def file(self) -> Path | None:
        """Of its own database, if it has one."""
        return self._file

    def record(self, *entries: Entry) -> None:
        """Returns once they are written, in this order and with nothing of this caller's between.

        Whoever comes while others are being written is written with all who wait by then. Raises
        Busy, StorageFull, CatalogUnavailable: what is not recorded must not be shown.
        """
        waiting = _Waiting(entries)
        with self._queue_lock:
            self._queue.append(waiting)
        with self._turn:
            if not waiting.written and waiting.failed is None:
                self._write_all()
        if waiting.failed is not None:
            raise waiting.failed

    def sync(self) -> None:
        """What was recorded is on the disk from now on."""
        with self._turn:
            if self._unsynced and self._file is not None:
                with suppress(FileNotFoundError):  # all of it stands in the file already
                    durable.sync(self._file.with_name(f"{self._file.name}-wal"))
            self._unsynced = 0

    def seal(self, key: SealingKey) -> None:
        """Signs the last record, if anything was recorded since it was done last."""
        with self._turn:
            if self._unsealed and self._head is not None:
                with self._database.appending() as connection:
                    seal_head(connection, self._head, key)
                self._unsealed = 0

    def shrink(self) -> None:
        """What was pruned is in no byte of its file any more. Raises Busy."""
        shrink(self._database)

    def close(self) -> None:
        self.sync()
        if self._file is not None:
            self._database.close()

    def _write_all(self) -> None:
        with self._queue_lock:
            together, self._queue = self._queue, []
        entries = [entry for each in together for entry in each.entries]
        try:
            self._append(entries)
        except IntegrityError:
            # another record was put into the place of this one: begin anew in it
            self._head = self._chain = None
            failed = CatalogUnavailable("The audit record is another one.", remedy=_AGAIN)
            for each in together:
                each.failed = failed
        except Exception as error:
            self._head = None  # whether it was written is not known
            for each in together:
                each.failed = error
        else:
            for each in together:
                each.written = True

    def _append(self, entries: Sequence[Entry]) -> None:
        if self._chain is None:
            self._chain = self._begin()
        with self._database.appending() as connection:
            head = extend(connection, self._head or find_head(connection, self._chain), entries)
        self._head = head
        self._unsealed += len(entries)
        self._unsynced += len(entries)

    def _begin(self) -> int:
        """The number of a new chain, one more than the last one has."""
        name = f"{socket.gethostname()[:200]} {os.getpid()}"
        with self._database.writing(MAINTENANCE) as connection:
            last = connection.scalar(select(func.max(audit_chains.c.id))) or 0
            values = {"id": last + 1, "name": name, "begun_at": Entry(body={}).at}
            connection.execute(insert(audit_chains).values(values))
        self._head = Head(last + 1, 0, NOTHING)
        return int(last) + 1
