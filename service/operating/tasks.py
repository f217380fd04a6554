"""Tasks of the event loop: ended before they are done, and read from while they are at work."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from anyio import create_memory_object_stream

T = TypeVar("T")


async def end_task(task: "asyncio.Future[Any]") -> None:
    """Cancels a task and waits until it has cleaned up. Whatever it raises has been seen."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


async def iterate_over(
    work: Callable[[Callable[[T], Awaitable[None]]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T]:
    """The values that the work hands out, in their order. Closing this ends the work.

    The work is called with what takes a value, and goes on when that value has been asked for.
    Raises what the work raises.
    """
    taking, values = create_memory_object_stream[T](0)

    async def hand_out() -> None:
        async with taking:
            await work(taking.send)

    with values:
        task = asyncio.create_task(hand_out())
        try:
            async for value in values:
                yield value
            await task
        finally:
            await end_task(task)
