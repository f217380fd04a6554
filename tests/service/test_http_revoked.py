"""Over real connections: what is taken away between a request's head and its body, or while an
answer grows.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from indexes.errors import NotAuthenticated, Withdrawn
from indexes.model import Principal, Readers, Row
from service.answering.permission import Permission
from service.answering.values import Token
from service.http import streaming
from service.testing.loopback import Loopback
from service.testing.models import words_without_loop
from tests.service.test_http_stream import events
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": QUESTION["question"]}]}
WORDS = 300  # of an answer that would take half a minute
NOBODY = Readers(allow=frozenset({"user:root"}))

TAKEN: dict[str, Callable[[Any], object]] = {
    "the key": lambda house: house.catalog.keys.revoke(house.keys["ada"].split("_")[1], by=TESTER),
    "the person": lambda house: house.catalog.people.remove_user("ada", by=TESTER),
    "the person, who is made anew": lambda house: (
        house.catalog.people.remove_user("ada", by=TESTER),
        house.catalog.people.add_user("ada", by=TESTER),
    ),
}
WITHDRAWN: dict[str, Callable[[Any], object]] = {
    "the membership": lambda house: house.catalog.people.remove_member("hr", "user:ada", by=TESTER),
    "the readers": lambda house: house.catalog.documents.relabel(
        "file:///house/salaries.txt", NOBODY, by=TESTER
    ),
    "the document": lambda house: house.catalog.documents.delete(
        "file:///house/salaries.txt", by=TESTER
    ),
}


@pytest.fixture
def served(house: Any) -> Iterator[str]:
    with Loopback(house.app, "on") as server:
        yield server.url


def head_first(
    url: str, method: str, path: str, key: str, body: Any, between: Callable[[], object]
) -> tuple[int, str]:
    """Status and body of a request whose body is sent after `between`."""
    where, content = urlsplit(url), json.dumps(body).encode()
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20) as line:
        line.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        )
        time.sleep(0.3)  # the gate has let it in by now
        between()
        line.sendall(content)
        reply = b"".join(iter(lambda: line.recv(65536), b""))
    return int(reply.split(b" ")[1]), reply.decode()


@pytest.mark.parametrize("way", TAKEN)
def test_a_body_that_comes_after_the_revocation_is_not_answered(
    house: Any, served: str, way: str
) -> None:
    def between() -> None:
        TAKEN[way](house)
        house.put(
            "later",
            "Salaries rise again in June, says the letter.",
            Readers(allow=frozenset({"user:ada"})),
        )

    status, reply = head_first(served, "POST", "/search", house.keys["ada"], QUESTION, between)
    assert status == 401
    assert "June" not in reply


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ask", QUESTION),
        ("/ask", QUESTION | {"stream": True}),
        ("/ask", QUESTION | {"answerer": "quotes"}),
        (
            "/ask",
            QUESTION
            | {
                "history": [
                    {"role": "user", "content": "Soup?"},
                    {"role": "assistant", "content": "Yes."},
                ]
            },
        ),
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"stream": True}),
        ("/v1/responses", {"model": "scripted", "input": QUESTION["question"]}),
    ],
)
def test_no_question_is_answered_and_no_model_asked(
    house: Any, served: str, path: str, body: Any
) -> None:
    status, _ = head_first(
        served, "POST", path, house.keys["ada"], body, lambda: TAKEN["the key"](house)
    )
    assert status == 401
    assert house.model.calls == []


def test_administration_changes_nothing_for_a_key_that_was_revoked(house: Any, served: str) -> None:
    rule = {"model": "scripted", "readers": {"allow": ["group:hr"]}}
    tried = [
        ("PUT", "/admin/models/readers", rule),
        ("POST", "/admin/index/rebuild", {}),
        ("POST", "/admin/templates/answer/rollback", {}),
    ]
    for method, path, body in tried:
        issued = house.catalog.keys.issue("root", scopes=("admin",), by=TESTER)
        revoke = partial(house.catalog.keys.revoke, issued.id, by=TESTER)
        status, _ = head_first(served, method, path, issued.secret, body, revoke)
        assert status == 401, path
    assert house.catalog.models.list() == {}
    assert house.catalog.jobs.claim(["rebuild"], 1.0, by=TESTER) is None


def growing(house: Any, url: str, path: str, body: Any, take: Callable[[Any], object]) -> str:
    """All of a stream from which something is taken away in the middle."""
    house.model.reply, house.model.delay_s = words_without_loop(WORDS), 0.1
    heard, taken = "", False
    with httpx2.stream(
        "POST", f"{url}{path}", json=body, headers=house.headers("ada"), timeout=30
    ) as reply:
        assert reply.status_code == 200
        for text in reply.iter_text():
            heard += text
            if not taken and heard.count("word") > 2:
                take(house)
                taken = True
    return heard


@pytest.mark.parametrize("way", [*TAKEN, *WITHDRAWN])
def test_a_stream_ends_when_something_is_taken_away(house: Any, served: str, way: str) -> None:
    heard = growing(house, served, "/ask", QUESTION | {"stream": True}, (TAKEN | WITHDRAWN)[way])
    name, problem = events(heard)[-1]
    assert (name, problem["status"]) == ("error", 401 if way in TAKEN else 409)
    assert heard.count("word") < WORDS / 2
    assert house.model.running == 0
    assert house.model.abandoned == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_so_do_the_streams_in_other_forms(house: Any, served: str, path: str) -> None:
    body = CHAT if "chat" in path else {"model": "scripted", "input": QUESTION["question"]}
    heard = growing(house, served, path, body | {"stream": True}, WITHDRAWN["the readers"])
    assert "withdrawn" in heard.split("word")[-1]
    assert heard.count("word") < WORDS / 2
    assert house.model.running == 0


@pytest.mark.parametrize("way", ["the key", "the readers"])
@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_for_the_model_is_refused_at_once(
    house: Any, served: str, way: str, stream: bool
) -> None:
    house.model.delay_s = 60.0
    with httpx2.Client(base_url=served, headers=house.headers("ada"), timeout=30) as client:

        async def scenario() -> str:
            asked = asyncio.create_task(
                asyncio.to_thread(client.post, "/ask", json=QUESTION | {"stream": stream})
            )
            while house.model.running == 0:
                await asyncio.sleep(0.01)
            (TAKEN | WITHDRAWN)[way](house)
            return (await asked).text

        said = asyncio.run(scenario())
    assert ("not-authenticated" if way == "the key" else "withdrawn") in said
    assert house.model.running == 0


class Taking:
    """Lets somebody read until it does not."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.looks = 0

    def confirm(self, principal: Principal, rows: Iterable[Row], documents: Iterable[str]) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


