"""The first lines of a request, taken at their word or refused: what two readers could understand
in two ways is wrong.

A proxy in front may end a request elsewhere than this service does, and then a part of one caller's
request becomes the beginning of another's. So everything that leaves room for that is refused
before it is parsed.
"""

import re

MAX_HEAD = 32_768  # bytes, without the body
END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [!-~]{1,16384} HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")


def could_begin(part: bytes) -> bool:
    """Whether more bytes may make a good head of these: no bare end of line and no zero byte is in
    them so far.
    """
    rest = part.replace(b"\r\n", b"")
    return b"\n" not in rest and b"\x00" not in rest and b"\r" not in rest[:-1]


def is_good(head: bytes) -> bool:
    """Whether a head, with the empty line that ends it, can be understood in one way only."""
    line, *fields = head.removesuffix(END).split(b"\r\n")
    if not could_begin(head) or not _REQUEST_LINE.fullmatch(line):
        return False
    found: dict[bytes, list[bytes]] = {}
    for field in fields:  # a folded line begins with a blank, which no name has
        parts = _FIELD.fullmatch(field)
        if parts is None:
            return False
        found.setdefault(parts[1].lower(), []).append(parts[2].strip(b" \t"))
    return _has_one_end(found, line.endswith(b"1.1"))


def path_of(head: bytes) -> bytes:
    """The path that a good head asks for."""
    return head.split(b" ", 2)[1].partition(b"?")[0]


def _has_one_end(found: dict[bytes, list[bytes]], chunks_allowed: bool) -> bool:
    """Whether these fields tell the end of the body in one way, and in no other."""
    lengths, codings = found.get(b"content-length", []), found.get(b"transfer-encoding", [])
    if codings:
        return (
            chunks_allowed
            and not lengths
            and [coding.lower() for coding in codings] == [b"chunked"]
        )
    return len(lengths) <= 1 and all(_LENGTH.fullmatch(length) for length in lengths)
