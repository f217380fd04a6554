"""`/search` over HTTP on a large corpus: latency, throughput, lag of the event loop, start-up time,
memory.

    python -m bench.http --passages 200000 [--callers 1 8 32] [--requests 400] [--json FILE]

The service runs in a process of its own; question vectors are there already, so that the embedder's
time is not in the figures. One caller asks one question after another. Callers are of three kinds,
who may read 1 %, 10 % and all.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn

from bench.actor import BENCH
from bench.soft import GivenVectors, Soft, searcher
from indexes.catalog import Catalog
from indexes.settings import Settings
from service.app import create_app

SHARES = (0.01, 0.1, 1.0)
QUESTIONS = 64  # per kind of caller
LIMIT = 1 << 60
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--passages", type=int, default=200_000)
    options.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--requests", type=int, default=400)
    options.add_argument("--json", type=Path)
    options.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--port", type=int, default=18_080)
    given = options.parse_args()
    if given.serve:
        serve(given.serve, given.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        keys = prepare(home, given.passages)
        figures = {"passages": given.passages, **measure_starts(home, given.port)}
        figures["load"] = measure_load(home, given.port, keys, given.callers, given.requests)
        figures["loop_lag_ms"] = json.loads((home / "lag.json").read_text())
    print(json.dumps(figures, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def prepare(home: Path, passages: int) -> dict[float, str]:
    """A catalog with the corpus, a user and a key per kind of caller, and their questions.

    Returns the keys.
    """
    corpus, embedder = Soft(passages), GivenVectors()
    users = {share: corpus.user(f"reads{share}", share) for share in SHARES}
    for user in users.values():
        for _ in range(QUESTIONS):
            embedder.ask(corpus.question(user))
    np.save(home / "questions.npy", np.stack(embedder.questions))
    made = searcher(home, corpus, list(users.values()), embedder, LIMIT)
    catalog = made.corpus.catalog
    for user in users.values():
        catalog.people.add_user(user.name, by=BENCH)
    keys = {share: catalog.keys.issue(user.name, by=BENCH).secret for share, user in users.items()}
    catalog.close()
    return keys


def serve(home: Path, port: int) -> None:
    """The service process."""
    embedder = GivenVectors()
    embedder.questions = list(np.load(home / "questions.npy"))
    settings = Settings(home=home, exact_scan_limit=LIMIT)
    inner = create_app(settings, embedder=embedder, catalog=Catalog.open(settings.catalog_url))
    begun = inner.router.lifespan_context

    @asynccontextmanager
    async def watched(app: Any) -> Any:
        async with begun(app) as state:
            lags: list[float] = []
            watcher = asyncio.create_task(watch(lags))
            yield state
            watcher.cancel()
            (home / "lag.json").write_text(json.dumps(spread(lags)))

    inner.router.lifespan_context = watched
    uvicorn.run(inner, host="127.0.0.1", port=port, log_level="error", access_log=False)


async def watch(lags: list[float]) -> None:
    """How much later than asked the loop comes back, in ms."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append((time.perf_counter() - start - 0.01) * 1e3)


def measure_starts(home: Path, port: int) -> dict[str, float]:
    """Seconds until ready from the catalog alone, and from a checkpoint; memory per passage once
    ready.
    """
    figures: dict[str, float] = {}
    for name in ("start_from_catalog_s", "start_from_checkpoint_s"):
        begin = time.perf_counter()
        process = start_service(home, port)
        figures[name] = round(time.perf_counter() - begin, 2)
        figures["resident_mb"] = round(resident_memory(process.pid) / 2**20, 1)
        stop_service(process)
    return figures


def measure_load(
    home: Path, port: int, keys: dict[float, str], callers: list[int], requests: int
) -> list[dict[str, Any]]:
    process = start_service(home, port)
    try:
        return [
            {
                "callers": n,
                "reads": share,
                **asyncio.run(run(port, keys[share], i * QUESTIONS, n, requests)),
            }
            for n in callers
            for i, share in enumerate(SHARES)
        ]
    finally:
        stop_service(process)


async def run(port: int, key: str, first: int, callers: int, requests: int) -> dict[str, Any]:
    times: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}

    async def caller(client: httpx2.AsyncClient, number: int) -> None:
        for turn in range(number, requests, callers):
            start = time.perf_counter()
            body = {"question": str(first + turn % QUESTIONS), "k": 10, "mode": "dense"}
            reply = await client.post("/search", json=body)
            assert reply.status_code == 200, reply.text
            times.append((time.perf_counter() - start) * 1e3)

    limits = httpx2.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits
    ) as client:
        await client.post("/search", json={"question": str(first), "mode": "dense"})
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(caller(client, number))
    return {**spread(times), "per_second": round(requests / (time.perf_counter() - begin), 1)}


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = {
        name: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        for name, share in (("p95", 0.95), ("p99", 0.99))
    }
    return {
        "p50": round(statistics.median(ordered), 2),
        **{name: round(value, 2) for name, value in at.items()},
    }


def start_service(home: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.http", "--serve", str(home), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **ONE_THREAD})
    for _ in range(6_000):
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return process
        except httpx2.HTTPError:
            pass
        if process.poll() is not None:
            raise SystemExit("The service did not start.")
        time.sleep(0.1)
    raise SystemExit("The service was not ready in ten minutes.")


def stop_service(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(120)


def resident_memory(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
