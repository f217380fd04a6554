"""Messages, invitations and contacts as Outlook stores them (MSG), with what is attached to them."""

import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import olefile

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.attachments import Attachment, lose_part, may_go_deeper, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.mail.mapi import Properties, body_elements
from ingest.partition.mail.messages import (
    LOCKED_BODY,
    UNLOCK_BODY,
    envelope_elements,
    parse_internet_mail,
)
from ingest.partition.mail.secured import signed_text
from ingest.partition.reading import ReadResult

_HEADER_BYTES = {"top": 32, "message": 24, "part": 8}  # before the properties of fixed size
_EMBEDDED = 5  # how an attached message is attached
_CONTACT_LINES: Mapping[int, str] = {
    0x3A16: "Organization", 0x3A17: "Job title", 0x3A18: "Department", 0x3A08: "Telephone (work)", 0x3A1C: "Telephone (mobile)",
    0x3A09: "Telephone (home)", 0x3A15: "Address", 0x3A24: "Fax",
}  # fmt: skip
_NAMED = {0x8208: "place", 0x820D: "begins", 0x820E: "ends", 0x8083: "email", 0x801B: "address"}
_SIGNED_BESIDE = re.compile(
    rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?Content-Type:\s*multipart/signed\b", re.IGNORECASE
)
_SENDER, _RECIPIENT = (0x0C1A, 0x5D01, 0x0C1F), (0x3001, 0x39FE, 0x3003)


class Container:
    """An Outlook file as storages and streams, each by its path."""

    def __init__(self, file: olefile.OleFileIO) -> None:
        self._file = file
        self._inside: dict[tuple[str, ...], dict[str, None]] = {}
        for entry in file.listdir(streams=True, storages=True):
            self._inside.setdefault(tuple(entry[:-1]), {})[entry[-1]] = None

    def children(self, place: tuple[str, ...]) -> list[str]:
        return list(self._inside.get(place, ()))

    def stream(self, place: tuple[str, ...]) -> bytes:
        with self._file.openstream(list(place)) as stream:
            data: bytes = stream.read()
        return data


def read_msg(path: Path, work: ParseContext) -> ReadResult:
    """Raises SourceRefused for an encrypted message, SourceBroken."""
    try:
        with olefile.OleFileIO(path) as file:
            return _read_message(Container(file), (), work)
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise SourceBroken(f"It cannot be read ({type(error).__name__}: {error}).") from error


def _envelope_of(
    container: Container, place: tuple[str, ...], message: Properties
) -> dict[str, Scalar]:
    told = {
        "from": _person(message, _SENDER),
        "to": _recipients(container, place, message),
        "cc": message.text(0x0E03),
        "date": message.date(0x0039) or message.date(0x0E06),
        "title": message.text(0x0037),
    }
    return {name: text for name, text in told.items() if text}


def _read_message(container: Container, place: tuple[str, ...], work: ParseContext) -> ReadResult:
    message = _properties(container, place, "message" if place else "top")
    kind = message.text(0x001A).upper()
    signed = _signed_mail(container, place, message.code_page) if "SMIME" in kind else None
    if "SMIME" in kind and "MULTIPARTSIGNED" not in kind and signed is None:
        raise SourceRefused(LOCKED_BODY, remedy=UNLOCK_BODY)
    about = _envelope_of(container, place, message)
    elements = envelope_elements(about)
    if lines := _own_lines(container, place, message, kind):
        elements.append(Element(kind="text", text="\n".join(lines)))
    if signed is not None:
        mail = parse_internet_mail(signed, work)
        return [*elements, *mail.elements, *read_attachments(mail.attachments, work)], about
    elements += body_elements(message, work)
    elements += _read_attached(container, place, message.code_page, work)
    return elements, about


def _signed_mail(container: Container, place: tuple[str, ...], code_page: int) -> bytes | None:
    """What a signed message holds, which stands in the one file attached to it; None if there is
    none, or if it is encrypted.
    """
    for name in container.children(place):
        if name.startswith("__attach_version1.0_"):
            data = _properties(container, (*place, name), "part", code_page).data(0x3701)
            if _SIGNED_BESIDE.match(data[:4_096]):
                return data
            return signed_text(data)
    return None


def _read_small(data: bytes, into: Properties) -> None:
    """The properties that have no stream of their own: numbers and dates, 16 bytes each."""
    for at in range(0, len(data) - 15, 16):
        tag, number = struct.unpack_from("<HH", data, at)
        if tag in (0x03, 0x0B, 0x40, 0x02):
            into.set(number, tag, data[at + 8 : at + 16])


