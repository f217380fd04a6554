"""Archives as folders: every file in a zip or tar is a document of its own, with its way inside the
archive in its path and with the readers of the archive.

An archive brings no rules: one that holds a file which is a rule, or looks like one, is refused, for
its text must not go to more people than somebody meant.
"""

import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import IO, BinaryIO, Protocol
from urllib.parse import quote

from indexes.errors import SourceBroken, SourceError, SourceRefused
from indexes.file_names import is_ignored
from indexes.formats import FOLDER_ENDINGS, FORMATS, INSIDE, PACKERS
from indexes.lookalikes import refuse_rules_inside
from ingest.elements import ParseOptions

MAX_MEMBERS = 10_000
UNPACKED_FILES = 10  # all members together may be so many times as large as one file

_BLOCK = 1024 * 1024
_NOT_READABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """One file in an archive, as the archive's table of contents tells."""

    number: int  # in the table of contents
    name: str  # its way inside the archive, with slashes
    copy: int  # 1, or more if files before it have the same name
    size: int
    modified_ns: int
    problem: SourceError | None = None

    @property
    def uri(self) -> str:
        """What its document's uri ends with, after that of the archive."""
        again = f"#{self.copy}" if self.copy > 1 else ""
        return f"{INSIDE}{quote(self.name.encode('utf-8', 'surrogateescape'))}{again}"

    @property
    def path(self) -> str:
        shown = self.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return f"{shown} ({self.copy})" if self.copy > 1 else shown


class _Contents(Protocol):
    """An archive that is open."""

    def members(self) -> Iterator[ArchiveMember]: ...

    def open(self, number: int) -> IO[bytes]: ...

    def close(self) -> None: ...


def is_archive(name: str) -> bool:
    return name.lower().endswith(FOLDER_ENDINGS)


class ArchiveShelf:
    """Opens archives, and keeps the last one open, for members are read one after the other."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of one member; all together may have so many times as much."""
        self._max_bytes = max_bytes
        self._stamp: tuple[int, ...] | None = None
        self._contents: _Contents | None = None

    def list_members(
        self, file: BinaryIO, name: str, stamp: tuple[int, ...]
    ) -> list[ArchiveMember]:
        """The files in an archive, in its order.

        stamp: of the file, as `file_stamp` makes it. Raises SourceBroken, and SourceRefused for an
        archive that is too large or that holds a rule.
        """
        with _in_our_words("It is no archive that can be read"):
            found = list(self._open(file, name, stamp).members())
        refuse_rules_inside(member.name for member in found)
        total = sum(member.size for member in found)
        if total > UNPACKED_FILES * self._max_bytes:
            raise _too_large(UNPACKED_FILES * self._max_bytes)
        return [
            member
            for member in _number_copies(found)
            if not any(is_ignored(part) for part in member.name.split("/"))
        ]

    @contextmanager
    def open(
        self, file: BinaryIO, name: str, stamp: tuple[int, ...], member: ArchiveMember
    ) -> Iterator[BinaryIO]:
        """The bytes of a member, in a file that nobody else can reach.

        Raises SourceBroken, also for a member that has more bytes than it says.
        """
        with tempfile.TemporaryFile() as copy:
            with _in_our_words("It cannot be unpacked"):
                contents = self._open(file, name, stamp)
                with contents.open(member.number) as packed:
                    _copy_at_most(packed, copy, member.size)
            copy.seek(0)
            yield copy

    def _open(self, file: BinaryIO, name: str, stamp: tuple[int, ...]) -> _Contents:
        if self._contents is None or self._stamp != stamp:
            self.close()
            # a descriptor of its own: it outlives the given one, and moves in the file alone
            own = os.fdopen(os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY), "rb")
            try:
                is_zip = name.lower().endswith(FORMATS["zip"].endings)
                most = UNPACKED_FILES * self._max_bytes
                self._contents = _Zip(own) if is_zip else _Tar(own, most)
            except BaseException:
                own.close()
                raise
            self._stamp = stamp
        return self._contents

    def close(self) -> None:
        if self._contents is not None:
            self._contents.close()
        self._contents = self._stamp = None

    def __del__(self) -> None:
        self.close()


class _Zip:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._archive = zipfile.ZipFile(file)

    def members(self) -> Iterator[ArchiveMember]:
        entries = self._archive.infolist()
        _check_count(len(entries) - 1)
        for number, (entry, name) in enumerate(zip(entries, _zip_names(entries), strict=True)):
            if not entry.is_dir():
                locked = bool(entry.flag_bits & 1)
                modified_ns = _zip_time(entry.date_time)
                yield _make_member(number, name, entry.file_size, modified_ns, locked=locked)

    def open(self, number: int) -> IO[bytes]:
        return self._archive.open(self._archive.infolist()[number])

    def close(self) -> None:
        self._archive.close()
        self._file.close()


