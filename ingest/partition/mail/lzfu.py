"""Rich text as Outlook packs it (LZFu): letters, and references to what stood before them."""

import struct
from collections.abc import Iterator

MAX_BYTES = 100_000_000
WINDOW = 4_096  # so far back a reference reaches
_HEADER = struct.Struct("<IIII")
_STORED, _PACKED = 0x414C454D, 0x75465A4C
_PRELOADED = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What every text may refer to, before its own letters."""


def unpack_rtf(data: bytes) -> bytes:
    """The rich text; empty if it is damaged."""
    if len(data) < _HEADER.size:
        return b""
    size, raw, mark, _ = _HEADER.unpack_from(data)
    if mark == _STORED:
        return data[_HEADER.size : _HEADER.size + raw]
    if mark != _PACKED or raw > MAX_BYTES:
        return b""
    return _unpack(data[_HEADER.size : size + 4], raw)


def _unpack(packed: bytes, size: int) -> bytes:
    made = bytearray(_PRELOADED.rjust(WINDOW, b"\0"))
    for piece in _pieces(packed):
        if len(made) >= WINDOW + size:
            break
        if len(piece) == 1:
            made += piece
            continue
        reference = int.from_bytes(piece, "big")
        here = len(made) + len(_PRELOADED)  # in a ring that begins with what every text has
        distance = (here - (reference >> 4)) % WINDOW
        if not distance:  # the end
            break
        for _ in range((reference & 0xF) + 2):
            made.append(made[-distance])
    return bytes(made[WINDOW:])


def _pieces(packed: bytes) -> Iterator[bytes]:
    """Letters as one byte, references as two; eight of them follow each byte of flags."""
    at = 0
    while at < len(packed):
        flags = packed[at]
        at += 1
        for bit in range(8):
            size = 1 + (flags >> bit & 1)
            piece = packed[at : at + size]
            if len(piece) < size:
                return
            yield piece
            at += size
