"""What is signed or encrypted: the text inside a signature (CMS, RFC 5652), what nobody can read, and
the marks that PGP puts around text.

A signature is not checked: its text is read as it is sent. Whoever may change a message may also
leave its signature out.
"""

import re
from collections.abc import Iterator
from email.message import Message

from ingest.partition.context import ParseContext
from ingest.partition.mail.headers import file_name

MAX_SEGMENTS = 1_000_000  # of one text, as some programs cut it
SECRET = "encrypted"  # why a part could not be read
_SEALED_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNED, _DATA = bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d010701")
_SEQUENCE, _SET, _NUMBER, _NAME, _OUTER = 0x30, 0x31, 0x02, 0x06, 0xA0
_OCTETS, _MANY_OCTETS = 0x04, 0x24
_BEGINS = re.compile(r"[> ]*-----BEGIN PGP (MESSAGE|SIGNED MESSAGE|SIGNATURE)-----\s*")
_ENDS = re.compile(r"[> ]*-----END PGP (?:MESSAGE|SIGNATURE)-----\s*")
_ARMOUR = re.compile(r"[> ]*(?:[A-Za-z0-9+/=]*|[A-Za-z-]+: .*)\s*")
_DASHED = re.compile(r"^([> ]*)- (?=-)")


class _NotSigned(Exception):
    """These bytes hold no signed text that can be followed."""


def is_sealed(part: Message) -> bool:
    """Whether a part is one of S/MIME, of whatever kind."""
    return part.get_content_type() in _SEALED_TYPES or (
        part.get_content_maintype() == "application" and file_name(part).lower().endswith(".p7m")
    )


def lose_encrypted(count: int, work: ParseContext) -> None:
    work.lose("part", count, "parts", SECRET)


def count_encrypted(work: ParseContext) -> int:
    """How many encrypted parts were met so far."""
    return work.lost.get(("part", "parts", SECRET), 0)


def signed_text(data: bytes) -> bytes | None:
    """What was signed, if these bytes hold it; one pass, however deep they claim to be."""
    try:
        return _read_signed(data)
    except (_NotSigned, IndexError):
        return None


def _read_signed(data: bytes) -> bytes:
    at = _enter(data, 0, _SEQUENCE)
    at = _enter(data, _expect_name(data, at, _SIGNED), _OUTER)
    at = _enter(data, at, _SEQUENCE)
    for tag in (_NUMBER, _SET):  # the version, the ways in which it was signed
        if data[at] != tag:
            raise _NotSigned
        at = _behind(data, at)
    at = _enter(data, at, _SEQUENCE)
    at = _enter(data, _expect_name(data, at, _DATA), _OUTER)
    return b"".join(_segments(data, at))


def _header(data: bytes, at: int) -> tuple[int, int, int | None]:
    """(the tag at a place, where its content begins, where it ends; None: at a mark)"""
    tag, size = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise _NotSigned  # a tag of several bytes: in none of what is read here
    start = at + 2
    if size == 0x80:
        return tag, start, None
    if size > 0x80:
        digits = size - 0x80
        if digits > 8 or start + digits > len(data):
            raise _NotSigned
        size = int.from_bytes(data[start : start + digits], "big")
        start += digits
    if start + size > len(data):
        raise _NotSigned
    return tag, start, start + size


def _enter(data: bytes, at: int, wanted: int) -> int:
    tag, start, _ = _header(data, at)
    if tag != wanted:
        raise _NotSigned
    return start


def _expect_name(data: bytes, at: int, wanted: bytes) -> int:
    tag, start, end = _header(data, at)
    if tag != _NAME or end is None or data[start:end] != wanted:
        raise _NotSigned
    return end


def _behind(data: bytes, at: int) -> int:
    """Where what stands at a place is over."""
    depth = 0
    while True:
        tag, start, end = _header(data, at)
        if end is None:
            depth, at = depth + 1, start
        elif tag == 0 and end == start and depth:
            depth, at = depth - 1, end
        else:
            at = end
        if not depth:
            return at


def _segments(data: bytes, at: int) -> Iterator[bytes]:
    """The pieces of a text, which may stand in others of no told length."""
    tag, start, end = _header(data, at)
    if tag == _OCTETS and end is not None:
        yield data[start:end]
        return
    if tag != _MANY_OCTETS:
        raise _NotSigned
    at, stop, depth = start, len(data) if end is None else end, int(end is None)
    open_ended = end is None
    for _ in range(MAX_SEGMENTS):
        if at >= stop:
            return
        tag, start, end = _header(data, at)
        if tag == _OCTETS and end is not None:
            yield data[start:end]
            at = end
        elif tag == _MANY_OCTETS:  # its pieces follow as if they stood outside
            at, depth = start, depth + (end is None)
        elif tag == 0 and start == end and depth:
            at, depth = start, depth - 1
            if open_ended and not depth:
                return
        else:
            raise _NotSigned
    raise _NotSigned


def without_armour(text: str) -> tuple[str, int]:
    """Text without what PGP wrote into it, and how many encrypted stretches it had.

    Signed text stays, without its signature.
    """
    if "-----BEGIN PGP " not in text:
        return text, 0
    kept: list[str] = []
    count, kind = 0, ""
    for line in text.split("\n"):
        if begins := _BEGINS.fullmatch(line):
            kind = begins.group(1)
            count += kind == "MESSAGE"
        elif kind == "SIGNED MESSAGE":  # lines about it, up to an empty one
            kind = "" if not line.strip("> \t") else kind
        elif kind and _ENDS.fullmatch(line):
            kind = ""
        elif not kind or not _ARMOUR.fullmatch(line):
            kind = ""
            kept.append(_DASHED.sub(r"\1", line))
    return "\n".join(kept), count
