"""Threads for blocking work, a few for each kind, that take what waits one piece after another.

`anyio.to_thread` costs three times as much processor time for each piece, which is more than many a
piece takes; and it gives a thread its next piece only after the event loop has had its turn.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

IDLE_S = 30.0  # how long a thread without work is kept


class Threads:
    """At most so many pieces of work run at the same time; the others wait in their order."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: SimpleQueue[_Piece] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._pieces = 0  # that wait or run

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """What the work returns for these arguments. Raises what it raises.

        The work sees the context variables of whoever asks for it. If the caller is cancelled, work
        that has begun goes on and nobody learns its end; what has not begun is left out.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._add(_Piece(future, work, given))
        return await future

    def _add(self, piece: "_Piece") -> None:
        with self._lock:
            self._waiting.put(piece)
            self._pieces += 1
            wants_thread = self._threads < min(self.most, self._pieces)
            self._threads += wants_thread
        if wants_thread:
            Thread(target=self._work, name="clearance work", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                piece = self._waiting.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if not self._waiting.empty():
                        continue
                    self._threads -= 1
                    return
            end = piece.do()
            with self._lock:
                self._pieces -= 1
            piece.tell(end)
            del piece, end  # no work is kept while there is no other


class _Piece:
    """One piece of work."""

    __slots__ = ("_context", "_future", "_given", "_work")

    def __init__(
        self, future: "asyncio.Future[Any]", work: Callable[..., Any], given: tuple[Any, ...]
    ) -> None:
        self._future = future
        self._work = work
        self._given = given
        self._context = copy_context()

    def do(self) -> Callable[[], None]:
        """Does it, unless nobody waits any more. Returns what the event loop has to do then."""
        if self._future.cancelled():
            return self._keep_silent
        try:
            result = self._context.run(self._work, *self._given)
        except BaseException as error:
            return partial(self._end, self._future.set_exception, error)
        return partial(self._end, self._future.set_result, result)

    def tell(self, end: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            self._future.get_loop().call_soon_threadsafe(end)

    def _end(self, tell: Callable[[Any], None], result: Any) -> None:
        if not self._future.done():
            tell(result)

    def _keep_silent(self) -> None: ...
