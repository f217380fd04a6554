"""The service in front of a real model server."""

import re
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from service.app import create_app
from service.testing import Loopback

pytestmark = pytest.mark.slow
QUESTION = {"question": "When do salaries rise?"}


@pytest.fixture
def served(house: Any, model_server: str) -> Iterator[str]:
    settings = house.settings.model_copy(update={"llm_url": model_server})
    with Loopback(create_app(settings, embedder=house.embedder, catalog=house.catalog), "on") as server:
        yield server.url


def test_a_real_model_answers_with_the_tokens_we_counted(house: Any, served: str) -> None:
    body = QUESTION | {"max_tokens": 24}
    reply = httpx2.post(f"{served}/ask", json=body, headers=house.headers("ada"), timeout=240).json()
    assert reply["answer"]
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["counted_prompt_tokens"]
    assert reply["usage"]["completion_tokens"] <= 24
    ready = httpx2.get(f"{served}/readyz").json()
    assert ready["checks"]["model"] == "ok"


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
    line.close()
    assert _until(model_server, running=0, limit_s=30) < 2


def _until(model_server: str, *, running: int, limit_s: float) -> float:
    """Seconds until the model server works on so many requests."""
    started = time.monotonic()
    while time.monotonic() - started < limit_s:
        metrics = httpx2.get(f"{model_server}/metrics", timeout=10).text
        now = sum(float(value) for value in re.findall(r"^vllm:num_requests_running\{.*?\} (\S+)", metrics, re.M))
        if now == running:
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"the server never worked on {running} requests")
