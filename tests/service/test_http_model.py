"""The service in front of a model server that misbehaves: every caller gets an end, in time, and
search goes on.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.testing.model_server import FakeVllm, Misbehaviour
from service.testing.models import ScriptedModel
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}
LIMITS = {
    "llm_connect_timeout_s": 2.0,
    "llm_first_token_timeout_s": 1.5,
    "llm_total_timeout_s": 4.0,
}
EXPECTED: dict[Misbehaviour, int] = {
    "overloaded": 503,
    "rejecting": 502,
    "unknown key": 503,
    "html": 502,
    "silent": 504,
    "stalling": 504,
    "dying": 503,
    "dying at once": 503,
    "breaking off": 502,
    "closing": 503,
    "garbage": 502,
    "wrong shape": 502,
    "half a character": 502,
    "endless": 502,
    "endless line": 502,
    "error event": 502,
    "aborting": 502,
    "no tokenize": 502,
    "no window": 502,
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeVllm]:
    with FakeVllm() as made:
        yield made


@pytest.fixture
def asked(house: Any, server: FakeVllm) -> Iterator[TestClient]:
    server.model, server.misbehaviour = ScriptedModel("Salaries rise in March [1]."), None
    settings = house.settings.model_copy(update={"llm_url": server.url, **LIMITS})
    with TestClient(create_app(settings, embedder=house.embedder, catalog=house.catalog)) as client:
        yield client


def test_a_server_that_behaves_gives_the_answer(house: Any, asked: TestClient) -> None:
    reply = asked.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    assert (reply["answer"], reply["model"]) == ("Salaries rise in March [1].", "scripted")
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"]


@pytest.mark.parametrize("misbehaviour", EXPECTED)
def test_every_misbehaviour_ends_in_a_problem(
    house: Any, asked: TestClient, server: FakeVllm, misbehaviour: Misbehaviour
) -> None:
    server.misbehaviour = misbehaviour
    started = time.monotonic()
    whole = asked.post("/ask", json=QUESTION, headers=house.headers("ada"))
    assert (whole.status_code, whole.headers["content-type"]) == (
        EXPECTED[misbehaviour],
        "application/problem+json",
    )

    streamed = asked.post("/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada"))
    last = streamed.json() if streamed.status_code != 200 else _last_event(streamed.text, "error")
    assert last["type"] == whole.json()["type"]

    instead = asked.post(
        "/ask", json=QUESTION | {"fallback": "quotes"}, headers=house.headers("ada")
    )
    assert instead.status_code == 200, instead.text
    assert instead.json()["answerer"] == "quotes", (
        "nothing was sent yet, whatever the model had said"
    )
    assert instead.json()["citations"]
    assert asked.post("/search", json=QUESTION, headers=house.headers("ada")).status_code == 200
    assert time.monotonic() - started < 10


def test_a_prompt_cache_is_shared_by_equal_clearance_only(
    house: Any, asked: TestClient, server: FakeVllm
) -> None:
    house.catalog.people.add_user("eve", by=TESTER)
    house.catalog.people.add_member("hr", "user:eve", by=TESTER)
    house.keys["eve"] = house.catalog.keys.issue("eve", by=TESTER).secret
    server.requests.clear()
    for name in ("ada", "eve", "bob", "ada"):
        asked.post("/ask", json=QUESTION, headers=house.headers(name))
    salts = [
        body["cache_salt"] for route, body in server.requests if route == "/v1/chat/completions"
    ]
    ada, eve, bob, ada_again = salts
    assert ada == eve == ada_again != bob
    view_id = asked.post("/search", json=QUESTION, headers=house.headers("ada")).json()["view_id"]
    assert view_id not in "".join(salts)


def _last_event(body: str, name: str) -> dict[str, Any]:
    kind, data = body.strip().split("\n\n")[-1].split("\n")
    assert kind == f"event: {name}"
    said: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return said
