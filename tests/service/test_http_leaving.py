"""Over real connections: who leaves stops the model at once; who waits is told that work goes on."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from service.answering.values import Token
from service.http import streaming
from service.http.disconnects import CallerLeft, run_unless_gone
from service.testing.loopback import Loopback
from service.testing.models import ScriptedModel, words_without_loop

QUESTION = {"question": "When do salaries rise?"}
SOON_S = 1.0


@pytest.fixture
def served(house: Any) -> Iterator[str]:
    with Loopback(house.app, "on") as server:
        yield server.url


@pytest.fixture
def slow(house: Any) -> ScriptedModel:
    """A model that would need a minute for its answer."""
    house.model.reply, house.model.delay_s = words_without_loop(300), 0.2
    model: ScriptedModel = house.model
    return model


def post(url: str, house: Any, body: dict[str, Any]) -> socket.socket:
    """A connection on which /ask has been asked."""
    where = urlsplit(url)
    line = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10)
    content = json.dumps(body).encode()
    head = (
        f"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.keys['ada']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    line.sendall(head.encode() + content)
    return line


def wait(true: Callable[[], bool], limit_s: float = 5.0) -> float:
    """Seconds until it is true."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < limit_s
        time.sleep(0.01)
    return time.monotonic() - started


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_stops_the_model(
    house: Any, served: str, slow: ScriptedModel, stream: bool
) -> None:
    line = post(served, house, QUESTION | {"stream": stream})
    wait(lambda: slow.running == 1)
    line.close()
    assert wait(lambda: slow.running == 0) < SOON_S
    assert slow.abandoned == 1
    wait(
        lambda: (
            "clearance_callers_left_total 1.0"
            in httpx2.get(f"{served}/metrics", headers=house.headers("root")).text
        )
    )


def test_who_leaves_while_the_search_runs_costs_no_generation(house: Any, served: str) -> None:
    search = house.app.state.runtime.searcher.search

    def slowly(*given: Any, **named: Any) -> Any:
        time.sleep(0.5)
        return search(*given, **named)

    house.app.state.runtime.searcher.search = slowly
    post(served, house, QUESTION).close()
    time.sleep(1.0)
    assert house.model.calls == []


def test_who_leaves_before_the_first_event_ends_the_work(house: Any, served: str) -> None:
    waiting: list[str] = []

    async def served_model() -> None:
        waiting.append("began")
        try:
            await asyncio.sleep(60)
        finally:
            waiting.append("ended")

    house.model.served_model = served_model
    line = post(served, house, QUESTION | {"stream": True})
    wait(lambda: waiting == ["began"])
    line.close()
    assert wait(lambda: waiting == ["began", "ended"]) < SOON_S


def test_twenty_leave_at_once(house: Any, served: str, slow: ScriptedModel) -> None:
    lines = [post(served, house, QUESTION | {"stream": number % 2 == 0}) for number in range(20)]
    wait(lambda: slow.running == 20)
    for line in lines:
        line.close()
    assert wait(lambda: slow.running == 0) < SOON_S
    asked = httpx2.post(f"{served}/search", json=QUESTION, headers=house.headers("ada"))
    assert asked.status_code == 200


def test_tokens_arrive_while_the_model_goes_on(house: Any, served: str) -> None:
    house.model.reply, house.model.delay_s = "one two three four", 0.2
    arrived: list[float] = []
    with httpx2.stream(
        "POST", f"{served}/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada")
    ) as reply:
        for line in reply.iter_lines():
            if line == "event: token":
                arrived.append(time.monotonic())
    assert len(arrived) >= 3
    assert arrived[-1] - arrived[0] > 0.3


def test_who_waits_hears_that_work_goes_on(
    house: Any, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    house.model.reply, house.model.delay_s = "word", 0.5
    with httpx2.stream(
        "POST", f"{served}/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada")
    ) as reply:
        lines = list(reply.iter_lines())
    assert sum(line.startswith(":") for line in lines) >= 2
    assert "event: done" in lines


@pytest.mark.parametrize("ticks", range(6))
def test_who_leaves_in_the_moment_a_token_comes_is_not_sent_the_rest(ticks: int) -> None:
    """The cancellation may meet the token at any step of the event loop."""

    async def scenario() -> bool:
        hold, go_on = asyncio.Event(), asyncio.Event()

        async def answering() -> AsyncIterator[Token]:
            yield Token("one ")
            hold.set()
            await go_on.wait()
            yield Token("two ")
            await asyncio.sleep(60)

        async def receive() -> Any:
            await hold.wait()
            await asyncio.sleep(0.01)
            go_on.set()
            for _ in range(ticks):
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None: ...

        async def never() -> Any:
            await asyncio.sleep(60)

        scope: dict[str, Any] = {"type": "http", "state": {}}
        response = await streaming.EventStream(answering(), "id", lambda answer: None).response(
            never
        )
        async with asyncio.timeout(5):
            await response(scope, receive, send)
        return bool(scope["state"]["left"])

    started = time.monotonic()
    assert asyncio.run(scenario())
    assert time.monotonic() - started < SOON_S


def test_who_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALLED_S", 0.1)
    closed: list[str] = []

    async def answering() -> AsyncIterator[Token]:
        try:
            while True:
                yield Token("word ")
                await asyncio.sleep(0)
        finally:
            closed.append("the model")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)  # as a full connection does

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def serve() -> dict[str, Any]:
        scope: dict[str, Any] = {"type": "http", "state": {}}
        response = await streaming.EventStream(answering(), "id", lambda answer: None).response(
            receive
        )
        await response(scope, receive, send)
        return scope

    started = time.monotonic()
    assert asyncio.run(serve())["state"] == {"left": True}
    assert closed == ["the model"]
    assert time.monotonic() - started < 5


def test_many_ask_at_the_same_time(house: Any, served: str) -> None:
    def ask(number: int) -> int:
        body = QUESTION | {"stream": number % 2 == 0}
        return httpx2.post(
            f"{served}/ask", json=body, headers=house.headers("ada"), timeout=30
        ).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(48))) == {200}
    assert house.model.running == 0


def test_work_is_cancelled_and_has_ended_before_leaving_is_told() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.01)
            ended.append("cleaned up")

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    with pytest.raises(CallerLeft):
        asyncio.run(run_unless_gone(work(), receive))
    assert ended == ["cleaned up"]
