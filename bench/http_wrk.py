"""`/search` and `/ask` over HTTP as a compiled client sees them, beside a route that does nothing.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.http_wrk [--callers 1 32] [--rounds 3] [--seconds 4]
        [--other CHECKOUT] [--json FILE]

Needs `wrk` (`apt-get install wrk`). The corpus is small and the embedder is instant, so that what is measured is the way
through the service: sockets, the gate, the body, the search, the reply. The route that does nothing stands in a service of its
own behind the same HTTP server. Rounds take turns, so that all are measured in the same minutes; figures are medians of them.
With --other, the service of another checkout (the code before a change) takes part in each round.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.model import Chunk, Document, Readers
from indexes.settings import Settings
from indexes.testing import HashingEmbedder

DOCUMENTS, WORDS_EACH, VOCABULARY, QUESTIONS = 400, 40, 500, 64
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CHECKOUT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")

ASKING = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer KEY"
local bodies, turn = BODIES, 0
request = function()
  turn = turn % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[turn])
end
"""
TELLING = """
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format('{"p50_ms": %.3f, "p99_ms": %.3f, "requests": %d, "seconds": %.3f, "failed": %d}\\n',
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An address of a running service."""

    name: str
    url: str
    process: int
    script: Path


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--callers", type=int, nargs="+", default=[1, 32])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--other", type=Path, help="measure the service of this checkout, too")
    options.add_argument("--json", type=Path)
    options.add_argument("--serve", choices=("service", "empty"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve() if given.serve == "service" else serve_empty()
        return
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder, ExitStack() as running:
        measured = start_all(Path(folder), given.other, running)
        rows = measure_all(measured, given.callers, given.rounds, given.seconds)
    if given.json:
        figures = {"documents": DOCUMENTS, "rounds": given.rounds, "figures": rows}
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def start_all(folder: Path, other: Path | None, running: ExitStack) -> list[Measured]:
    """Every address that is measured, each behind its own running service."""
    key, questions = prepare(folder / "home")
    scripts = {"nothing": folder / "nothing.lua"}
    scripts["nothing"].write_text(TELLING)
    for name, more in (("search", {}), ("ask", {"answerer": "quotes"})):
        scripts[name] = folder / f"{name}.lua"
        scripts[name].write_text(asking_script(key, [{"question": q, **more} for q in questions]))
    empty, process = running.enter_context(run("empty", folder / "home", CHECKOUT))
    found = [Measured(name="nothing", url=empty, process=process, script=scripts["nothing"])]
    checkouts = {"": CHECKOUT} | ({} if other is None else {"other ": other.resolve()})
    for number, (prefix, checkout) in enumerate(checkouts.items()):
        home = folder / f"home{number}"
        shutil.copytree(folder / "home", home)
        url, process = running.enter_context(run("service", home, checkout))
        for name in ("search", "ask"):
            found.append(
                Measured(
                    name=prefix + name, url=f"{url}/{name}", process=process, script=scripts[name]
                )
            )
    return found


def prepare(home: Path) -> tuple[str, list[str]]:
    """A catalog with documents that one user may read. Returns the user's key, and questions."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghilmnoprstu", k=7)) for _ in range(VOCABULARY)]
    embedder = HashingEmbedder()
    catalog = Catalog.open(Settings(home=home).catalog_url)
    catalog.generations.ensure(embedder.name, embedder.fingerprint, embedder.dimension, by=BENCH)
    catalog.people.add_user("ada", by=BENCH)
    for number in range(DOCUMENTS):
        text = " ".join(chance.choices(words, k=WORDS_EACH))
        chunk = Chunk(ordinal=0, text=text, start=0, end=len(text), embedded=text)
        document = Document(
            uri=f"bench:{number}",
            path=f"{number}.txt",
            title=f"Document {number}",
            media_type="text/plain",
            text=text,
            chunks=(chunk,),
            content_hash=f"{number:064}",
            readers=Readers(allow=frozenset({"user:ada"})),
        )
        vectors = embedder.passages([text])
        catalog.documents.put(
            document, {g.id: vectors for g in catalog.generations.writable()}, by=BENCH
        )
    key = catalog.keys.issue("ada", by=BENCH).secret
    catalog.close()
    return key, [" ".join(chance.choices(words, k=5)) for _ in range(QUESTIONS)]


def asking_script(key: str, bodies: list[dict[str, Any]]) -> str:
    listed = ", ".join(f"[==[{json.dumps(body)}]==]" for body in bodies)
    return ASKING.replace("KEY", key).replace("BODIES", "{" + listed + "}") + TELLING


@contextmanager
def run(
    what: str, home: Path, checkout: Path, *, script: Path = Path(__file__), **settings: str
) -> Iterator[tuple[str, int]]:
    """The address of a service in a process of its own with the code of a checkout, and the process.

    script: what serves it.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")}
    there = {"CLEARANCE_HOME": str(home), "PYTHONPATH": str(checkout)}
    home.mkdir(exist_ok=True)
    with (home / f"{what}.log").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", str(script), "--serve", what],
            env={**ours, **ONE_THREAD, **there, **settings},
            stderr=said,
        )
        try:
            yield wait_for_address(Path(said.name), process), process.pid
        finally:
            process.terminate()
            process.wait(60)


def wait_for_address(said: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(1_200):
        if found := re.search(r"answers on (http://\S+?);", said.read_text(encoding="utf-8")):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("The service did not start: " + said.read_text(encoding="utf-8")[-2_000:])


# --- measuring ----------------------------------------------------------------------------------


def measure_all(
    measured: list[Measured], callers: list[int], rounds: int, seconds: int
) -> list[dict[str, Any]]:
    rows = []
    print(f"{'':<14} {'callers':>7} {'p50 ms':>8} {'p99 ms':>8} {'per s':>8} {'CPU ms':>8}")
    for each in measured:
        ask(each, 1, 1)  # what is compiled or read at first use is not measured
    for number in callers:
        taken: dict[str, list[dict[str, float]]] = {each.name: [] for each in measured}
        for _ in range(rounds):
            for each in measured:
                taken[each.name].append(ask(each, number, seconds))
        for name, found in taken.items():
            row = {key: statistics.median(each[key] for each in found) for key in found[0]}
            rows.append({"name": name, "callers": number, **row})
            print(
                f"{name:<14} {number:>7} {row['p50_ms']:>8.2f} {row['p99_ms']:>8.2f}"
                f" {row['per_second']:>8.0f} {row['cpu_ms']:>8.2f}",
                flush=True,
            )
    return rows


def ask(what: Measured, callers: int, seconds: int) -> dict[str, float]:
    """One run of the client."""
    before = cpu_seconds(what.process)
    command = ["wrk", "-t1", f"-c{callers}", f"-d{seconds}", "-s", str(what.script), what.url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise SystemExit(f"{what.name}: {said}")
    used = cpu_seconds(what.process) - before
    return {
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "per_second": round(found["requests"] / found["seconds"], 1),
        "cpu_ms": round(1e3 * used / found["requests"], 3),
    }


def cpu_seconds(process: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# --- the services -------------------------------------------------------------------------------


def serve() -> None:
    """`clearance serve` with an embedder that needs no time."""
    from indexes import embedder as embedding
    from service.cli import serve as commands

    def instant(*_: Any, **__: Any) -> HashingEmbedder:
        return HashingEmbedder()

    embedding.load = instant
    commands.serve(host="127.0.0.1", port=0)


def serve_empty() -> None:
    """The same HTTP server with one route that does nothing."""
    from fastapi import FastAPI, Response

    from service.cli import serve as commands
    from service.cli import uvicorn_server
    from service.operating.metrics import Metrics

    def make_empty(settings: Settings) -> FastAPI:
        app = FastAPI(openapi_url=None, telemetry={"tracing": False})
        app.state.metrics = Metrics()

        @app.get("/")
        async def nothing() -> Response:
            return Response(b"{}", media_type="application/json")

        return app

    vars(uvicorn_server)["create_app"] = make_empty
    commands.serve(host="127.0.0.1", port=0)


if __name__ == "__main__":
    main()
