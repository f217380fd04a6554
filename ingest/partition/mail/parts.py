"""The parts of a message, their bytes and their charsets, whatever is wrong with them."""

import base64
import binascii
import contextlib
import email.policy
import quopri
import re
from collections.abc import Iterator
from email.message import Message

from indexes.errors import SourceRefused

MAX_PARTS = 2_000
BROKEN = (ValueError, LookupError, RecursionError, AttributeError, TypeError, AssertionError)
_AS_IT_STOOD = email.policy.compat32.clone(max_line_length=0)
_UNQUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r?\n|\Z))")  # in no quoted-printable text
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_PACKED = re.compile(r"[^=]+=*")
_UNPACKED = re.compile(r"[^A-Za-z0-9+/=]")


def walk(message: Message) -> Iterator[Message]:
    """All parts but those of attached messages. Bounded, without recursion."""
    waiting, seen = [message], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise SourceRefused(f"It has more than {MAX_PARTS} parts.")
        yield part
        if part.get_content_maintype() == "multipart":
            waiting += reversed(inner_parts(part))


def inner_parts(part: Message) -> list[Message]:
    inner = part.get_payload()
    return [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []


def bytes_of(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    data = data if isinstance(data, bytes) else b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() != "base64":
        return data
    rest = _behind_base64(part.get_payload())
    return data if rest is None else rest


def packed_message(part: Message) -> bytes | None:
    """The message inside a part that was packed as a whole, as some programs do though it is
    forbidden; None if it was not, whatever the part says.
    """
    way = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if way not in ("base64", "quoted-printable"):
        return None
    raw = b"\n\n".join(map(raw_message, inner_parts(part)))
    if way == "quoted-printable":
        return None if _UNQUOTED.search(raw) else quopri.decodestring(raw)
    if _NO_BASE64.search(raw):
        return None
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(raw.rstrip(b"=\r\n ") + b"===")
    return None


def raw_message(message: Message) -> bytes:
    """A message as it stood in the file."""
    try:
        return message.as_bytes(policy=_AS_IT_STOOD)
    except (*BROKEN, UnicodeError):
        return message.as_string().encode("utf-8", "surrogateescape")


def _behind_base64(payload: object) -> bytes | None:
    """The bytes of a part to whose packed text others were added, packed or plain, as lists for
    mail do below every message; None if it is all one.
    """
    if not isinstance(payload, str):
        return None
    lines = payload.rstrip().split("\n")
    end = next((n for n, _ in enumerate(lines) if n and _is_plain(lines, n)), len(lines))
    packed = _PACKED.findall("".join(lines[:end]))
    if end == len(lines) and len(packed) < 2:
        return None
    try:
        made = [base64.b64decode(f"{piece.rstrip('=')}===") for piece in packed]
    except (binascii.Error, ValueError):
        return None
    return b"\n".join((*made, *(line.encode("utf-8", "surrogateescape") for line in lines[end:])))


def _is_plain(lines: list[str], number: int) -> bool:
    """Whether packed text ends above a line."""
    above = lines[number - 1].strip()
    return (not above or above.endswith("=")) and bool(_UNPACKED.search(lines[number].strip()))


def charset_of(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except BROKEN:
        return None
