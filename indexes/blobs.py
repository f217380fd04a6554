"""Bytes that were uploaded and wait for a worker: files in the home, under the ids of their blobs.

A file has no name before all of it is there, so a killed service leaves nothing half-sent behind.
"""

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

from indexes.durable import sync
from indexes.kept_files import may_remove
from indexes.private_files import private_folder

FOLDER = "uploads"
_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
_PARTIAL = ".partial-"


class BlobFolder:
    """Where they are. The service writes here, and workers read."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / FOLDER

    def begin(self) -> "NewBlob":
        """Raises OSError."""
        private_folder(self._folder)
        return NewBlob(self._folder)

    def open(self, blob_id: str) -> BinaryIO:
        """Raises OSError."""
        return (self._folder / blob_id).open("rb")

    def remove(self, blob_id: str) -> None:
        """It need not be there. While a backup is made it stays, and is an orphan then. Raises OSError."""
        with may_remove(self._home) as may, suppress(FileNotFoundError):
            if may:
                (self._folder / blob_id).unlink()

    def remove_orphans(self, known: Collection[str], older_than_s: float) -> None:
        """Files that no blob of the catalog has, and that are not just being made. Raises OSError."""
        if not self._folder.is_dir():
            return
        oldest = time.time() - older_than_s
        with may_remove(self._home) as may:
            for file in list(self._folder.iterdir()) if may else ():
                with suppress(FileNotFoundError):
                    if file.name not in known and file.stat().st_mtime < oldest:
                        file.unlink()


class NewBlob:
    """A file that is being written. It is gone at the end of the block, unless it was kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial: Path | None = None
        self._file = self._open()
        self._digest = hashlib.sha256()
        self.size = 0

    def _open(self) -> BinaryIO:
        try:
            descriptor = os.open(self._folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NO_UNNAMED_FILES:
                raise
            descriptor, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self._folder)
            self._partial = Path(name)
        return os.fdopen(descriptor, "wb", buffering=0)

    def write(self, block: bytes) -> None:
        """Raises OSError."""
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) or 0 :]
        self._digest.update(block)
        self.size += len(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def keep(self, blob_id: str) -> None:
        """On the disk under this name, as a whole. Raises OSError."""
        os.fsync(self._file.fileno())
        if self._partial is not None:
            self._partial.rename(self._folder / blob_id)
            self._partial = None
        else:
            held = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:  # with a folder given, the link in /proc is followed
                os.link(f"/proc/self/fd/{self._file.fileno()}", blob_id, dst_dir_fd=held)
            finally:
                os.close(held)
        sync(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        self._file.close()
        if self._partial is not None:
            with suppress(OSError):
                self._partial.unlink()
