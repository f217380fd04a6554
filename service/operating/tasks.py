"""Tasks of the event loop: ended before they are done, repeated, and read from while they are at
work.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from anyio import to_thread

log = logging.getLogger("clearance.tasks")
T = TypeVar("T")


class _End:
    """Comes after the last value."""


async def end_task(task: "asyncio.Future[Any]") -> None:
    """Cancels a task and waits until it has cleaned up. Whatever it raises has been seen."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


async def do_in_background(what: str, work: Callable[[], object]) -> None:
    """Blocking work that nobody waits for, in a thread. If it fails, that is logged."""
    try:
        await to_thread.run_sync(work)
    except Exception as error:
        fields = {"work": what, "error": type(error).__qualname__}
        log.warning("work in the background failed", extra={"fields": fields})


async def repeat(what: str, work: Callable[[], object], every_s: float) -> None:
    """Does this work in the background, again and again."""
    while True:
        await asyncio.sleep(every_s)
        await do_in_background(what, work)


async def iterate_over(
    work: Callable[[Callable[[T], Awaitable[None]]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T]:
    """The values that the work hands out, in their order. Closing this ends the work.

    The work is called with what takes a value, and goes on when the next one is asked for. Raises
    what the work raises.
    """
    values: asyncio.Queue[T | _End] = asyncio.Queue()

    async def hand_out(value: T) -> None:
        values.put_nowait(value)
        await values.join()

    task = asyncio.create_task(work(hand_out))
    task.add_done_callback(lambda _: values.put_nowait(_End()))
    try:
        while not isinstance(value := await values.get(), _End):
            yield value
            values.task_done()
        await task
    finally:
        await end_task(task)
