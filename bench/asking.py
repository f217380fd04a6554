"""What `/ask` adds to the model's own time: whole answers and first words, for 1, 8 and 32 callers
at once.

    python -m bench.asking [--home FOLDER --questions FILE] [--callers 1 8 32] [--requests 96] [--json FILE]

The service is `clearance serve` with the packaged embedder, in a process of its own. Without a home
it gets the examples and their questions; a home of your own is not changed but for a user `bench`
in every group. Questions are lines of JSON with a `text`.

The model is a stand-in, in another process, that counts prompts and speaks at known moments: its
first token FIRST_S after the request, the next ones TOKEN_S apart. What a caller waits beyond that
was added by us. `control` is the same for a caller who asks the stand-in directly: what client,
stand-in and machine add by themselves. With `--llm-url` a real server is asked; its own time is
then what the service says of it, which is rounded up to coarse steps.
"""

import argparse
import asyncio
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.settings import Settings
from service.llm.port import CompletionPart, Prompt
from service.testing.model_server import FakeVllm
from service.testing.models import ScriptedModel
from tools.demo import EXAMPLES, Demo, ingest, make_people
from tools.model_server import MODELS
from tools.processes import free_port, running, wait_for

FIRST_S = 0.2
TOKEN_S = 0.01
WINDOW = 16_384
USER = "bench"
REPLY_CHARS = 300
WAIT_S = 300.0
ONE_THREAD = {
    "CLEARANCE_EMBEDDING_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
TICKS = os.sysconf("SC_CLK_TCK")


class Timed(ScriptedModel):
    """Quotes the beginning of the first passage, each token at its moment."""

    def __init__(self) -> None:
        super().__init__(_quoted, name="stand-in", window=WINDOW)

    async def stream(self, prompt: Prompt, **how: Any) -> AsyncIterator[CompletionPart]:  # type: ignore[override]
        moment = time.perf_counter() + FIRST_S
        async with aclosing(super().stream(prompt, **how)) as pieces:
            async for piece in pieces:
                if piece.text:
                    await asyncio.sleep(moment - time.perf_counter())
                    moment += TOKEN_S
                yield piece
        self.calls.clear()


def _quoted(prompt: Prompt) -> str:
    asked = prompt.messages[-1].content if prompt.messages else ""
    passage = asked.partition("\n[1] ")[2].partition("\n\n")[2].partition("\n\n")[0]
    return f"{' '.join(passage.split())[:REPLY_CHARS] or 'Nothing was said about it'} [1]."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, in milliseconds."""

    first: float  # until its first word
    total: float
    own_first: float  # of these, the model's
    own_total: float


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--home", type=Path)
    options.add_argument("--questions", type=Path, help="JSON lines with `text`, .gz or not")
    options.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--requests", type=int, default=96, help="for each number of callers")
    options.add_argument("--llm-url", help="a real model server instead of the stand-in")
    options.add_argument("--json", type=Path)
    options.add_argument("--stand-in", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.stand_in:
        stand_in(given.stand_in)
        return
    with ExitStack() as stack:
        home = (given.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))).absolute()
        demo = Demo(home=home, port=free_port(), model="none")
        if given.home is None:
            ingest_examples(demo, MODELS)
        asked = read_questions(given.questions)
        key = make_callers(home)
        model = given.llm_url or run_stand_in(stack, home)
        pid = stack.enter_context(run_service(demo, model)).pid
        control = None if given.llm_url else model
        figures = [
            asyncio.run(measure_callers(demo.url, key, asked, n, given.requests, pid, control))
            for n in given.callers
        ]
    for figure in figures:
        print(json.dumps(figure, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def ingest_examples(demo: Demo, models: Path) -> None:
    """Into a new home. models: a folder of unpacked ones, which is used and filled."""
    models.mkdir(parents=True, exist_ok=True)
    (demo.home / "models").symlink_to(models)
    make_people(demo)
    ingest(demo)


def read_questions(path: Path | None) -> list[str]:
    if path is None:
        return [
            item["question"]
            for item in yaml.safe_load((EXAMPLES / "questions.yaml").read_text(encoding="utf-8"))
        ]
    raw = path.read_bytes()
    lines = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return [json.loads(line)["text"] for line in lines.decode().splitlines()]


def make_callers(home: Path) -> str:
    """The key of a user who is in every group."""
    with closing(Catalog.open(Settings(home=home).catalog_url)) as catalog:
        if f"user:{USER}" not in catalog.people.users():
            catalog.people.add_user(USER, by=BENCH)
        for group, members in catalog.people.groups().items():
            if f"user:{USER}" not in members:
                catalog.people.add_member(group, f"user:{USER}", by=BENCH)
        return catalog.keys.issue(USER, by=BENCH).secret


@contextmanager
def run_service(demo: Demo, model: str) -> Iterator["subprocess.Popen[bytes]"]:
    log = demo.home / "log" / "service.log"
    more = {"CLEARANCE_LLM_URL": model, "CLEARANCE_LLM_ANSWER_TOKENS": "256", **ONE_THREAD}
    command = [str(Path(sys.executable).with_name("clearance")), "serve"]
    with running(command, log=log, env=demo.environment(**more), cwd=demo.home) as process:
        wait_for(
            f"{demo.url}/readyz", process, title="Starting the service", log=log, limit_s=WAIT_S
        )
        yield process


def run_stand_in(stack: ExitStack, home: Path) -> str:
    told = home / "stand-in.txt"
    told.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.asking", "--stand-in", str(told)]
    stack.enter_context(running(command, log=None))
    while not told.is_file() or not told.read_text():
        time.sleep(0.05)
    return told.read_text()


def stand_in(told: Path) -> None:
    """The process of the stand-in. Writes its address."""
    with FakeVllm(Timed()) as server:
        told.write_text(server.url)
        while True:
            time.sleep(1)
            server.requests.clear()


async def measure_callers(
    url: str, key: str, asked: list[str], callers: int, requests: int, pid: int, control: str | None
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with make_client(url, headers, callers) as client:
        for question in asked[:callers]:
            await ask(client, question, control is None)
        cpu, begun = cpu_ms(pid), time.perf_counter()
        done = await ask_together(
            callers, requests, lambda turn: ask(client, asked[turn % len(asked)], control is None)
        )
        seconds = time.perf_counter() - begun
        cpu = cpu_ms(pid) - cpu
    figures: dict[str, Any] = {
        "callers": callers,
        "answers": len(done),
        "added_first_ms": spread([one.first - one.own_first for one in done]),
        "added_total_ms": spread([one.total - one.own_total for one in done]),
        "model_total_ms": round(statistics.median(one.own_total for one in done), 1),
        "service_cpu_ms": round(cpu / requests, 1),
        "per_second": round(requests / seconds, 2),
    }
    if control is not None:
        async with make_client(control, {}, callers) as client:
            direct = await ask_together(callers, requests, lambda turn: ask_directly(client))
        figures["control_first_ms"] = spread([one.first - one.own_first for one in direct])
        figures["control_total_ms"] = spread([one.total - one.own_total for one in direct])
    return figures


async def ask_together(callers: int, requests: int, ask_one: Any) -> list[Asked]:
    """So many callers, each of whom asks one question after another."""
    done: list[Asked] = []

    async def caller(number: int) -> None:
        for turn in range(number, requests, callers):
            if one := await ask_one(turn):
                done.append(one)

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    return done


async def ask(client: httpx2.AsyncClient, question: str, real: bool) -> Asked | None:
    """One streamed answer. real: the model's own time is what the service saw of it."""
    begun = time.perf_counter()
    first = last = 0.0
    final: dict[str, Any] = {}
    async with client.stream("POST", "/ask", json={"question": question, "stream": True}) as reply:
        assert reply.status_code == 200, await reply.aread()
        async for name, data in read_events(reply):
            if name == "token":
                last = 1000 * (time.perf_counter() - begun)
                first = first or last
            elif name in ("done", "error"):
                final = json.loads(data)
    total = 1000 * (time.perf_counter() - begun)
    assert "answer" in final, final
    if not final["usage"]:
        return None  # nothing was found, nobody was asked
    tokens = final["usage"]["completion_tokens"]
    own_first = final["timings"]["first_token_ms"] if real else 1000 * FIRST_S
    own_total = own_first + (last - first if real else 1000 * TOKEN_S * (tokens - 1))
    return Asked(first=first, total=total, own_first=own_first, own_total=own_total)


async def ask_directly(client: httpx2.AsyncClient) -> Asked:
    begun = time.perf_counter()
    first, tokens = 0.0, 0
    passage = "[1] Harbour\n\n" + "The harbour opens at six in the morning. " * 8
    body = {"messages": [{"role": "user", "content": f"\n{passage}\n\n{'word ' * 2000}"}]}
    body |= {"model": "stand-in", "max_tokens": 256, "cache_salt": "bench"}  # type: ignore[dict-item]
    async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        async for _, data in read_events(reply):
            if '"usage"' in data:
                tokens = json.loads(data)["usage"]["completion_tokens"]
            first = first or 1000 * (time.perf_counter() - begun)
    total = 1000 * (time.perf_counter() - begun)
    own_first = 1000 * FIRST_S
    own_total = own_first + 1000 * TOKEN_S * (tokens - 1)
    return Asked(first=first, total=total, own_first=own_first, own_total=own_total)


async def read_events(reply: httpx2.Response) -> AsyncIterator[tuple[str, str]]:
    name = ""
    async for line in reply.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, line[6:]


def make_client(url: str, headers: Mapping[str, str], callers: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=callers, max_keepalive_connections=callers)
    return httpx2.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=WAIT_S, trust_env=False
    )


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, share in shares
    }


def cpu_ms(pid: int) -> float:
    """Processor time of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
