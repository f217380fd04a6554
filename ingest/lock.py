"""One ingestion at a time for one corpus folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from indexes.errors import BadConfiguration, Busy
from indexes.private_files import keep_private

LOCK_FILE = "ingest.lock"


@contextmanager
def ingest_lock(home: Path) -> Iterator[None]:
    """Holds the ingestion lock of this home folder.

    Raises Busy at once, naming the process that has it.

    Two runs could each write correct documents, but the one that read the access rules earlier
    could write last and bring back readers that the other had just taken away. The kernel drops the
    lock with the process, however it dies.
    """
    keep_private(home)
    with _open_lock_file(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            raise Busy(
                f"Documents are being ingested by process {holder}.",
                remedy="Wait for its end, then run again.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _open_lock_file(home: Path) -> TextIO:
    try:
        return (home / LOCK_FILE).open("a+", encoding="ascii")
    except OSError as error:
        raise BadConfiguration(
            f"The folder {home} cannot be used: {error.strerror}.",
            remedy="Set CLEARANCE_HOME to a folder that this user may write.",
        ) from error
