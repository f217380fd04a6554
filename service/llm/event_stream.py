"""Server-sent events, read from a server that may send anything, and written to a client."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from indexes.errors import GeneratorBroken

LINE_BYTES = 1 << 20  # longest line accepted


async def read_lines(chunks: AsyncIterator[bytes], most: int) -> AsyncGenerator[str]:
    """The lines of a byte stream.

    Raises GeneratorBroken over `most` bytes in all, an endless line, or bad UTF-8.
    """
    rest = b""
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        if total > most or len(rest) > LINE_BYTES:
            raise GeneratorBroken("It sends without end.")
        for line in whole:
            try:
                yield line.rstrip(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                raise GeneratorBroken("It sent bytes that are no text.") from error


async def read_data(chunks: AsyncIterator[bytes], most: int) -> AsyncGenerator[str]:
    """The data of each event.

    Model servers put the data of an event on one line. All other lines are skipped.
    """
    async for line in read_lines(chunks, most):
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def encode_event(event: str, payload: dict[str, Any]) -> bytes:
    """One event as it goes over the wire. JSON keeps it on one line."""
    return f"event: {event}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n".encode(
        "utf-8", "replace"
    )


def encode_data(payload: dict[str, Any]) -> bytes:
    """One event without a name."""
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


DONE = b"data: [DONE]\n\n"
HEARTBEAT = b": still working\n\n"
