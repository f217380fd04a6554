"""How a parsing process and its parent talk: frames of JSON over a socket.

Never pickle: a parser that a hostile file has taken over must not be able to make its parent run
anything.
"""

import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast, get_args

from indexes.errors import (
    SourceBroken,
    SourceEmpty,
    SourceError,
    SourceRefused,
    SourceTooCostly,
    SourceUnavailable,
)
from indexes.formats import PageKind
from indexes.model import Chunk, Loss, LossKind, PageMark, SectionMark, TableMark
from ingest.elements import CutText, Element, ElementKind, Parsed, Table

MAX_FRAME = 512_000_000  # bytes, of one frame, and of all frames of one document together
BATCH_CHARS = 4_000_000  # of the chunks in one frame, roughly
MAX_ABOVE_CHARS = 10_000  # of what may stand above a chunk: it comes from a process that may lie
_LENGTH = struct.Struct(">Q")
_ERRORS = {
    error.__name__: error
    for error in (SourceBroken, SourceEmpty, SourceRefused, SourceTooCostly, SourceUnavailable)
}
_KINDS = frozenset(get_args(ElementKind))
_PAGE_KINDS = frozenset(get_args(PageKind))
_LOSS_KINDS = frozenset(get_args(LossKind))


class ConnectionClosed(Exception):
    """The other side is gone."""


class DeadlinePassed(Exception):
    """Nothing came before the deadline."""


