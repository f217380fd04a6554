"""Files inside Office files: whole documents are read like attachments, the rest is counted."""

import io
import posixpath
import zipfile

import olefile

from indexes.formats import FORMATS
from ingest.elements import Element
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.guards import read_optional
from ingest.partition.office.package import Package

_MARKED = {
    family: tuple(each for each in FORMATS.values() if each.family == family and each.mark)
    for family in ("ole", "zip")
}
_OLD_WORKBOOK = "Book"  # the stream of Excel 5 and 95
MAX_NAME_BYTES = 1_000


def read_embedded(package: Package, name: str, work: ParseContext) -> list[Element]:
    """The elements of a file that is embedded in another, under a heading with its name."""
    data = package.read(name)
    if data is None:
        work.lose("part", 1, "embedded files", "that are missing or damaged")
        return []
    attachment = _attachment_of(posixpath.basename(name), data)
    if attachment is None:
        work.lose("part", 1, "embedded objects", "of kinds that nothing here reads")
        return []
    return list(read_attachments([attachment], work))


def read_in_place(package: Package, name: str, work: ParseContext) -> list[Element]:
    """The elements of a file that stands for a part of the text, without a heading of its own."""
    return read_embedded(package, name, work)[1:]


def _attachment_of(name: str, data: bytes) -> Attachment | None:
    if not data.startswith(olefile.MAGIC):
        return Attachment(name, data)
    return read_optional(lambda: _unpack_container(posixpath.splitext(name)[0], data), None)


def _unpack_container(name: str, data: bytes) -> Attachment | None:
    """The file in a container of old Office, or the container if it is such a file itself."""
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        streams = {entry[0] for entry in ole.listdir()}
        if "Package" in streams:
            inner = ole.openstream("Package").read()
            return Attachment(name + _ending_of(inner), inner)
        if "\x01Ole10Native" in streams:
            return _native_file(ole.openstream("\x01Ole10Native").read())
    if _OLD_WORKBOOK in streams:
        return Attachment(name + FORMATS["xls"].endings[0], data)
    found = next((each for each in _MARKED["ole"] if each.mark in streams), None)
    return Attachment(name + found.endings[0], data) if found else None


def _ending_of(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    for each in _MARKED["zip"]:
        if any(name.startswith(each.mark) for name in names):
            return each.endings[0]
    return ".bin"


def _native_file(data: bytes) -> Attachment | None:
    """A file that Windows packed: size, flags, its name, its path, flags, a path, its bytes."""
    label_end = data.index(b"\0", 6, 6 + MAX_NAME_BYTES)
    path_end = data.index(b"\0", label_end + 1, label_end + 1 + MAX_NAME_BYTES)
    at = path_end + 1 + 4
    temporary = int.from_bytes(data[at : at + 4], "little")
    at += 4 + temporary
    size = int.from_bytes(data[at : at + 4], "little")
    name = data[6:label_end].decode("utf-8", "replace")
    inner = data[at + 4 : at + 4 + size]
    return Attachment(name, inner) if temporary < MAX_NAME_BYTES and len(inner) == size else None
