"""While a backup is made, no file that the catalog names is removed from the home: what would be
removed is removed by the next clean-up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.file_locks import lock_file

LOCK_FILE = "backup.lock"


@contextmanager
def keep_files(home: Path) -> Iterator[None]:
    """Nothing is removed inside the block. Waits for who removes something now, and for another
    backup. Raises OSError.
    """
    with lock_file(home / LOCK_FILE, waiting=lambda: None):
        yield


@contextmanager
def may_remove(home: Path) -> Iterator[bool]:
    """Whether files may be removed inside the block: not while a backup is made. Raises OSError."""
    if not home.is_dir():  # there are none
        yield True
        return
    try:
        with lock_file(home / LOCK_FILE, shared=True):
            yield True
    except BlockingIOError:
        yield False