def send(connection: socket.socket, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
    """One frame, and with it open files. Raises ConnectionClosed."""
    data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    head = _LENGTH.pack(len(data))
    try:
        if files:
            sent = socket.send_fds(connection, [head], files)
            head = head[sent:]
        connection.sendall(head + data)
    except OSError as error:
        raise ConnectionClosed from error


def receive_with_files(connection: socket.socket, count: int) -> tuple[dict[str, Any], list[int]]:
    """The next frame, and the open files that came with it. For a side that trusts the other.

    Raises ConnectionClosed.
    """
    try:
        head, files, _, _ = socket.recv_fds(connection, _LENGTH.size, count)
    except OSError as error:
        raise ConnectionClosed from error
    if len(files) != count:
        raise ConnectionClosed
    head += _receive_exactly(connection, _LENGTH.size - len(head), None)
    message: dict[str, Any] = json.loads(
        _receive_exactly(connection, _LENGTH.unpack(head)[0], None)
    )
    return message, files


def receive(connection: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """The next frame; `deadline` on the monotonic clock.

    Raises ConnectionClosed, DeadlinePassed, and SourceTooCostly for a giant frame.
    """
    return _receive_within(connection, deadline, MAX_FRAME)[0]


def _receive_within(
    connection: socket.socket, deadline: float | None, room: int
) -> tuple[dict[str, Any], int]:
    """The next frame, and how many bytes it had. Raises what `receive` raises."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size, deadline))
    if length > room:
        raise SourceTooCostly("It holds more text than one document may.", remedy="Split the file.")
    try:
        message = json.loads(_receive_exactly(connection, length, deadline))
    except (ValueError, RecursionError) as error:
        raise ConnectionClosed from error
    if not isinstance(message, dict):
        raise ConnectionClosed
    return message, length


def _receive_exactly(connection: socket.socket, count: int, deadline: float | None) -> bytearray:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        try:
            connection.settimeout(
                None if deadline is None else max(0.001, deadline - time.monotonic())
            )
            got = connection.recv_into(view[filled:])
        except TimeoutError as error:
            raise DeadlinePassed from error
        except OSError as error:
            raise ConnectionClosed from error
        if got == 0:
            raise ConnectionClosed
        filled += got
    return data


def pack(parsed: Parsed) -> Iterator[dict[str, Any]]:
    """The frames of a document: one, and if it has been cut, its chunks after that."""
    plain = asdict(replace(parsed, cut=None, metadata={}))
    first = {"parsed": {**plain, "metadata": dict(parsed.metadata)}}
    if parsed.cut is None:
        yield first
        return
    chunks = parsed.cut.chunks
    yield {
        **first,
        "cut": {"title": parsed.cut.title, "text": parsed.cut.text, "chunks": len(chunks)},
    }
    yield from _pack_chunks(chunks)


def _pack_chunks(chunks: Sequence[Chunk]) -> Iterator[dict[str, Any]]:
    """Their frames, none much larger than BATCH_CHARS."""
    batch: list[list[Any]] = []
    chars = 0
    for number, one in enumerate(chunks, start=1):
        batch.append(_pack_chunk(one))
        chars += len(one.embedded) + len(one.words) + len(one.header)
        if chars >= BATCH_CHARS or number == len(chunks):
            yield {"chunks": batch}
            batch, chars = [], 0


def _pack_chunk(chunk: Chunk) -> list[Any]:
    """Without its text, which the document's text holds."""
    return [
        chunk.start,
        chunk.end,
        chunk.section,
        [(mark.start, mark.number, mark.name) for mark in chunk.pages],
        chunk.embedded,
        [(mark.start, mark.section) for mark in chunk.headings],
        chunk.header,
        chunk.words,
        [(mark.start, mark.body, mark.end) for mark in chunk.tables],
    ]


def pack_error(error: SourceError) -> dict[str, Any]:
    return {"error": type(error).__name__, "detail": error.detail, "remedy": error.remedy}


def receive_parsed(
    first: Mapping[str, Any], connection: socket.socket, deadline: float | None = None
) -> Parsed:
    """What the child sent, checked; raises the SourceError that it names, and what `receive` raises.

    first: its first frame; more follow if the document has been cut.
    """
    _raise_error(first)
    try:
        parsed = _unpack_parsed(first["parsed"])
        if first.get("cut") is None:
            return parsed
        return replace(parsed, cut=_receive_cut(first["cut"], connection, deadline))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise SourceBroken("Its parser sent something that is no document.") from error


def _receive_cut(
    told: Mapping[str, Any], connection: socket.socket, deadline: float | None
) -> CutText:
    text, wanted = str(told["text"]), int(told["chunks"])
    chunks: list[Chunk] = []
    room = MAX_FRAME - len(text)
    while len(chunks) < wanted:
        message, length = _receive_within(connection, deadline, room)
        room -= length
        _raise_error(message)
        if not message["chunks"]:
            raise ValueError("an empty frame")
        for each in message["chunks"]:
            chunks.append(_unpack_chunk(each, text, len(chunks), chunks[-1].end if chunks else 0))
    return CutText(title=str(told["title"]), text=text, chunks=tuple(chunks))


def _raise_error(message: Mapping[str, Any]) -> None:
    """Raises the SourceError that the child names, if it does."""
    if "error" in message:
        kind = _ERRORS.get(str(message["error"]), SourceBroken)
        raise kind(
            _text_or_none(message.get("detail")), remedy=_text_or_none(message.get("remedy"))
        )


def _unpack_chunk(told: Sequence[Any], text: str, ordinal: int, least: int) -> Chunk:
    """Raises ValueError for a place that is none, or that the chunk before it holds."""
    start, end = int(told[0]), int(told[1])
    if not least <= start < end <= len(text):
        raise ValueError("a chunk outside of its text")
    return Chunk(
        ordinal=ordinal,
        text=text[start:end],
        start=start,
        end=end,
        section=_unpack_section(told[2]),
        pages=tuple(
            PageMark(int(at), int(number), _text_or_none(name)) for at, number, name in told[3]
        ),
        embedded=str(told[4]),
        headings=tuple(SectionMark(int(at), _unpack_section(section)) for at, section in told[5]),
        header=str(told[6])[:MAX_ABOVE_CHARS],
        tables=tuple(TableMark(int(at), int(body), int(stop)) for at, body, stop in told[8]),
        words=str(told[7]),
    )


def _unpack_section(told: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in told)


def _unpack_parsed(told: Mapping[str, Any]) -> Parsed:
    page_kind = _text_or_none(told["page_kind"])
    return Parsed(
        title=_text_or_none(told["title"]),
        elements=tuple(_unpack_element(item) for item in told["elements"]),
        media_type=str(told["media_type"]),
        language=_text_or_none(told["language"]),
        page_kind=cast(PageKind, page_kind) if page_kind in _PAGE_KINDS else None,
        metadata={
            str(key): value
            for key, value in told["metadata"].items()
            if isinstance(value, str | int | float | bool)
        },
        warnings=tuple(str(item) for item in told["warnings"]),
        losses=tuple(_unpack_loss(item) for item in told["losses"]),
    )


def _unpack_element(told: Mapping[str, Any]) -> Element:
    if told["kind"] not in _KINDS:
        raise ValueError(told["kind"])
    page = told["page"]
    return Element(
        kind=cast(ElementKind, told["kind"]),
        text=str(told["text"]),
        level=int(told["level"]),
        page=int(page) if page is not None else None,
        page_name=_text_or_none(told["page_name"]),
        table=None if told["table"] is None else _unpack_table(told["table"]),
    )


def _unpack_table(told: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(str(cell) for cell in row) for row in told["rows"])
    if len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different lengths")
    box = told["box"]
    return Table(
        rows=rows,
        header_rows=min(max(0, int(told["header_rows"])), len(rows)),
        header_columns=min(max(0, int(told["header_columns"])), len(rows[0])),
        spans=tuple(_unpack_span(span) for span in told["spans"]),
        caption=str(told["caption"]),
        notes=tuple(str(note) for note in told["notes"]),
        box=None if box is None else _unpack_box(box),
    )


def _unpack_span(told: Sequence[Any]) -> tuple[int, int, int, int]:
    row, column, rows, columns = (int(each) for each in told)
    return row, column, rows, columns


def _unpack_box(told: Sequence[Any]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(each) for each in told)
    return left, top, right, bottom


def _unpack_loss(told: Mapping[str, Any]) -> Loss:
    if told["kind"] not in _LOSS_KINDS:
        raise ValueError(told["kind"])
    return Loss(
        kind=cast(LossKind, told["kind"]),
        count=int(told["count"]),
        unit=str(told["unit"]),
        detail=str(told["detail"]),
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
