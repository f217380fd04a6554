"""Outlook's winmail.dat (TNEF): the body and the files that it wraps."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.mail.mapi import Properties, body_elements
from ingest.partition.reading import ReadResult

MAX_PROPERTIES = 10_000
_SIGNATURE = 0x223E9F78
_ATTRIBUTE = struct.Struct("<BII")
_CODE_PAGE, _SUBJECT, _BODY, _PROPERTIES = 0x00069007, 0x00018004, 0x0002800C, 0x00069003
_BEGIN_FILE, _FILE_NAME, _FILE_DATA, _FILE_PROPERTIES = (
    0x00069002,
    0x00018010,
    0x0006800F,
    0x00069005,
)
_SIZES = {
    0x02: 4,
    0x03: 4,
    0x04: 4,
    0x05: 8,
    0x06: 8,
    0x07: 8,
    0x0A: 4,
    0x0B: 4,
    0x14: 8,
    0x40: 8,
    0x48: 16,
}
_TEXT_PROPERTIES = {_SUBJECT: 0x0037, _BODY: 0x1000}
_TEXTS = (0x1E, 0x1F, 0x102, 0x0D)


def read_tnef(path: Path, work: ParseContext) -> ReadResult:
    """Raises SourceBroken."""
    found = _TnefContents()
    for number, value in _attributes(path.read_bytes()):
        found.take(number, value)
    message = found.message
    message.code_page = message.code_page or found.code_page
    elements: list[Element] = body_elements(message, work)
    attached = [
        _attachment(told, more, found.code_page, number)
        for number, (told, more) in enumerate(found.files, start=1)
    ]
    subject = message.text(0x0037)
    return elements + list(read_attachments(attached, work)), {"title": subject} if subject else {}


@dataclass(slots=True)
class _TnefContents:
    """What the attributes of a file told so far."""

    message: Properties = field(default_factory=Properties)
    files: list[tuple[dict[str, bytes], Properties]] = field(default_factory=list)
    code_page: int = 1252

    def take(self, number: int, value: bytes) -> None:
        if number == _CODE_PAGE and len(value) >= 4:
            self.code_page = int(struct.unpack_from("<I", value)[0])
        elif number in _TEXT_PROPERTIES:
            self.message.set(_TEXT_PROPERTIES[number], 0x1E, value)
        elif number == _PROPERTIES:
            _read_properties(value, self.message)
        elif number == _BEGIN_FILE:
            self.files.append(({}, Properties()))
        elif self.files:
            self._take_of_file(number, value)

    def _take_of_file(self, number: int, value: bytes) -> None:
        told, properties = self.files[-1]
        if number == _FILE_NAME:
            told["name"] = value
        elif number == _FILE_DATA:
            told["data"] = value
        elif number == _FILE_PROPERTIES:
            _read_properties(value, properties)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        raise SourceBroken("It does not begin like a winmail.dat.")
    at = 6
    while at + _ATTRIBUTE.size <= len(data):
        _, number, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + size > len(data):
            raise SourceBroken("Its end is missing.")
        yield number, data[at : at + size]
        at += size + 2  # a check sum


def _attachment(
    told: dict[str, bytes], more: Properties, code_page: int, number: int
) -> Attachment:
    more.code_page = code_page
    short = Properties(code_page=code_page)
    short.set(0x3704, 0x1E, told.get("name", b""))
    name = more.text(0x3707) or more.text(0x3704) or short.text(0x3704) or f"file {number}"
    inner = more.data(0x3701)
    if not told.get("data") and inner[16:20] == struct.pack("<I", _SIGNATURE):
        return Attachment(f"{name}.tnef", inner[16:])  # a message: an object id, then its own TNEF
    return Attachment(name, told.get("data") or inner)


def _read_properties(data: bytes, into: Properties) -> None:
    """The values of a block of MAPI properties; what cannot be followed ends it."""
    try:
        (count,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(min(count, MAX_PROPERTIES)):
            at = _read_property(data, at, into)
    except (struct.error, IndexError):
        return


def _read_property(data: bytes, at: int, into: Properties) -> int:
    kind, number = struct.unpack_from("<HH", data, at)
    at += 4
    if number >= 0x8000:  # it has a name of its own
        (named,) = struct.unpack_from("<I", data, at + 16)
        size = struct.unpack_from("<I", data, at + 20)[0]
        at += 20 + (4 if named == 0 else 4 + _padded(size))
    single, many = kind & 0xFFF, bool(kind & 0x1000)
    count = 1
    if many or single in _TEXTS:
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
    for _ in range(min(count, MAX_PROPERTIES)):
        if single in _TEXTS:
            (size,) = struct.unpack_from("<I", data, at)
            into.set(number, single, data[at + 4 : at + 4 + size])
            at += 4 + _padded(size)
        else:
            size = _SIZES.get(single, 0)
            if not size:
                raise IndexError
            into.set(number, single, data[at : at + size])
            at += size
    return at


def _padded(size: int) -> int:
    return size + -size % 4