class _Tar:
    """A tar; if it is compressed as a whole, a copy that is not, for its files are read in any
    order.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = _uncompressed(file, most)
        self._archive = tarfile.open(  # noqa: SIM115 # closed with this object
            fileobj=self._file, mode="r:", errors="surrogateescape"
        )
        self._entries: list[tarfile.TarInfo] = []

    def members(self) -> Iterator[ArchiveMember]:
        entries = self._list()
        for number, (entry, name) in enumerate(zip(entries, _tar_names(entries), strict=True)):
            if entry.isdir():
                continue
            member = _make_member(number, name, entry.size, int(entry.mtime * 1e9))
            if not entry.isreg():
                linked = SourceRefused("It is a link or a device, not a file.")
                member = replace(member, size=0, problem=linked)
            yield member

    def open(self, number: int) -> IO[bytes]:
        packed = self._archive.extractfile(self._list()[number])
        if packed is None:
            raise ValueError("it is not a file")
        return packed

    def _list(self) -> list[tarfile.TarInfo]:
        if not self._entries:
            for number, entry in enumerate(self._archive):
                _check_count(number)
                self._entries.append(entry)
            # a tar that was cut between two files looks like a shorter one
            if self._archive.offset + tarfile.BLOCKSIZE > os.fstat(self._file.fileno()).st_size:
                self._entries = []
                raise EOFError("its end is missing")
        return self._entries

    def close(self) -> None:
        self._archive.close()
        self._file.close()


def _packer_of(file: BinaryIO) -> str | None:
    """The module that unpacks it; None if it is not compressed."""
    head = file.read(6)
    file.seek(0)
    return next((name for begin, name in PACKERS.items() if head.startswith(begin)), None)


def _uncompressed(file: BinaryIO, most: int) -> BinaryIO:
    packer = _packer_of(file)
    if packer is None:
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 # whoever takes it closes it
    try:
        with file, import_module(packer).open(file) as packed:
            for block in iter(lambda: packed.read(_BLOCK), b""):
                if copy.tell() + len(block) > most:
                    raise _too_large(most)
                copy.write(block)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _zip_names(entries: list[zipfile.ZipInfo]) -> list[str]:
    if all(entry.filename.isascii() for entry in entries):
        return [entry.filename for entry in entries]
    from ingest.partition.encodings import zip_names  # which loads the parsers

    return zip_names(entries)


def _tar_names(entries: list[tarfile.TarInfo]) -> list[str]:
    raw = [entry.name.encode("utf-8", "surrogateescape") for entry in entries]
    if all(name.isascii() for name in raw):
        return [entry.name for entry in entries]
    from ingest.partition.encodings import decode_names

    return decode_names(raw, ParseOptions().encodings)


def _make_member(
    number: int, name: str, size: int, modified_ns: int, *, locked: bool = False
) -> ArchiveMember:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    problem: SourceError | None = None
    if ".." in parts or not parts:
        problem = SourceRefused("Its name leads out of the archive.")
        parts = [part for part in parts if part != ".."] or [f"file {number}"]
    elif locked:
        problem = SourceRefused(
            "It is protected with a password.", remedy="Store a copy without the password."
        )
    return ArchiveMember(
        number=number, name="/".join(parts), copy=1, size=size, modified_ns=max(0, modified_ns),
        problem=problem,
    )  # fmt: skip


def _number_copies(members: list[ArchiveMember]) -> Iterator[ArchiveMember]:
    """A name may stand twice in an archive: both files are there, and both are kept."""
    seen: dict[str, int] = {}
    for member in members:
        seen[member.name] = seen.get(member.name, 0) + 1
        yield replace(member, copy=seen[member.name])


def _zip_time(told: tuple[int, int, int, int, int, int]) -> int:
    try:
        return int(datetime(*told, tzinfo=UTC).timestamp()) * 1_000_000_000
    except ValueError:
        return 0


def _check_count(number: int) -> None:
    if number >= MAX_MEMBERS:
        raise SourceRefused(
            f"It holds more than {MAX_MEMBERS:,} files.", remedy="Unpack it into a folder."
        )


def _too_large(limit: int) -> SourceRefused:
    return SourceRefused(
        f"Unpacked it has more than {limit:,} bytes.",
        remedy="Unpack it into a folder, or raise CLEARANCE_MAX_FILE_MB.",
    )


def _copy_at_most(packed: IO[bytes], copy: BinaryIO, size: int) -> None:
    left = size
    while block := packed.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            raise ValueError("it has more bytes than the archive says")
        copy.write(block)


@contextmanager
def _in_our_words(what: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except _NOT_READABLE as error:
        if isinstance(error, RuntimeError) and "password" in str(error).lower():
            raise SourceRefused("It is protected with a password.") from error
        raise SourceBroken(f"{what} ({type(error).__name__}: {str(error)[:200]}).") from error
