"""Two replies to the same request, byte by byte.

What may differ by chance is named here, and nothing else may.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

RANDOM_HEADERS = {
    "x-request-id": r"[0-9a-f]{32}",
    "date": r".*",
    "clearance-position": r"[A-Za-z0-9_-]+",
}
"""Headers that are new each time, and the form that they must have; all others are compared to the
letter.
"""

RANDOM_BYTES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("request id", re.compile(rb'("instance": ?")([0-9a-f]{32})(?=")')),
    ("answer id", re.compile(rb'("answer_id": ?")([A-Za-z0-9_-]{22})(?=")')),
    ("answer id", re.compile(rb'("id": ?"(?:chatcmpl-|resp_|msg_))([A-Za-z0-9_-]{22})(?=")')),
    ("answer id", re.compile(rb'("item_id": ?"msg_)([A-Za-z0-9_-]{22})(?=")')),
    ("sealed position", re.compile(rb'("position": ?")([A-Za-z0-9_-]+)(?=")')),
    ("clock", re.compile(rb'("created(?:_at)?": ?)(\d{10})(?=[,}])')),
    ("clock", re.compile(rb'("timings": ?)(\{[^{}]*\})')),
)
"""Stretches of a body that are new each time.

Ids and positions must have the same length on both sides.
"""


@dataclass(frozen=True, slots=True)
class ObservedReply:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: bytes


def make_comparable(answered: ObservedReply) -> bytes:
    """Everything that a caller gets, with marks where chance may differ."""
    lines = [str(answered.status)]
    for name, value in sorted(answered.headers.items()):
        # follows from the body, in which the clock has more digits or fewer
        if name == "content-length":
            value = "right" if int(value) == len(answered.body) or not answered.body else "wrong"
        elif name in RANDOM_HEADERS and re.fullmatch(RANDOM_HEADERS[name], value):
            value = "new each time" if name == "date" else f"new each time, {len(value)} characters"
        lines.append(f"{name}: {value}")
    body = answered.body
    for kind, pattern in RANDOM_BYTES:
        body = pattern.sub(lambda found, kind=kind: found[1] + _placeholder(kind, found[2]), body)  # type: ignore[misc]
    return "\n".join(lines).encode() + b"\n\n" + body


def _placeholder(kind: str, found: bytes) -> bytes:
    return f"<{kind}>".encode() if kind == "clock" else f"<{kind}, {len(found)} bytes>".encode()


def find_words(content: bytes, words: Iterable[str]) -> list[str]:
    """Those of the words that stand in these bytes, however JSON, HTML or an address may have
    written them.
    """
    found = content.lower()
    return [word for word in words if any(form in found for form in _spellings(word))]


def _spellings(word: str) -> set[bytes]:
    plain = word.lower()
    return {plain.encode(), plain.encode("unicode_escape"), plain.encode("utf-16-le")}


def describe_first_difference(one: bytes, other: bytes, around: int = 120) -> str:
    """Where two replies part, for people."""
    place = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(0, place - around)
    return f"byte {place}: …{one[start : place + around]!r}… against …{other[start : place + around]!r}…"