def test_what_waits_for_a_slow_reader_is_not_sent_after_the_revocation() -> None:
    taking, sent = Taking(), list[bytes]()

    async def answering() -> AsyncIterator[Token]:
        yield Token("one ")
        yield Token("two ")
        await asyncio.sleep(60)

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def scenario() -> None:
        clear = asyncio.Event()

        async def send(message: Any) -> None:
            if b"two" in message.get("body", b""):
                taking.error = NotAuthenticated()
                await clear.wait()  # as a connection that takes nothing now
            sent.append(message.get("body", b""))

        stream = streaming.EventStream(
            answering(),
            "id",
            lambda answer: None,
            None,
            Permission(taking, Principal(name="user:ada")),
        )
        async with asyncio.timeout(5):
            await (await stream.response(receive))({"type": "http", "state": {}}, receive, send)

    asyncio.run(scenario())
    said = b"".join(sent)
    assert b"one" in said
    assert b"two" not in said
    assert b"event: error" in said


def test_looks_are_taken_again_and_again_while_nothing_happens() -> None:
    taking = Taking()

    async def scenario() -> None:
        permission = Permission(taking, Principal(name="user:ada"))
        with pytest.raises(Withdrawn):
            await permission.run_while_permitted(asyncio.sleep(60))

    async def both() -> None:
        async def later() -> None:
            await asyncio.sleep(1.1)
            taking.error = Withdrawn()

        await asyncio.gather(scenario(), later())

    asyncio.run(both())
    assert taking.looks >= 2


def test_nothing_is_told_on_the_word_of_an_old_look() -> None:
    taking = Taking()

    async def scenario() -> str:
        permission = Permission(taking, Principal(name="user:ada"))

        async def work() -> str:
            taking.error = NotAuthenticated()
            return "done before anybody looked"

        return await permission.run_while_permitted(work())

    with pytest.raises(NotAuthenticated):
        asyncio.run(scenario())
