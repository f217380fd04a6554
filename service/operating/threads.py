"""Threads for blocking work: kept, and given a piece of it with one call and one wake.

`anyio.to_thread` does the same for three times as much processor time, which is more than many a
piece of work takes.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from anyio import CapacityLimiter, WouldBlock

T = TypeVar("T")

IDLE_S = 30.0  # how long a thread without work is kept


async def run_in_thread(work: Callable[..., T], *given: Any, limiter: CapacityLimiter) -> T:
    """What the work returns for these arguments. Raises what it raises.

    The work stands in the line of the limiter and keeps its place there until it has ended. If the
    caller is cancelled, work that has begun goes on and nobody learns its end; what has not begun
    is left out.
    """
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    try:
        limiter.acquire_on_behalf_of_nowait(future)
    except WouldBlock:
        await limiter.acquire_on_behalf_of(future)
    _hand_over(_Piece(future, work, given, limiter))
    return await future


class _Piece:
    """One piece of work. It sees the context variables of whoever asked for it."""

    __slots__ = ("_context", "_future", "_given", "_limiter", "_work")

    def __init__(
        self,
        future: "asyncio.Future[Any]",
        work: Callable[..., Any],
        given: tuple[Any, ...],
        limiter: CapacityLimiter,
    ) -> None:
        self._future = future
        self._work = work
        self._given = given
        self._limiter = limiter
        self._context = copy_context()

    def do(self) -> Callable[[], None]:
        """Does it, and gives back what the event loop has to do then."""
        if self._future.cancelled():
            return lambda: self._end(None, None)
        try:
            result = self._context.run(self._work, *self._given)
        except BaseException as error:
            failure = error
            return lambda: self._end(None, failure)
        return lambda: self._end(result, None)

    def tell(self, end: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the event loop is closed, and nobody waits any more
            self._future.get_loop().call_soon_threadsafe(end)

    def _end(self, result: Any, failure: BaseException | None) -> None:
        self._limiter.release_on_behalf_of(self._future)
        if self._future.done():
            return
        if failure is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(failure)


class _WorkThread:
    """A thread that does what it is handed, and ends when it had nothing to do for a while."""

    def __init__(self) -> None:
        self._handed: SimpleQueue[_Piece] = SimpleQueue()
        Thread(target=self._run, name="clearance work", daemon=True).start()

    def hand(self, piece: _Piece) -> None:
        self._handed.put(piece)

    def _run(self) -> None:
        while True:
            try:
                piece = self._handed.get(timeout=IDLE_S)
            except Empty:
                try:
                    _idle.remove(self)
                except ValueError:
                    continue  # it is being handed something right now
                return
            end = piece.do()
            _idle.append(self)  # first: whoever waits for the end may have more work at once
            piece.tell(end)
            del piece, end  # no work is kept while there is no other


_idle: deque[_WorkThread] = deque()
"""Threads that wait for work. Who worked last is asked first: its memory is warm.

Threads may append, pop and remove at the same time; each is done as a whole.
"""
os.register_at_fork(after_in_child=_idle.clear)  # they do not go with it


def _hand_over(piece: _Piece) -> None:
    try:
        thread = _idle.pop()
    except IndexError:
        thread = _WorkThread()
    thread.hand(piece)
