"""Blocking work in threads: its results and errors come back, and never more of it runs than may."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from service.operating.threads import Threads

asker: ContextVar[str] = ContextVar("asker", default="nobody")


def test_the_result_comes_back_and_so_does_an_error() -> None:
    async def ask() -> None:
        one = Threads(1)
        assert await one.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await one.run(divmod, 7, 0)

    asyncio.run(ask())


def test_work_runs_in_another_thread_and_sees_the_context_of_whoever_asked() -> None:
    async def ask() -> tuple[str, int]:
        asker.set("ada")
        return await Threads(1).run(lambda: (asker.get(), threading.get_ident()))

    who, thread = asyncio.run(ask())
    assert who == "ada"
    assert thread != threading.get_ident()


class Counted:
    """Work that knows how much of it runs, and in which order it began."""

    def __init__(self) -> None:
        self.most = self.now = self.done = 0
        self.begun: list[int] = []
        self._lock = threading.Lock()
        self.may_end = threading.Event()

    def work(self, number: int) -> None:
        with self._lock:
            self.begun.append(number)
            self.now += 1
            self.most = max(self.most, self.now)
        self.may_end.wait(10)
        with self._lock:
            self.now -= 1
            self.done += 1

    async def begin_six(self, in_threads: Threads) -> list["asyncio.Task[None]"]:
        pieces = [asyncio.create_task(in_threads.run(self.work, number)) for number in range(6)]
        await asyncio.sleep(0.05)
        return pieces


def test_no_more_runs_at_the_same_time_than_there_are_threads() -> None:
    async def ask() -> Counted:
        counted = Counted()
        pieces = await counted.begin_six(Threads(2))
        assert sorted(counted.begun) == [0, 1]
        counted.may_end.set()
        await asyncio.gather(*pieces)
        return counted

    counted = asyncio.run(ask())
    assert (counted.most, counted.done) == (2, 6)


def test_who_came_first_has_its_turn_first() -> None:
    async def ask() -> list[int]:
        counted = Counted()
        pieces = await counted.begin_six(Threads(1))
        counted.may_end.set()
        await asyncio.gather(*pieces)
        return counted.begun

    assert asyncio.run(ask()) == list(range(6))


def test_work_whose_caller_has_left_keeps_its_place_until_it_has_ended() -> None:
    async def ask() -> Counted:
        counted = Counted()
        pieces = await counted.begin_six(Threads(2))
        for piece in pieces[:5]:
            piece.cancel()
        await asyncio.sleep(0.05)
        assert counted.most == 2
        counted.may_end.set()
        await pieces[5]
        return counted

    counted = asyncio.run(ask())
    assert counted.most == 2
    assert sorted(counted.begun) == [0, 1, 5], "what had not begun is left out"


def test_work_that_ends_after_its_event_loop_does_no_harm() -> None:
    may_end, ended = threading.Event(), threading.Event()
    one = Threads(1)

    def work() -> None:
        may_end.wait(10)
        ended.set()

    async def begin() -> None:
        task = asyncio.create_task(one.run(work))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(begin())
    may_end.set()
    assert ended.wait(10)
    time.sleep(0.05)
    assert asyncio.run(one.run(abs, -1)) == 1
