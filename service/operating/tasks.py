"""Tasks of the event loop: ended before they are done, and read from while they are at work."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class _End:
    """Comes after the last value."""


async def end_task(task: "asyncio.Future[Any]") -> None:
    """Cancels a task and waits until it has cleaned up. Whatever it raises has been seen."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


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
