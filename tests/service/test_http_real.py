"""The service in front of a real model server."""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from indexes.text.words import terms
from service.answering.condense import AT_LEAST_SAID
from service.app import create_app
from service.testing.loopback import Loopback

pytestmark = pytest.mark.slow
QUESTION = {"question": "When do salaries rise?"}


@pytest.fixture
def served(house: Any, model_server: str, patient: dict[str, float]) -> Iterator[str]:
    settings = house.settings.model_copy(update={"llm_url": model_server, **patient})
    with Loopback(
        create_app(settings, embedder=house.embedder, catalog=house.catalog), "on"
    ) as server:
        yield server.url


def test_a_real_model_answers_with_the_tokens_we_counted(house: Any, served: str) -> None:
    body = QUESTION | {"max_tokens": 24}
    reply = httpx2.post(
        f"{served}/ask", json=body, headers=house.headers("ada"), timeout=240
    ).json()
    assert reply["answer"]
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"]
    assert reply["usage"]["completion_tokens"] <= 24
    ready = httpx2.get(f"{served}/readyz").json()
    assert ready["checks"]["model"] == "ok"


def test_a_real_model_keeps_to_the_form_that_is_asked_for(house: Any, served: str) -> None:
    ada = house.headers("ada")
    model = httpx2.get(f"{served}/v1/models", headers=ada).json()["data"][0]["id"]
    properties: dict[str, Any] = {
        "month": {"enum": ["March", "April"]},
        "certain": {"type": "boolean"},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    body = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION["question"]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
        "max_tokens": 64,
    }
    reply = httpx2.post(f"{served}/v1/chat/completions", json=body, headers=ada, timeout=240)
    assert reply.status_code == 200, reply.text
    said = json.loads(reply.json()["choices"][0]["message"]["content"])
    assert said.keys() == properties.keys()
    assert said["month"] in properties["month"]["enum"]
    assert [each["pointer"] for each in reply.json()["clearance"]["values"]] == ["/month"]


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_caller_who_leaves_ends_the_generation_on_the_server(
    house: Any, served: str, model_server: str, stream: str
) -> None:
    content = f'{{"question": "Tell a very long story about salaries.", "max_tokens": 1500, "stream": {stream}}}'
    where = urlsplit(served)
    line = socket.create_connection((str(where.hostname), int(where.port or 0)))
    line.sendall(
        f"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.keys['ada']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode()
    )
    _until(model_server, running=1, limit_s=60)
    before = _count_generated(model_server)
    line.close()
    _until(model_server, running=0, limit_s=30)
    assert _count_generated(model_server) - before < 500, "of the 1,500 that were asked for"


# (earlier question, its answer, follow-up, whether it needs the words of the earlier question)
FOLLOW_UPS = [
    ("What does the canteen serve on Mondays?", "Soup.", "And on Fridays?", True),
    ("When do salaries rise?", "In March.", "And by how much?", True),
    ("When do salaries rise?", "In March.", "What does the canteen serve on Fridays?", False),
    ("工资几月上涨？", "三月。", "那上涨多少？", True),
]


@pytest.mark.parametrize(("earlier", "answer", "follow_up", "leans"), FOLLOW_UPS)
def test_a_follow_up_is_searched_for_in_words_of_the_conversation_whatever_a_small_model_makes_of_it(
    house: Any, served: str, earlier: str, answer: str, follow_up: str, leans: bool
) -> None:
    history = [{"role": "user", "content": earlier}, {"role": "assistant", "content": answer}]
    body = {"question": follow_up, "history": history, "max_tokens": 8}
    reply = httpx2.post(
        f"{served}/ask", json=body, headers=house.headers("ada"), timeout=240
    ).json()
    searched = reply["standalone_question"] or follow_up
    assert searched != earlier
    said = {term.form for text in (earlier, answer, follow_up) for term in terms(text)}
    wrote = {term.form for term in terms(searched, question=True)}
    assert len(wrote & said) >= AT_LEAST_SAID * len(wrote)
    if leans:
        assert wrote & {term.form for term in terms(earlier, question=True)}
    expected = "Menu" if "canteen" in earlier + follow_up else "Salaries"
    assert reply["passages"][0]["title"] == expected
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"]


def _count_generated(model_server: str) -> float:
    """Tokens that the model server has generated since it started."""
    metrics = httpx2.get(f"{model_server}/metrics", timeout=10).text
    counted = re.findall(r"^vllm:generation_tokens_total\{.*?\} (\S+)", metrics, re.M)
    assert counted, "the server tells no such number"
    return sum(map(float, counted))


def _until(model_server: str, *, running: int, limit_s: float) -> float:
    """Seconds until the model server works on so many requests."""
    started = time.monotonic()
    while time.monotonic() - started < limit_s:
        metrics = httpx2.get(f"{model_server}/metrics", timeout=10).text
        now = sum(
            float(value)
            for value in re.findall(r"^vllm:num_requests_running\{.*?\} (\S+)", metrics, re.M)
        )
        if now == running:
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"the server never worked on {running} requests")
