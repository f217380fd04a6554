"""The one file of a catalog on SQLite, which somebody may exchange while it is open."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, local
from typing import Any
from urllib.parse import quote

from indexes import durable
from indexes.errors import Busy, CatalogUnavailable
from indexes.file_locks import lock_folder
from indexes.switching import opening

BUSY_TIMEOUT_MS = 30_000

log = logging.getLogger(__name__)

_Identity = list[int] | None  # device and inode; None: there is no such file


def _file_identity(path: Path | str) -> _Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 # a Path takes longer than the system
    except OSError:
        return None
    return [found.st_dev, found.st_ino]


class CatalogFile:
    """The file that all connections of this process have open. Threads share it.

    Somebody may put another file into its place, such as a copy from yesterday. A connection that
    is open would go on reading the former one for ever, so each transaction looks first and then,
    once no other is at work, all connections are closed. SQLite would take the write-ahead log that
    the former file left behind for the new file's own: so which log belongs to which file is noted
    beside them, and a log of another file is set aside before it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._name = str(self._path)
        self._log, self._index, self._note = (
            Path(f"{self._path}{end}") for end in ("-wal", "-shm", "-belongs")
        )
        self._opened: _Identity = None
        self._noted: list[_Identity] = []
        self._existed = False
        self._active = 0
        self._changed = Condition()
        self._of_thread = local()

    @property
    def path(self) -> Path:
        return self._path

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
        while self._opened is not None and (now := _file_identity(self._name)) != self._opened:
            if now is None:
                raise CatalogUnavailable(f"The file {self._path.name} is not there.")
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

    def connect(
        self, open_one: Callable[..., Any], arguments: list[Any], named: dict[str, Any]
    ) -> Any:
        """A connection that has the file open. No restored home takes its place meanwhile.

        Raises Busy, CatalogUnavailable.
        """
        try:
            with opening(self._path.parent):
                self._before_connect(arguments, named)
                connection = open_one(*arguments, **named)
                self._after_connect(connection)
        except OSError as error:
            raise CatalogUnavailable(f"{error.strerror}: {self._path.parent}.") from error
        return connection

    def _before_connect(self, arguments: list[Any], named: dict[str, Any]) -> None:
        if self._opened is None:
            self._set_aside_a_foreign_log()
        # a catalog that is missing for a moment is not made anew, empty
        if self._existed and not named.get("uri"):
            arguments[0] = f"file:{quote(str(self._path))}?mode=rw"
            named["uri"] = True

    def _after_connect(self, connection: Any) -> None:
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
        with suppress(OSError, ValueError), lock_folder(self._path.parent):
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
        with suppress(OSError), lock_folder(self._path.parent):
            durable.remove_leftovers(self._note)
            durable.write(self._note, json.dumps(noted).encode())
