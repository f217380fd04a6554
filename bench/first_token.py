"""How long the service lets a caller wait for the first word of an answer, beside the model alone.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.first_token [--callers 1 32] [--model-s 0 1]
        [--rounds 3] [--each 8] [--other CHECKOUT] [--json FILE]

So many callers ask one question after another and read each answer to its end, over `POST /ask` with `stream`. The model is a
stand-in in a process of its own that answers at once, or all at once after `--model-s` seconds; `model` is what a caller waits
who asks it directly. Client and stand-in do next to nothing for a request, so that what is measured is the service. If the model
takes no time, the callers keep the service busy without a pause, and each waits for all others; with a second, as a model takes
for an answer, they ask as often as people with patience do. Corpus and embedder are those of `bench.http_wrk`. `added` is the
median of the service less that of the model in the same round; figures are medians of rounds, which take turns.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import http_wrk

WINDOW = 32_768
CHARS_A_TOKEN = 4  # as the stand-in counts
ANSWER = ("The first of the notices ", "says so, and nothing ", "else is said about it ", "[1].")
SHOWN = ("p50_ms", "p95_ms", "added_p50_ms", "per_second", "cpu_ms")
END = b"0\r\n\r\n"  # of a reply in chunks
FIRST_OF_SERVICE, FIRST_OF_MODEL = b"event: token", b'"content"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked, where, and how a first word looks there."""

    name: str
    url: str
    process: int
    requests: tuple[bytes, ...]
    first: bytes


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--callers", type=int, nargs="+", default=[1, 32])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--model-s", type=float, nargs="+", default=[0.0, 1.0])
    options.add_argument("--each", type=int, default=8, help="questions of each caller in a round")
    options.add_argument("--other", type=Path, help="measure the service of this checkout, too")
    options.add_argument("--json", type=Path)
    options.add_argument("--serve", choices=("model",), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        asyncio.run(stand_in())
        return
    with tempfile.TemporaryDirectory(prefix="bench-first-") as folder, ExitStack() as running:
        asked = start_all(Path(folder), given.other, running)
        rows = measure_all(asked, given.model_s, given.callers, given.rounds, given.each)
    if given.json:
        figures = {"documents": http_wrk.DOCUMENTS, "rounds": given.rounds, "figures": rows}
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def start_all(folder: Path, other: Path | None, running: ExitStack) -> list[Asked]:
    key, questions = http_wrk.prepare(folder / "home")
    starting = http_wrk.run("model", folder / "model", http_wrk.CHECKOUT, script=Path(__file__))
    model, process = running.enter_context(starting)
    found = [
        Asked(
            name="model",
            url=model,
            process=process,
            requests=tuple(_model_request(question) for question in questions),
            first=FIRST_OF_MODEL,
        )
    ]
    checkouts = {"": http_wrk.CHECKOUT} | ({} if other is None else {"other ": other.resolve()})
    for number, (prefix, checkout) in enumerate(checkouts.items()):
        home = folder / f"home{number}"
        shutil.copytree(folder / "home", home)
        starting = http_wrk.run("service", home, checkout, CLEARANCE_LLM_URL=model)
        url, process = running.enter_context(starting)
        requests = tuple(_service_request(question, key) for question in questions)
        name = f"{prefix}service"
        found.append(
            Asked(name=name, url=url, process=process, requests=requests, first=FIRST_OF_SERVICE)
        )
    return found


def _service_request(question: str, key: str) -> bytes:
    return _request("/ask", {"question": question, "stream": True}, f"Authorization: Bearer {key}")


def _model_request(question: str) -> bytes:
    messages = [{"role": "user", "content": question * 100}]
    return _request("/v1/chat/completions", {"messages": messages, "stream": True})


def _request(path: str, body: dict[str, Any], *more: str) -> bytes:
    content = json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json", *more]
    return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content


# --- measuring ----------------------------------------------------------------------------------


def measure_all(
    asked: list[Asked], model_s: list[float], callers: list[int], rounds: int, each: int
) -> list[dict[str, Any]]:
    rows = []
    names = ("model s", "callers", "first ms", "p95", "added", "per s", "CPU ms")
    print(f"{'':<14}" + "".join(f"{name:>9}" for name in names))
    for one in asked:
        asyncio.run(measure(one, 1, 8))  # what is compiled or read at first use is not measured
    for takes_s, number in product(model_s, callers):
        asyncio.run(set_delay(asked[0].url, takes_s))
        taken: dict[str, list[dict[str, float]]] = {one.name: [] for one in asked}
        for _ in range(rounds):
            for one in asked:
                figures = asyncio.run(measure(one, number, each))
                model = taken["model"][-1]["p50_ms"] if one.name != "model" else figures["p50_ms"]
                taken[one.name].append(figures | {"added_p50_ms": figures["p50_ms"] - model})
        for name, found in taken.items():
            row = {key: round(statistics.median(one[key] for one in found), 2) for key in found[0]}
            rows.append({"name": name, "model_s": takes_s, "callers": number, **row})
            print(
                f"{name:<14}{takes_s:>9.1f}{number:>9}"
                + "".join(f"{row[key]:>9.1f}" for key in SHOWN),
                flush=True,
            )
    return rows


async def measure(what: Asked, callers: int, each: int) -> dict[str, float]:
    """One round: every caller asks so many questions."""
    host, port = _host_and_port(what.url)
    loop = asyncio.get_running_loop()
    clients = [Caller(what, number, each) for number in range(callers)]
    for client in clients:
        await loop.create_connection(partial(_same, client), host, port)
    before, begun = http_wrk.cpu_seconds(what.process), time.perf_counter()
    for client in clients:
        client.ask()
    await asyncio.gather(*(client.done for client in clients))
    seconds = time.perf_counter() - begun
    used = http_wrk.cpu_seconds(what.process) - before
    waited = sorted(first for client in clients for first in client.waited)
    return {
        "p50_ms": 1e3 * statistics.median(waited),
        "p95_ms": 1e3 * waited[int(0.95 * len(waited))],
        "per_second": len(waited) / seconds,
        "cpu_ms": 1e3 * used / len(waited),
    }


async def set_delay(model: str, seconds: float) -> None:
    """From now on the stand-in takes so long for an answer."""
    reader, writer = await asyncio.open_connection(*_host_and_port(model))
    writer.write(_request(f"/takes/{seconds}", {}))
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def _host_and_port(url: str) -> tuple[str, int]:
    where = urlsplit(url)
    return str(where.hostname), int(where.port or 0)


def _same(made: "Caller") -> "Caller":
    return made


class Caller(asyncio.Protocol):
    """Asks one question after another on one connection, and notes when the first word came."""

    def __init__(self, what: Asked, number: int, each: int) -> None:
        self._what = what
        self._next = number
        self._left = each
        self._came = b""
        self._begun = 0.0
        self.waited: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        self._left -= 1
        self._came = b""
        self._heard = False
        self._begun = time.perf_counter()
        self._transport.write(self._what.requests[self._next % len(self._what.requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._heard and self._what.first in self._came:
            self._heard = True
            self.waited.append(time.perf_counter() - self._begun)
        if not self._came.endswith(END):
            return
        if not self._heard or not self._came.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(SystemExit(f"{self._what.name}: {self._came[:500]!r}"))
        elif self._left:
            self.ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(SystemExit(f"{self._what.name} closed: {self._came[:500]!r}"))


# --- the model ----------------------------------------------------------------------------------


class StandIn(asyncio.Protocol):
    """One connection to a model server that counts at once and answers as soon as it is told to."""

    takes_s = 0.0

    def __init__(self) -> None:
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            return
        self._came = b""
        path = head.split(b" ", 2)[1]
        if path == b"/v1/chat/completions":
            loop = asyncio.get_running_loop()
            loop.call_later(StandIn.takes_s, self._transport.write, _completion(_count(body)))
        elif path == b"/tokenize":
            self._transport.write(_reply({"count": _count(body), "max_model_len": WINDOW}))
        elif path.startswith(b"/takes/"):
            StandIn.takes_s = float(path.rpartition(b"/")[2])
            self._transport.write(_reply({}))
        else:
            self._transport.write(_reply({"data": [{"id": "stand-in", "max_model_len": WINDOW}]}))


def _count(body: bytes) -> int:
    return sum(len(turn["content"]) for turn in json.loads(body)["messages"]) // CHARS_A_TOKEN


def _reply(value: dict[str, Any]) -> bytes:
    content = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return head.encode() + b"\r\n\r\n" + content


def _completion(prompt_tokens: int) -> bytes:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(ANSWER)}
    events = [
        *({"choices": [{"delta": {"content": text}, "finish_reason": None}]} for text in ANSWER),
        {"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    content = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)
    content += b"data: [DONE]\n\n"
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + f"{len(content):x}\r\n".encode() + content + b"\r\n" + END


async def stand_in() -> None:
    server = await asyncio.get_running_loop().create_server(StandIn, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(
        f"The stand-in answers on http://{host}:{port}; it says the same each time",
        file=sys.stderr,
        flush=True,
    )
    await server.serve_forever()


if __name__ == "__main__":
    main()
