"""`/ask` before a vLLM server, beside the same prompts sent straight to it.

The prompts are recorded on their way from the service to the server, and sent again byte for byte:
what the server keeps of a prompt that it knows, it keeps for both sides. Both have the same client.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.asking import (
    ask_together,
    cpu_ms,
    ingest_examples,
    make_callers,
    make_client,
    read_events,
    read_questions,
    run_service,
)
from indexes import settings as configuration
from service.testing.loopback import Loopback
from tools.demo import Demo
from tools.processes import free_port

COMPLETIONS = ("/v1/chat/completions", "/v1/completions")
KEPT_HEADERS = ("content-type",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer, in milliseconds until its first word and its end, and what it had."""

    first: float
    total: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the service sent to the model server for one question."""

    route: str
    body: bytes


Ask = Callable[[int], Awaitable[Answered | None]]


def measure_asking(
    llm_url: str,
    callers: Sequence[int],
    requests: int,
    rounds: int,
    *,
    home: Path | None,
    questions: Path | None,
) -> list[dict[str, Any]]:
    """For each number of callers both sides, turn about, medians over the rounds."""
    with ExitStack() as stack:
        place = home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        demo = Demo(home=place.absolute(), port=free_port(), model="none")
        if home is None:
            ingest_examples(demo, configuration.load().home.absolute() / "models")
        key, asked = make_callers(demo.home), read_questions(questions)[:requests]
        with recording(llm_url) as (recorder, sent), run_service(demo, recorder):
            asyncio.run(ask_each(demo.url, key, asked))
        pid = stack.enter_context(run_service(demo, llm_url)).pid
        print(f"{len(asked)} questions, {len(sent)} prompts of the model server", flush=True)
        return [
            asyncio.run(
                compare_sides(demo.url, key, asked, llm_url, sent, n, requests, rounds, pid)
            )
            for n in callers
        ]


@contextmanager
def recording(llm_url: str) -> Iterator[tuple[str, list[Sent]]]:
    """An address that passes everything on to the model server, and the prompts that went there."""
    sent: list[Sent] = []
    client = httpx2.AsyncClient(base_url=llm_url, timeout=None, trust_env=False)

    async def pass_on(request: Request) -> StreamingResponse:
        body, route = await request.body(), request.url.path
        if route in COMPLETIONS:
            sent.append(Sent(route=route, body=body))
        kept = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
        asked = client.build_request(request.method, route, content=body, headers=kept)
        reply = await client.send(asked, stream=True)
        headers = {name: reply.headers[name] for name in KEPT_HEADERS if name in reply.headers}
        closing = BackgroundTask(reply.aclose)
        return StreamingResponse(
            reply.aiter_bytes(), reply.status_code, headers, background=closing
        )

    app = Starlette(routes=[Route("/{path:path}", pass_on, methods=["GET", "POST"])])
    with Loopback(app) as loopback:
        yield loopback.url, sent


async def ask_each(url: str, key: str, asked: Sequence[str]) -> None:
    async with make_client(url, {"Authorization": f"Bearer {key}"}, 1) as client:
        for question in asked:
            await ask_service(client, question)


async def compare_sides(
    url: str,
    key: str,
    asked: Sequence[str],
    llm_url: str,
    sent: Sequence[Sent],
    callers: int,
    requests: int,
    rounds: int,
    pid: int,
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        make_client(url, headers, callers) as service,
        make_client(llm_url, {"Content-Type": "application/json"}, callers) as server,
    ):
        sides: dict[str, Ask] = {
            "ask": lambda turn: ask_service(service, asked[turn % len(asked)]),
            "limit": lambda turn: ask_server(server, sent[turn % len(sent)]),
        }
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, ask in sides.items():
                spent = cpu_ms(pid)
                taken[name].append(await measure_together(ask, callers, requests))
                taken[name][-1]["service_cpu_ms"] = (cpu_ms(pid) - spent) / requests
    found: dict[str, Any] = {"callers": callers, "requests": requests}
    for name, runs in taken.items():
        found[name] = {
            key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]
        }
    found["of_limit"] = round(found["ask"]["per_second"] / found["limit"]["per_second"], 3)
    print_callers(found)
    return found


async def measure_together(ask: Ask, callers: int, requests: int) -> dict[str, float]:
    begun = time.perf_counter()
    done = await ask_together(callers, requests, ask)
    seconds = time.perf_counter() - begun
    return {
        "per_second": len(done) / seconds,
        "tokens_per_second": sum(one.tokens for one in done) / seconds,
        "first_ms": statistics.median(one.first for one in done),
        "total_ms": statistics.median(one.total for one in done),
    }


async def ask_service(client: httpx2.AsyncClient, question: str) -> Answered | None:
    """None if nothing was found, so that no model was asked."""
    begun, first = time.perf_counter(), 0.0
    final: dict[str, Any] = {}
    async with client.stream("POST", "/ask", json={"question": question, "stream": True}) as reply:
        assert reply.status_code == 200, await reply.aread()
        async for name, data in read_events(reply):
            if name == "token":
                first = first or 1e3 * (time.perf_counter() - begun)
            elif name in ("done", "error"):
                final = json.loads(data)
    total = 1e3 * (time.perf_counter() - begun)
    assert "answer" in final, final
    if not final["usage"]:
        return None
    return Answered(first=first, total=total, tokens=final["usage"]["completion_tokens"])


async def ask_server(client: httpx2.AsyncClient, sent: Sent) -> Answered:
    begun, first, tokens = time.perf_counter(), 0.0, 0
    async with client.stream("POST", sent.route, content=sent.body) as reply:
        assert reply.status_code == 200, await reply.aread()
        async for _, data in read_events(reply):
            if data == "[DONE]":
                break
            told = json.loads(data)
            if told.get("usage"):
                tokens = told["usage"]["completion_tokens"]
            if told.get("choices"):
                first = first or 1e3 * (time.perf_counter() - begun)
    return Answered(first=first, total=1e3 * (time.perf_counter() - begun), tokens=tokens)


def print_callers(found: dict[str, Any]) -> None:
    print(f"{found['callers']} callers: {found['of_limit']:.2f} of the limit in answers a second")
    for side in ("ask", "limit"):
        told = found[side]
        print(
            f"  {side:<8} {told['per_second']:>8.2f} answers/s {told['tokens_per_second']:>9.1f} tokens/s"
            f"   first word {told['first_ms']:.0f} ms, whole answer {told['total_ms']:.0f} ms",
            flush=True,
        )
