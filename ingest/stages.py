"""Stages of work that overlap: each runs in a thread of its own, a bounded way ahead of the one
that uses it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

# bytes of files and of what was read from them that may be on their way at a time
MAX_LOAD = 256_000_000
GATHER_S = 0.005  # what comes within this time is taken together; far less than any work on it


class Stopped(Exception):
    """The stages were stopped while one still worked."""


class Load:
    """What is on its way through the stages, by name, and what it weighs.

    Beyond the limit nothing is added, but anything may be on its way alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weights: dict[str, int] = {}
        self._lock = threading.Lock()

    def try_add(self, name: str, weight: int) -> bool:
        with self._lock:
            fits = not self._weights or sum(self._weights.values()) + weight <= self._limit
            if fits:
                self._weights[name] = weight
            return fits

    def weigh_again(self, name: str, weight: int) -> None:
        with self._lock:
            self._weights[name] = weight

    def remove(self, name: str | None) -> None:
        """It need not have been added."""
        with self._lock:
            self._weights.pop(name or "", None)


class Stages:
    """Owns the threads of stages that overlap.

    Leaving the block stops and joins them all, whatever they were doing.
    """

    def __init__(self, go_on: Callable[[], None] = lambda: None) -> None:
        """go_on: is asked between steps, from any thread; what it raises ends the work."""
        self.stopped = False
        self._go_on = go_on
        self.load = Load(MAX_LOAD)
        self._queues: list[AheadQueue[Any]] = []
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
        self._queues.append(stage)
        self._threads.append(thread)
        thread.start()
        return stage

    def check(self) -> None:
        """For stages, between steps of long work. Raises Stopped, and what `go_on` raises."""
        if self.stopped:
            raise Stopped
        self._go_on()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stopped = True
        for stage in self._queues:
            stage.wake()
        for thread in self._threads:
            thread.join()


class AheadQueue(Generic[T]):
    """What one stage has made and the next has not yet taken.

    One thread makes, another takes, and each is woken only when it can go on for a while: a thread
    that is woken for every item costs more than the work on a small one. An error of the stage is
    raised where it is taken.
    """

    def __init__(
        self, stages: Stages, items: Iterator[T], limit: int, weigh: Callable[[T], int]
    ) -> None:
        self._stages = stages
        self._items = items
        self._limit = limit
        self._weigh = weigh
        self._made: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._awaited = 1  # the weight at which whoever takes is to be woken
        self._ended = False
        self._error: BaseException | None = None
        lock = threading.Lock()
        self._filled, self._emptied = threading.Condition(lock), threading.Condition(lock)

    def __iter__(self) -> Iterator[T]:
        while window := self.take_window(max(1, self._limit // 8)):
            window.reverse()
            while window:
                yield window.pop()  # which keeps nothing of a large item while the next is awaited

    def take_window(self, limit: int) -> list[T]:
        """Waits for one item, then takes what is there up to this weight, and what comes at once.

        Empty: there will be no more.
        """
        taken: list[T] = []
        with self._filled:
            if self._weight < limit:
                self._wait_for_items(limit)
            while self._made and limit > 0:
                item, weight = self._made.popleft()
                taken.append(item)
                limit -= weight
                self._weight -= weight
            if self._weight <= self._limit // 2:
                self._emptied.notify()
            if not taken and self._error is not None:
                raise self._error
            if not taken and not self._ended:
                raise Stopped
        return taken

    def produce(self) -> None:
        try:
            for _ in map(self._add, self._items):
                pass
        except BaseException as error:  # carried to the thread that takes
            self._error = error
        finally:
            close: Callable[[], Any] = getattr(self._items, "close", lambda: None)
            close()
            with self._filled:
                self._ended = True
                self._filled.notify()

    def wake(self) -> None:
        """Both threads look whether the stages were stopped."""
        with self._filled:
            self._filled.notify()
            self._emptied.notify()

    def _wait_for_items(self, limit: int) -> None:
        self._awaited = 1
        self._filled.wait_for(self._has_what_is_awaited)
        self._awaited = min(limit, self._limit)
        self._filled.wait_for(self._has_what_is_awaited, GATHER_S)

    def _has_what_is_awaited(self) -> bool:
        return self._weight >= self._awaited or self._ended or self._stages.stopped

    def _add(self, item: T) -> None:
        weight = max(1, self._weigh(item))
        with self._filled:
            if self._weight >= self._limit:
                self._emptied.wait_for(lambda: self._weight < self._limit or self._stages.stopped)
            self._stages.check()
            self._made.append((item, weight))
            self._weight += weight
            if self._weight >= self._awaited:
                self._filled.notify()