def _properties(
    container: Container, place: tuple[str, ...], kind: str, code_page: int = 0
) -> Properties:
    """All properties of a storage."""
    found = Properties()
    names = container.children(place)
    if "__properties_version1.0" in names:
        data = container.stream((*place, "__properties_version1.0"))
        _read_small(data[_HEADER_BYTES[kind] :], found)
    for name in names:
        if name.startswith("__substg1.0_") and len(name) == 20:
            number, tag = int(name[12:16], 16), int(name[16:20], 16)
            if tag in (0x1E, 0x1F, 0x102):
                found.set(number, tag, container.stream((*place, name)))
    found.code_page = found.number(0x3FFD) or found.number(0x3FDE) or code_page
    if found.code_page in (1200, 65000):
        found.code_page = 0
    return found


def _person(found: Properties, numbers: tuple[int, int, int]) -> str:
    name, address = found.text(numbers[0]), found.text(numbers[1]) or found.text(numbers[2])
    address = address if "@" in address else ""
    return f"{name} <{address}>" if name and address and name != address else name or address


def _recipients(container: Container, place: tuple[str, ...], message: Properties) -> str:
    """Those that everybody sees; blind copies stay blind."""
    people = [
        _properties(container, (*place, name), "part", message.code_page)
        for name in container.children(place)
        if name.startswith("__recip_version1.0_")
    ]
    shown = [_person(one, _RECIPIENT) for one in people if one.number(0x0C15) in (0, 1)]
    return ", ".join(person for person in shown if person) or message.text(0x0E04)


def _own_lines(
    container: Container, place: tuple[str, ...], message: Properties, kind: str
) -> list[str]:
    """What only an invitation, a task or a contact has."""
    if kind.startswith("IPM.CONTACT"):
        told = {name: message.text(number) for number, name in _CONTACT_LINES.items()}
        told["E-mail"] = _named(container, message).get("email", "")
        return [f"{name}: {text}" for name, text in told.items() if text]
    if not kind.startswith(("IPM.APPOINTMENT", "IPM.SCHEDULE", "IPM.TASK")):
        return []
    named = _named(container, message)
    told = {
        "Place": named.get("place", ""),
        "Begins": named.get("begins", "") or message.date(0x0060),
        "Ends": named.get("ends", "") or message.date(0x0061),
    }
    return [f"{name}: {text}" for name, text in told.items() if text]


def _named(container: Container, message: Properties) -> dict[str, str]:
    """Properties whose numbers each file hands out itself."""
    place = ("__nameid_version1.0", "__substg1.0_00030102")
    if place[1] not in container.children(place[:1]):
        return {}
    data = container.stream(place)
    found: dict[str, str] = {}
    for at in range(0, len(data) - 7, 8):
        ident, kind, index = struct.unpack_from("<IHH", data, at)
        if kind & 1 or ident not in _NAMED:
            continue
        number = 0x8000 + index
        stored = message.values.get(number)
        if stored is not None:
            found[_NAMED[ident]] = (
                message.date(number) if stored[0] == 0x40 else message.text(number)
            )
    return found


def _read_attached(
    container: Container, place: tuple[str, ...], code_page: int, work: ParseContext
) -> list[Element]:
    """Files as any other attachment; messages inside the message below their subject."""
    names = [name for name in container.children(place) if name.startswith("__attach_version1.0_")]
    elements: list[Element] = []
    files: list[Attachment] = []
    for name in names:
        inner = (*place, name)
        told = _properties(container, inner, "part", code_page)
        shown = told.text(0x3707) or told.text(0x3704) or told.text(0x3001) or "attachment"
        storage = next(
            (one for one in container.children(inner) if one.startswith("__substg1.0_3701000D")),
            "",
        )
        if told.number(0x3705) == _EMBEDDED and storage:
            elements += _read_embedded(container, (*inner, storage), shown, work)
        elif data := told.data(0x3701):
            files.append(Attachment(shown, data))
        else:
            lose_part(
                f"Attachment {shown}",
                "It is only linked, or an object without a file.",
                work,
                shown,
            )
    return [*elements, *read_attachments(files, work)]


def _read_embedded(
    container: Container, place: tuple[str, ...], name: str, work: ParseContext
) -> list[Element]:
    if not may_go_deeper(1, work):
        return []
    work.depth += 1
    try:
        found, about = _read_message(container, place, work)
    except SourceRefused as error:
        lose_part(f"Attachment {name}", str(error), work, name)
        return []
    finally:
        work.depth -= 1
    if not about.get("title"):
        found = [Element(kind="heading", text=name, level=0), *found]
    return [
        replace(one, level=min(one.level + 1, 9)) if one.kind == "heading" else one for one in found
    ]
