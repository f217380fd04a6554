"""Work that hands values out is read like any other row of values, and ends when nobody reads on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.operating.tasks import iterate_over

Emit = Callable[[int], Awaitable[None]]


def test_values_come_in_order_and_the_work_goes_on_when_they_are_asked_for() -> None:
    made: list[int] = []

    async def work(emit: Emit) -> None:
        for number in range(3):
            made.append(number)
            await emit(number)

    async def read() -> list[tuple[int, int]]:
        seen = []
        async for number in iterate_over(work):
            await asyncio.sleep(0.01)
            seen.append((number, len(made)))
        return seen

    assert asyncio.run(read()) == [(0, 1), (1, 2), (2, 3)]


def test_what_ends_the_work_is_raised_after_what_it_gave() -> None:
    async def work(emit: Emit) -> None:
        await emit(1)
        raise KeyError("two")

    async def read(seen: list[int]) -> None:
        async for number in iterate_over(work):
            seen.append(number)

    seen: list[int] = []
    with pytest.raises(KeyError, match="two"):
        asyncio.run(read(seen))
    assert seen == [1]


@pytest.mark.parametrize("read", [0, 1, 2])
def test_closing_ends_the_work_before_it_returns(read: int) -> None:
    told: list[str] = []

    async def work(emit: Emit) -> None:
        told.append("begun")
        try:
            for number in range(100):
                await emit(number)
        finally:
            await asyncio.sleep(0)
            told.append("ended")

    async def leave() -> None:
        values = iterate_over(work)
        for _ in range(read):
            await anext(values)
        await values.aclose()

    asyncio.run(leave())
    assert told == ([] if read == 0 else ["begun", "ended"]), "what nobody reads is not begun"


def test_a_reader_that_is_cancelled_ends_the_work() -> None:
    ended = []

    async def work(emit: Emit) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def leave() -> None:
        reading = asyncio.create_task(anext(iterate_over(work)))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(leave())
    assert ended == [True]
