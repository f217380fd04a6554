"""Files and folders that are there as a whole or not at all, after a kill and a power failure too:
written aside in the same folder, synced, renamed; and the checksums that verify them.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

PRIVATE = 0o600
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP})
"""What file systems say that keep folders in another way."""


@contextmanager
def replace_file(path: Path, *, mode: int = PRIVATE) -> Iterator[BufferedWriter]:
    """A new file, open for writing, that takes the place of `path` at the end of the block.

    Whoever opens `path` meanwhile finds what was there before. If the block or the disk fails, that
    stays and nothing is left aside. A link is replaced and not followed. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    sync(path.parent)


def write(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """The file holds this content from now on, whatever it held before. Raises OSError."""
    with replace_file(path, mode=mode) as file:
        file.write(content)


def remove_leftovers(path: Path) -> None:
    """Deletes what killed processes left aside while they wrote this file. Raises OSError.

    Only for a caller who knows that nobody writes it now.
    """
    for each in list(path.parent.iterdir()):
        if each.name.startswith(_prefix(path)):
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """What was written to this file, or which names this folder has, is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not (is_folder and error.errno in NO_FOLDER_SYNC):
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """The folder and all that is in it is on the disk. Raises OSError."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def replace_folder(folder: Path, by: Path, former: Path) -> None:
    """Puts a synced folder beside it into the place of `folder`; what was there is then at `former`.

    A kill in between leaves no folder there at all, never a mixture. Raises OSError.
    """
    if folder.exists():
        folder.rename(former)
    by.rename(folder)
    sync(folder.parent)


def open_ordinary(path: Path) -> BufferedReader:
    """The file, open for reading. Raises OSError for a link and for what might never end, a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no ordinary file")
    return os.fdopen(descriptor, "rb")


def digest_of(path: Path) -> str:
    """The SHA-256 of an ordinary file, in hex. Raises OSError."""
    with open_ordinary(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, digest: Callable[[Path], str] = digest_of) -> dict[str, str]:
    """The digest of every file below the folder, by its path in there. Raises OSError."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): digest(path) for path in files}


def changed_files(
    folder: Path, written: Mapping[str, str], digest: Callable[[Path], str] = digest_of
) -> list[str]:
    """Which files are gone or no longer have the digest that they were written with. Raises OSError
    if one cannot be read.
    """
    return [
        name
        for name, wanted in written.items()
        if not (folder / name).is_file() or digest(folder / name) != wanted
    ]


def _prefix(path: Path) -> str:
    return f".{path.name}.partial-"
