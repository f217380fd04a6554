"""One ingestion at a time for one corpus folder."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from indexes.errors import BadConfiguration, Busy
from indexes.file_locks import lock_file
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
    with ExitStack() as held:
        file = _take_lock_file(home / LOCK_FILE, held)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _take_lock_file(path: Path, held: ExitStack) -> TextIO:
    try:
        return held.enter_context(lock_file(path))
    except BlockingIOError as error:
        holder = path.read_text(encoding="ascii")[:20].strip() or "unknown"
        raise Busy(
            f"Documents are being ingested by process {holder}.",
            remedy="Wait for its end, then run again.",
        ) from error
    except OSError as error:
        raise BadConfiguration(
            f"The folder {path.parent} cannot be used: {error.strerror}.",
            remedy="Set CLEARANCE_HOME to a folder that this user may write.",
        ) from error
