"""Archives: every file in them is a part of the document, under a heading with its path."""

import bz2
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused
from indexes.lookalikes import refuse_rules_inside
from ingest.elements import Element
from ingest.partition.archive_entries import has_tar_end
from ingest.partition.attachments import lose_part, may_go_deeper, read_part
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode_names, zip_names
from ingest.partition.kinds import LOCKED, MEGABYTE, UNLOCK, identify_format, is_tar
from ingest.partition.reading import NO_TITLE, ReadResult, reader_of

COPY_BYTES = 1 << 20
MAX_ENTRIES = 100_000  # of a tar, directories and links among them
# what file managers leave behind; it holds no text of anybody
_LITTER = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError, OSError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in an archive."""

    name: str
    size: int
    read: Callable[[int], bytes]  # at most so many bytes of it
    problem: str = ""  # why it cannot be read


def read_zip(path: Path, work: ParseContext) -> ReadResult:
    """The files of a zip archive. Raises SourceRefused, SourceBroken, SourceEmpty."""
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        names = zip_names(entries)
        refuse_rules_inside(names)
        members = [_zip_member(archive, *each) for each in zip(entries, names, strict=True)]
        return _read_members(members, work), NO_TITLE.copy()


def _zip_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> _Member:
    def read(most: int) -> bytes:
        with archive.open(entry) as file:
            return file.read(most)

    return _Member(name, entry.file_size, read, LOCKED if entry.flag_bits & 1 else "")


def read_packed(path: Path, work: ParseContext) -> ReadResult:
    """The files of a tar archive, compressed or not, or the one file that was compressed.

    Raises SourceRefused, SourceBroken, SourceEmpty.
    """
    inner = path if is_plain_tar(path) else _unpack(path, work)
    if not is_tar(inner):
        if not may_go_deeper(1, work):
            raise SourceRefused("It is packed too many times.")
        work.depth += 1
        return reader_of(identify_format(inner, work))(inner, work)
    return _read_tar(inner, work), NO_TITLE.copy()


def _read_tar(path: Path, work: ParseContext) -> list[Element]:
    """Its files, as far as it is whole."""
    try:
        with tarfile.open(path, "r:") as archive:
            entries, whole = _list_tar(archive, path.stat().st_size)
            members = list(_tar_members(archive, entries, work))
            if not whole:
                work.warn("It is damaged; files at its end are missing.")
                work.lose("part", 1, "ends of archives")
            return _read_members(members, work)
    except tarfile.TarError as error:
        raise SourceBroken(f"It cannot be unpacked: {error}.") from error


def _list_tar(archive: tarfile.TarFile, size: int) -> tuple[list[tarfile.TarInfo], bool]:
    """The entries of a tar, and whether it goes on to its end. Raises SourceRefused."""
    entries: list[tarfile.TarInfo] = []
    try:
        for entry in archive:
            entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise SourceRefused(f"It has more than {MAX_ENTRIES:,} entries.")
    except tarfile.ReadError:  # what stands before the damage can be read
        if not entries:
            raise
        return entries, False
    return entries, has_tar_end(archive, size)


def is_plain_tar(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(512)[257:262] == b"ustar"


def _tar_members(
    archive: tarfile.TarFile, entries: Sequence[tarfile.TarInfo], work: ParseContext
) -> Iterator[_Member]:
    raw = [entry.name.encode("utf-8", "surrogateescape") for entry in entries]
    names = decode_names(raw, work.options.encodings)
    refuse_rules_inside(names)
    for entry, name in zip(entries, names, strict=True):
        if entry.isfile():

            def read(most: int, entry: tarfile.TarInfo = entry) -> bytes:
                file = archive.extractfile(entry)
                return file.read(most) if file is not None else b""

            yield _Member(name, entry.size, read)
        elif not entry.isdir():
            work.lose("part", 1, "links and devices", "in the archive")


def _unpack(path: Path, work: ParseContext) -> Path:
    """The content of a compressed file, in the scratch folder. Raises SourceRefused, SourceBroken."""
    most, packed = work.options.max_unpacked_mb * MEGABYTE, path.stat().st_size
    written = 0
    with path.open("rb") as source:
        head = source.read(4_096)
        source.seek(0)
        place = work.scratch / f"unpacked-{work.depth}{_inner_suffix(head)}"
        try:
            with place.open("wb") as target:
                for block in _unpacked_blocks(source, head):
                    written += len(block)
                    _check_size(written, packed, most, work.options.max_unpack_ratio)
                    target.write(block)
        except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
            if not written or getattr(error, "errno", None):
                raise SourceBroken(f"It cannot be unpacked: {error}.") from error
            work.warn("It is damaged; only its beginning could be unpacked.")
            work.lose("part", 1, "ends of packed files")
    return place


def _check_size(written: int, packed: int, most: int, ratio: int) -> None:
    if written > most:
        raise SourceRefused(f"It unpacks to more than {most / MEGABYTE:.0f} MB.")
    if written > MEGABYTE and written > ratio * packed:
        raise SourceRefused(f"It unpacks to more than {ratio} times its size.")


def _unpacked_blocks(source: IO[bytes], head: bytes) -> Iterator[bytes]:
    """What every stream of a compressed file holds, block by block, as far as it goes.

    Raises EOFError at a missing end.
    """
    make: Callable[[], Any] = lambda: zlib.decompressobj(31)  # noqa: E731
    if not head.startswith(b"\x1f\x8b"):
        make = bz2.BZ2Decompressor if head.startswith(b"BZh") else lzma.LZMADecompressor
    stream, data = make(), b""
    while True:
        data = data or source.read(COPY_BYTES)
        if not data and getattr(stream, "needs_input", True):
            raise EOFError("its end is missing")
        block = stream.decompress(data, COPY_BYTES)
        data = getattr(stream, "unconsumed_tail", b"")
        if block:
            yield block
        if stream.eof:
            data = (stream.unused_data or source.read(COPY_BYTES)).lstrip(b"\0")
            if not data.startswith(head[:2]):
                return  # the end, or bytes that belong to no stream
            stream = make()


def _inner_suffix(head: bytes) -> str:
    """The ending of the file that was compressed, if its header names it."""
    if not head.startswith(b"\x1f\x8b") or len(head) < 12 or not head[3] & 8 or head[3] & 4:
        return ""
    name = head[10:].split(b"\0", 1)[0].decode("latin-1")
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if re.fullmatch(r"\.\w{1,8}", suffix) else ""


def _read_members(members: Iterable[_Member], work: ParseContext) -> list[Element]:
    elements: list[Element] = []
    met = 0
    first_problem = ""
    for member in members:
        if _LITTER.search(member.name) or not member.size:
            continue
        met += 1
        if met == 1 and not may_go_deeper(1, work):
            return []
        if met > work.options.max_entries:
            work.lose(
                "limit", 1, "files", f"only the first {work.options.max_entries} are looked at"
            )
            continue
        before = work.warnings[-1:] if work.warnings else []
        found = _read_member(member, work)
        if not found and not first_problem:
            first_problem = next((text for text in work.warnings[-1:] if [text] != before), "")
        elements += [replace(each, page=met, page_name=member.name[:200]) for each in found]
    if not elements and met:
        raise SourceBroken(f"None of its {met} files could be read. {first_problem}".strip())
    if not met:
        raise SourceEmpty("There is no file in it.")
    return elements


def _read_member(member: _Member, work: ParseContext) -> list[Element]:
    name = member.name
    if member.problem:
        lose_part(f"File {name}", f"{member.problem} {UNLOCK}", work, name)
        return []
    most = work.options.max_unpacked_mb * MEGABYTE - work.unpacked
    try:
        data = member.read(max(0, most) + 1)
    except _BROKEN as error:
        lose_part(f"File {name}", f"It cannot be unpacked: {error}.", work, name)
        return []
    if not data:
        return []
    return read_part(name, data, work, called="File")
