"""Whoever waits for an answer goes before the work in the background.

Threads of one process take turns at the interpreter, some milliseconds each, so work in the
background delays an answer even if both touch nothing in common.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from indexes.derived.locks import ReadWriteLock

_GOES_FIRST_S = 0.1  # what takes longer waits for something else: a model, or a caller


class Precedence:
    """Threads share it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._begun: dict[object, float] = {}  # when each request began that is not over, in order
        self._waiting_for_background = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Somebody waits for an answer while the block runs."""
        this = object()
        with self._changed:
            self._begun[this] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._begun[this]
                if not self._begun:
                    self._changed.notify_all()

    @contextmanager
    def waiting_for_background(self) -> Iterator[None]:
        """A request can go on only when the background has ended its step: it gives way to nobody
        while the block runs.
        """
        with self._changed:
            self._waiting_for_background += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._waiting_for_background -= 1

    def is_background_waited_for(self) -> bool:
        """Whether the background should end its step soon."""
        return self._waiting_for_background > 0

    def give_way(self, at_most_s: float) -> float:
        """Returns when nobody goes first, or when the time is over. Gives the seconds it took."""
        start = time.monotonic()
        with self._changed:
            now = start
            while (until := min(self._free_at(), start + at_most_s)) > now:
                self._changed.wait(until - now)
                now = time.monotonic()
        return now - start

    def _free_at(self) -> float:
        """When nobody goes first any more, as far as is known; 0: at once."""
        if self._waiting_for_background or not self._begun:
            return 0.0
        return self._begun[next(reversed(self._begun))] + _GOES_FIRST_S


class Patience:
    """For how long, in all, one step in the background lets others go first."""

    def __init__(self, precedence: Precedence, seconds: float) -> None:
        self._precedence = precedence
        self._left_s = seconds

    def give_way(self) -> None:
        """To be called between any two pieces of work."""
        if self._left_s > 0:
            self._left_s -= self._precedence.give_way(self._left_s)

    @contextmanager
    def writing(self, lock: ReadWriteLock) -> Iterator[None]:
        """Holds the lock; whoever would read meanwhile goes first, as long as there is patience."""
        self.give_way()
        waited_for = self._precedence.is_background_waited_for()
        start = time.monotonic()
        with lock.writing(patience_s=0.0 if waited_for else max(0.0, self._left_s)):
            self._left_s -= time.monotonic() - start
            yield
