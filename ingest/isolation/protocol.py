"""How a parsing process and its parent talk: frames of JSON over a socket.

Never pickle: a parser that a hostile file has taken over must not be able to make its parent run
anything.
"""

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from indexes.model import Loss, LossKind
from ingest.elements import Element, ElementKind, Parsed, Table

MAX_FRAME = 512_000_000
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
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size, deadline))
    if length > MAX_FRAME:
        raise SourceTooCostly("It holds more text than one document may.")
    try:
        message = json.loads(_receive_exactly(connection, length, deadline))
    except (ValueError, RecursionError) as error:
        raise ConnectionClosed from error
    if not isinstance(message, dict):
        raise ConnectionClosed
    return message


def _receive_exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes:
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
    return bytes(data)


def pack(parsed: Parsed) -> dict[str, Any]:
    return {"parsed": {**asdict(parsed), "metadata": dict(parsed.metadata)}}


def pack_error(error: SourceError) -> dict[str, Any]:
    return {"error": type(error).__name__, "detail": error.detail, "remedy": error.remedy}


def unpack(message: Mapping[str, Any]) -> Parsed:
    """What the child sent, checked; raises the SourceError that it names."""
    if "error" in message:
        kind = _ERRORS.get(str(message["error"]), SourceBroken)
        raise kind(
            _text_or_none(message.get("detail")), remedy=_text_or_none(message.get("remedy"))
        )
    try:
        return _unpack_parsed(message["parsed"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceBroken("Its parser sent something that is no document.") from error


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
