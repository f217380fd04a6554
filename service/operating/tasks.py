"""Tasks of the event loop that are ended before they are done."""

import asyncio
from contextlib import suppress
from typing import Any


async def end_task(task: "asyncio.Future[Any]") -> None:
    """Cancels a task and waits until it has cleaned up. Whatever it raises has been seen."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
