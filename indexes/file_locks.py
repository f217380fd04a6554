"""Locks between processes, on a file or a folder. The kernel drops one with the process that holds
it, however that dies.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_NO_LOCKS = frozenset({errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that know no locks."""


@contextmanager
def lock_file(
    path: Path, *, waiting: Callable[[], None] | None = None, shared: bool = False
) -> Iterator[TextIO]:
    """Holds a file, alone or with others who share it; it is made if it is not there, and opened to
    append.

    waiting: is told if another process has it, which is then waited for. If None, it is not, and
    BlockingIOError is raised. Raises OSError for a file that cannot be opened.
    """
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise
            waiting()
            fcntl.flock(file, how)
        yield file


@contextmanager
def lock_folder(
    folder: Path, *, shared: bool = False, wait: bool = True, required: bool = True
) -> Iterator[None]:
    """Holds a folder, with others who share it or alone.

    required: if False, a file system without locks is put up with; there, processes should not
    share a folder. Raises OSError for what is no folder, and BlockingIOError if another process
    holds it and is not waited for.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        try:
            fcntl.flock(descriptor, how)
        except OSError as error:
            if required or error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)
