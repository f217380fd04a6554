"""Threads for blocking work, a few for each kind, that take what waits one piece after another.

`anyio.to_thread` costs twice to four times as much processor time for each piece, which is more than
many a piece takes; and it gives a thread its next piece only after the event loop has had its turn.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """At most so many pieces of work run at the same time; the others wait in their order."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._executor = ThreadPoolExecutor(most, thread_name_prefix="clearance work")

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """What the work returns for these arguments. Raises what it raises.

        The work sees the context variables of whoever asks for it. If the caller is cancelled, work
        that has begun goes on and nobody learns its end; what has not begun is left out.
        """
        loop, context = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(self._executor, context.run, work, *given)
