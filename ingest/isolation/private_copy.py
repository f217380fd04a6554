"""A copy of a file that nobody else can reach or change, while it is hashed and parsed."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from indexes.private_files import private_folder

IN_MEMORY_BYTES = 8 * 1024 * 1024
_BLOCK = 1024 * 1024
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class PrivateCopy:
    """Small ones are in memory from the start; larger ones wait for their parser as a file without
    a name.
    """

    def __init__(self, file: BinaryIO, name: str, *, in_memory: bool) -> None:
        self._file = file
        self._in_memory = in_memory
        self.name = name  # of the file that it is a copy of: its ending says what it claims to be

    @classmethod
    def new(cls, name: str, size: int, home: Path) -> Self:
        """An empty copy for so many bytes. Raises OSError."""
        if size <= IN_MEMORY_BYTES:
            return cls(_open_memory(), name, in_memory=True)
        folder = home / "tmp"
        private_folder(folder)
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0), name, in_memory=False)

    def write(self, block: bytes) -> None:
        """Raises OSError."""
        _write(self._file, block)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, from the beginning. Raises OSError."""
        at = 0
        while block := os.pread(self._file.fileno(), _BLOCK, at):
            at += len(block)
            yield block

    def seal(self) -> None:
        """What is in it stays as it is."""
        if self._in_memory:
            _seal(self._file)

    @contextmanager
    def in_memory(self) -> Iterator[int]:
        """A descriptor of the sealed bytes, in memory, for a process that can open no file.

        Raises OSError.
        """
        if self._in_memory:
            yield self._file.fileno()
            return
        with _open_memory() as sealed:
            self._file.seek(0)
            while block := self._file.read(_BLOCK):
                _write(sealed, block)
            _seal(sealed)
            yield sealed.fileno()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        self.close()


def _open_memory() -> BinaryIO:
    return os.fdopen(
        os.memfd_create("document", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b", buffering=0
    )


def _write(file: BinaryIO, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _seal(file: BinaryIO) -> None:
    fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, _SEALS)
    os.fchmod(file.fileno(), 0o444)  # whoever has the descriptor may open it, also as another user
