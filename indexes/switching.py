"""A restored home takes the place of what was there in one step.

The folder itself stays, since it may be where a disk is mounted. What is to be moved is noted first,
in one file; from then on the restored home counts. If the process that moves is killed, whoever
opens the home next finishes, before it reads anything.
"""

import errno
import fcntl
import json
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from indexes import durable
from indexes.errors import Busy
from indexes.file_locks import lock_file

TRUTH = (
    *(f"{name}.sqlite{end}" for name in ("catalog", "audit") for end in ("", "-wal", "-shm")),
    "catalog.sqlite-belongs",
    "audit.sqlite-belongs",
    "audit.key",
    "originals",
    "uploads",
    "derived",
)
"""What a home holds besides models, and what is derived from it: all that a restored home replaces."""

STAGED, FORMER = "restore-", "replaced-"
"""What names of folders in a home begin with: a home that is being restored, and what one replaced."""

_PENDING = "restore.pending"
_LOCK = "restore.lock"
_DATABASES = ("catalog.sqlite", "audit.sqlite")
# the bytes of a database file that SQLite locks: one of them is held as long as it is open
_SQLITE_LOCKS = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x40000000, 512, 0)


@contextmanager
def opening(home: Path) -> Iterator[None]:
    """Inside, files of the home are opened: none takes the place of another meanwhile.

    Raises OSError.
    """
    while True:
        if (home / _PENDING).exists():
            _finish_alone(home)
        with lock_file(home / _LOCK, waiting=lambda: None, shared=True):
            if not (home / _PENDING).exists():
                yield
                return


@contextmanager
def closed_home(home: Path) -> Iterator[None]:
    """Inside, no process has a database of the home open, and none opens one.

    This process must have none open. Raises Busy, and OSError.
    """
    with lock_file(home / _LOCK, waiting=lambda: None):
        for name in _DATABASES:
            if _is_open(home / name):
                raise Busy(
                    "A service, a worker or another command uses this home.",
                    remedy="Stop it, then run again.",
                )
        yield


def switch(home: Path, staged: Path, former: Path) -> None:
    """What is in the staged folder of the home takes its place. Only inside `closed_home`.

    A kill at any moment leaves the one or the other. Raises OSError.
    """
    durable.sync_tree(staged)
    _note(home, staged.name, former.name, moved_out=False)
    _finish(home)


def is_pending(home: Path) -> bool:
    """Whether a restored home waits for its place to be taken."""
    return (home / _PENDING).exists()


def leftovers(home: Path) -> Sequence[Path]:
    """Folders of restores that were not finished or that replaced something."""
    return sorted(path for start in (STAGED, FORMER) for path in home.glob(f"{start}*/"))


def _is_open(database: Path) -> bool:
    try:
        descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _SQLITE_LOCKS)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return True
    finally:
        os.close(descriptor)
    return False


def _finish_alone(home: Path) -> None:
    with lock_file(home / _LOCK, waiting=lambda: None):
        if (home / _PENDING).exists():
            _finish(home)


def _finish(home: Path) -> None:
    noted = json.loads((home / _PENDING).read_text(encoding="utf-8"))
    staged, former = home / noted["staged"], home / noted["former"]
    if not noted["moved_out"]:
        former.mkdir(mode=0o700, exist_ok=True)
        _move(TRUTH, home, former)
        _note(home, staged.name, former.name, moved_out=True)
    _move(TRUTH, staged, home)
    (home / _PENDING).unlink()
    durable.sync(home)
    shutil.rmtree(staged, ignore_errors=True)
    with suppress(OSError):  # it holds what was replaced
        former.rmdir()


def _move(names: Sequence[str], source: Path, target: Path) -> None:
    """Those that are there; what a killed process has moved is moved already."""
    for name in names:
        with suppress(FileNotFoundError):
            (source / name).rename(target / name)
    if source.is_dir():
        durable.sync(source)
    durable.sync(target)


def _note(home: Path, staged: str, former: str, *, moved_out: bool) -> None:
    told = {"staged": staged, "former": former, "moved_out": moved_out}
    durable.write(home / _PENDING, json.dumps(told).encode())
