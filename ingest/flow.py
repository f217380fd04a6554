"""Stages of work that overlap: each runs in a thread of its own, a bounded way ahead of the one
that uses it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The flow was closed while a stage still worked."""


class Flow:
    """Owns the threads of its stages.

    Leaving the block stops and joins them all, whatever they were doing.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopped = False
        self._threads: list[threading.Thread] = []

    def run_ahead(
        self, items: Iterator[T], limit: int, weigh: Callable[[T], int] = lambda _: 1
    ) -> "AheadQueue[T]":
        """The same items, made in a new thread while no more than `limit` (by weight) wait to be
        taken.
        """
        stage = AheadQueue(self, items, limit, weigh)
        thread = threading.Thread(
            target=stage.produce, name=f"ingest-{len(self._threads)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()
        return stage

    def check(self) -> None:
        """For stages, between steps of long work. Raises Stopped."""
        if self.stopped:
            raise Stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join()


class AheadQueue(Generic[T]):
    """What one stage has made and the next has not yet taken.

    An error of the stage is raised where it is taken.
    """

    def __init__(
        self, flow: Flow, items: Iterator[T], limit: int, weigh: Callable[[T], int]
    ) -> None:
        self._flow = flow
        self._items = items
        self._limit = limit
        self._weigh = weigh
        self._made: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._ended = False
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[T]:
        while window := self.take_window(1):
            yield from window

    def take_window(self, limit: int) -> list[T]:
        """Waits for one item, then takes what is there up to this weight.

        Empty: there will be no more.
        """
        taken: list[T] = []
        with self._flow.changed:
            self._flow.changed.wait_for(lambda: self._made or self._ended or self._flow.stopped)
            while self._made and limit > 0:
                item, weight = self._made.popleft()
                taken.append(item)
                limit -= weight
                self._weight -= weight
            self._flow.changed.notify_all()
            if not taken and self._error is not None:
                raise self._error
            if not taken and not self._ended:
                raise Stopped
        return taken

    def produce(self) -> None:
        try:
            for item in self._items:
                self._add(item)
        except BaseException as error:  # carried to the thread that takes
            self._error = error
        finally:
            close: Callable[[], Any] = getattr(self._items, "close", lambda: None)
            close()
            with self._flow.changed:
                self._ended = True
                self._flow.changed.notify_all()

    def _add(self, item: T) -> None:
        weight = max(1, self._weigh(item))
        with self._flow.changed:
            self._flow.changed.wait_for(lambda: self._weight < self._limit or self._flow.stopped)
            self._flow.check()
            self._made.append((item, weight))
            self._weight += weight
            self._flow.changed.notify_all()
