"""Blocking work in threads: its results and errors come back, and never more of it runs than may."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
from anyio import CapacityLimiter

from service.operating import threads
from service.operating.threads import run_in_thread

asker: ContextVar[str] = ContextVar("asker", default="nobody")


def test_the_result_comes_back_and_so_does_an_error() -> None:
    async def ask() -> None:
        one = CapacityLimiter(1)
        assert await run_in_thread(divmod, 7, 2, limiter=one) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await run_in_thread(divmod, 7, 0, limiter=one)
        assert one.borrowed_tokens == 0

    asyncio.run(ask())


def test_work_runs_in_another_thread_and_sees_the_context_of_whoever_asked() -> None:
    async def ask() -> tuple[str, int]:
        asker.set("ada")
        return await run_in_thread(
            lambda: (asker.get(), threading.get_ident()), limiter=CapacityLimiter(1)
        )

    who, thread = asyncio.run(ask())
    assert who == "ada"
    assert thread != threading.get_ident()


class Counted:
    """Work that knows how much of it runs."""

    def __init__(self) -> None:
        self.most = self.now = self.done = 0
        self._lock = threading.Lock()
        self.may_end = threading.Event()

    def work(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.may_end.wait(10)
        with self._lock:
            self.now -= 1
            self.done += 1


def run_pieces(counted: Counted, limiter: CapacityLimiter) -> list["asyncio.Task[None]"]:
    return [asyncio.create_task(run_in_thread(counted.work, limiter=limiter)) for _ in range(6)]


def test_no_more_runs_at_the_same_time_than_the_limiter_allows() -> None:
    async def ask() -> Counted:
        counted, limiter = Counted(), CapacityLimiter(2)
        pieces = run_pieces(counted, limiter)
        await asyncio.sleep(0.05)
        counted.may_end.set()
        await asyncio.gather(*pieces)
        return counted

    counted = asyncio.run(ask())
    assert (counted.most, counted.done) == (2, 6)


def test_work_whose_caller_has_left_keeps_its_place_until_it_has_ended() -> None:
    async def ask() -> tuple[int, int]:
        counted, limiter = Counted(), CapacityLimiter(2)
        pieces = run_pieces(counted, limiter)
        await asyncio.sleep(0.05)
        for piece in pieces[:5]:
            piece.cancel()
        await asyncio.sleep(0.05)
        running = counted.most
        counted.may_end.set()
        await pieces[5]
        assert counted.done == 3, "what had not begun is left out"
        assert limiter.borrowed_tokens == 0
        return running, counted.most

    assert asyncio.run(ask()) == (2, 2)


def test_a_thread_that_waits_for_work_does_it_and_one_that_waits_too_long_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "IDLE_S", 0.05)
    monkeypatch.setattr(threads, "_idle", type(threads._idle)())

    async def which_thread() -> int:
        return await run_in_thread(threading.get_ident, limiter=CapacityLimiter(1))

    async def ask() -> None:
        first = await which_thread()
        assert await which_thread() == first
        for _ in range(200):
            if not threads._idle:
                break
            await asyncio.sleep(0.02)
        assert not threads._idle
        assert await which_thread()

    asyncio.run(ask())


def test_work_that_ends_after_its_event_loop_does_no_harm() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    async def begin() -> None:
        asking: Coroutine[Any, Any, None] = run_in_thread(work, limiter=CapacityLimiter(1))
        task = asyncio.create_task(asking)
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(begin())
    may_end.set()
    assert ended.wait(10)
    time.sleep(0.05)
    assert asyncio.run(run_in_thread(lambda: 1, limiter=CapacityLimiter(1))) == 1
