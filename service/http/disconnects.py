"""Callers who leave: whatever is being done for them stops at once, the model's generation above
all.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from service.operating.tasks import end_task

T = TypeVar("T")


class CallerLeft(Exception):
    """Nobody waits for this answer any more."""


async def wait_until_gone(receive: Receive) -> None:
    """Returns when the caller has left. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def run_unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The work's result. Raises CallerLeft, after the work has been cancelled and has ended."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(wait_until_gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerLeft
        return working.result()
    finally:
        await end_task(leaving)
        await end_task(working)
