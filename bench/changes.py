"""What changes cost, and what they do to searches that run meanwhile.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.changes --vectors 200000 --changes 10000 [--json FILE]

One process: a thread asks without a pause, another one changes. Every change is a durable
transaction of its own, and every search sees the newest; what a search waits for while the indexes
follow is part of its time.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import numpy as np

from bench.actor import BENCH
from bench.soft import PER_DOCUMENT, READER_SETS, GivenVectors, Soft, User, searcher
from indexes.model import Chunk, Document, Readers
from indexes.search.searcher import Searcher

QUESTIONS = 50
SHARE = 0.1
BEFORE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    what: str
    changes: int
    each_ms: float
    each_cpu_ms: float
    searches: int
    p50_ms: float
    p95_ms: float
    longest_ms: float
    cpu_p50_ms: float
    cpu_p95_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument(
        "--changes",
        type=int,
        default=10_000,
        help="documents relabelled; passages added and deleted",
    )
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    corpus, embedder = Soft(given.vectors), GivenVectors()
    user = corpus.user("asker", SHARE)
    with tempfile.TemporaryDirectory(prefix="bench-changes-") as folder:
        made = searcher(Path(folder), corpus, [user], embedder, 250_000)
        asked = [embedder.ask(corpus.question(user)) for _ in range(QUESTIONS)]
        print(
            f"{'change':<38} {'number':>7} {'ms each':>8} {'CPU ms':>8}   searches: p50 / p95 / max ms; CPU p50 / p95"
        )
        costs = [
            print_cost(cost) for cost in measure_changes(made, corpus, user, asked, given.changes)
        ]
        made.corpus.catalog.close()
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        figures = [{name: getattr(cost, name) for name in Cost.__slots__} for cost in costs]
        given.json.write_text(
            json.dumps({"vectors": given.vectors, "costs": figures}, indent=1) + "\n"
        )


def measure_changes(
    made: Searcher, corpus: Soft, user: User, asked: list[str], changes: int
) -> Iterator[Cost]:
    catalog, random = made.corpus.catalog, np.random.default_rng(5)
    there = random.permutation(len(corpus.sets) // PER_DOCUMENT)[:changes]
    group = f"group:g{user.sets[0]}"
    readers = [
        Readers(allow=frozenset({f"group:g{number}"}))
        for number in random.integers(0, READER_SETS, len(there))
    ]
    new = [f"bench:new{number}" for number in range(changes // PER_DOCUMENT)]
    generation = catalog.generations.writable()[0].id
    vectors = corpus.vectors[random.permutation(len(corpus.vectors))[:changes]].reshape(
        len(new), PER_DOCUMENT, -1
    )

    def nothing() -> int:
        time.sleep(BEFORE_S)
        return 0

    def relabel() -> int:
        for number, names in zip(there, readers, strict=True):
            catalog.documents.relabel(f"bench:{number}", names, by=BENCH)
        return len(there)

    def regroup() -> int:
        for change in (catalog.people.remove_member, catalog.people.add_member) * 50:
            change(group.removeprefix("group:"), f"user:{user.name}", by=BENCH)
        return 100

    def add() -> int:
        for uri, matrix in zip(new, vectors, strict=True):
            catalog.documents.put(document(uri), {generation: matrix}, by=BENCH)
        return len(new)

    def delete() -> int:
        for uri in new:
            catalog.documents.delete(uri, by=BENCH)
        return len(new)

    steps: list[tuple[str, Callable[[], int]]] = [
        ("nothing", nothing),
        ("relabel a document", relabel),
        ("take somebody out of a group, or in", regroup),
        ("add a document of ten passages", add),
        ("delete a document of ten passages", delete),
    ]
    for what, change in steps:
        yield measure_cost(what, change, made, user, asked)


def measure_cost(
    what: str, change: Callable[[], int], made: Searcher, user: User, asked: list[str]
) -> Cost:
    with search_meanwhile(made, user, asked) as times:
        wall, cpu = time.perf_counter(), time.thread_time()
        number = change()
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    low, high, longest = np.percentile([elapsed for elapsed, _ in times], [50, 95, 100])
    cpu_low, cpu_high = np.percentile([spent for _, spent in times], [50, 95])
    return Cost(
        what=what,
        changes=number,
        each_ms=round(1e3 * wall / max(number, 1), 3),
        each_cpu_ms=round(1e3 * cpu / max(number, 1), 3),
        searches=len(times),
        p50_ms=round(float(low), 2),
        p95_ms=round(float(high), 2),
        longest_ms=round(float(longest), 2),
        cpu_p50_ms=round(float(cpu_low), 2),
        cpu_p95_ms=round(float(cpu_high), 2),
    )


@contextmanager
def search_meanwhile(
    made: Searcher, user: User, asked: list[str]
) -> Iterator[list[tuple[float, float]]]:
    """Milliseconds of each search, elapsed and of CPU, one after the other, while the block runs."""
    times: list[tuple[float, float]] = []
    stop = Event()

    def ask() -> None:
        for question in cycle(asked):
            if stop.is_set():
                return
            wall, cpu = time.perf_counter(), time.thread_time()
            made.search(question, user.principal, 10, mode="dense")
            times.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - cpu)))

    thread = Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


def document(uri: str) -> Document:
    texts = [f"passage {number} of {uri}" for number in range(PER_DOCUMENT)]
    chunks, start = [], 0
    for ordinal, text in enumerate(texts):
        chunks.append(Chunk(ordinal=ordinal, text=text, start=start, end=start + len(text)))
        start += len(text) + 1
    return Document(
        uri=uri,
        path=uri.removeprefix("bench:"),
        title=uri,
        media_type="text/plain",
        text="\n".join(texts),
        chunks=tuple(chunks),
        content_hash="0" * 64,
        readers=Readers(allow=frozenset({"group:g0"})),
    )


def print_cost(cost: Cost) -> Cost:
    each = f"{cost.each_ms:8.2f} {cost.each_cpu_ms:8.2f}"
    meanwhile = f"{cost.p50_ms:.1f} / {cost.p95_ms:.1f} / {cost.longest_ms:.0f}; {cost.cpu_p50_ms:.1f} / {cost.cpu_p95_ms:.1f}"
    print(f"{cost.what:<38} {cost.changes:7,} {each}   {cost.searches:,}: {meanwhile}", flush=True)
    return cost


if __name__ == "__main__":
    main()
