"""Forms with one file, taken as they come: fields are small and few, and the file goes to the disk.

The form is read by python-multipart; here stands what a part may be.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from indexes.blobs import NewBlob
from indexes.errors import BadInput, TooLarge

FILE = "file"
MAX_FIELDS = 200  # readers have one each
MAX_FIELD_BYTES = 65_536
MAX_FIELDS_BYTES = 262_144
MAX_PART_HEAD_BYTES = 8_192
MAX_AROUND_BYTES = 4 * MAX_FIELDS_BYTES  # all that is not the file
_TOGETHER = 1 << 20  # bytes that are written at once

WriteBlock = Callable[[NewBlob, bytes], Awaitable[None]]
"""Writes a block to the blob, in a thread."""


class FormReader:
    """One form. Its fields are those before and behind the file, each with all of its values."""

    def __init__(self, boundary: bytes, most_bytes: int) -> None:
        self.fields: dict[str, list[str]] = {}
        self.has_file = False
        self.waiting = bytearray()  # of the file, not written yet
        self._most_bytes = most_bytes
        self._file_bytes = self._fields_bytes = self._count = 0
        self._name = ""
        self._value: bytearray | None = None  # None: it is the file
        self._head: dict[bytes, bytes] = {}
        self._head_name, self._head_value = bytearray(), bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": partial(self._collect, self._head_name),
                "on_header_value": partial(self._collect, self._head_value),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_head,
                "on_part_data": self._take_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )
        self._ended = False

    def feed(self, block: bytes) -> None:
        """Raises BadInput, TooLarge."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise _bad("It is no multipart form.") from error

    def close(self) -> None:
        """Raises BadInput if the form has no end, or no file."""
        if not self._ended:
            raise _bad("The form has no end.")
        if not self.has_file:
            raise _bad(f"There is no part `{FILE}` with a file.")

    def _begin_part(self) -> None:
        self._count += 1
        self._head, self._value = {}, bytearray()
        if self._count > MAX_FIELDS:
            raise _bad(f"It has more than {MAX_FIELDS} parts.")

    def _collect(self, into: bytearray, data: bytes, start: int, end: int) -> None:
        into += data[start:end]
        if len(into) > MAX_PART_HEAD_BYTES:
            raise _bad("A part has too large a head.")

    def _end_header(self) -> None:
        self._head[bytes(self._head_name).lower()] = bytes(self._head_value)
        self._head_name.clear()
        self._head_value.clear()
        if len(self._head) > MAX_FIELDS:
            raise _bad("A part has too large a head.")

    def _end_head(self) -> None:
        kind, options = parse_options_header(self._head.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise _bad("A part has no name.")
        self._name = _text(options[b"name"])
        if b"filename" not in options:
            return
        if self._name != FILE or self.has_file:
            raise _bad(f"There is one file, in the part `{FILE}`.")
        self.has_file, self._value = True, None

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._value is None:
            self._file_bytes += end - start
            if self._file_bytes > self._most_bytes:
                raise TooLarge()
            self.waiting += data[start:end]
            return
        self._fields_bytes += end - start
        self._value += data[start:end]
        if len(self._value) > MAX_FIELD_BYTES or self._fields_bytes > MAX_FIELDS_BYTES:
            raise TooLarge()

    def _end_part(self) -> None:
        if self._value is not None:
            self.fields.setdefault(self._name, []).append(_text(bytes(self._value)))

    def _end(self) -> None:
        self._ended = True


async def receive_form(
    request: Request, blob: NewBlob, most_bytes: int, write: WriteBlock
) -> dict[str, list[str]]:
    """The fields of the form; the file is in the blob then.

    Raises BadInput, TooLarge, OSError, and ClientDisconnect if the caller leaves.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise _bad("The Content-Type names no boundary.")
    reader, received = FormReader(boundary, most_bytes), 0
    async for block in request.stream():
        received += len(block)
        if received > most_bytes + MAX_AROUND_BYTES:
            raise TooLarge()
        reader.feed(block)
        if len(reader.waiting) >= _TOGETHER:
            await _flush(reader, blob, write)
    reader.close()
    await _flush(reader, blob, write)
    return reader.fields


async def receive_bytes(
    request: Request, blob: NewBlob, most_bytes: int, write: WriteBlock
) -> None:
    """The body as it is, in the blob. Raises as `receive_form` does."""
    waiting = bytearray()
    async for block in request.stream():
        waiting += block
        if blob.size + len(waiting) > most_bytes:
            raise TooLarge()
        if len(waiting) >= _TOGETHER:
            await write(blob, bytes(waiting))
            waiting.clear()
    await write(blob, bytes(waiting))


async def _flush(reader: FormReader, blob: NewBlob, write: WriteBlock) -> None:
    await write(blob, bytes(reader.waiting))
    reader.waiting.clear()


def _text(given: bytes) -> str:
    """Raises BadInput."""
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad("A field is not UTF-8.") from error


def _bad(told: str) -> BadInput:
    return BadInput(told, remedy="Send multipart/form-data, as `curl -F file=@report.pdf` does.")
