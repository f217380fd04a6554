"""What is measured: the everyday work of the product, each as a function that does it once more.

This module is the working tree's on both sides, and what it calls is the product of one of them. A
side that lacks what a work needs fails when the work is made ready, and the page says so. What only
one work needs is imported in it.
"""

import http.client
import json
import resource
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import indexes
from bench import http_wrk, keywords
from bench.actor import BENCH
from bench.soft import Floats, GivenVectors, Soft, User, searcher
from indexes.catalog import Catalog
from indexes.model import Readers
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from tools.processes import free_port

PASSAGES, READER_SETS, ASKED = 10_000, 500, 40
SMALL, EVERYTHING = 0.01, 1.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "documents"
FILES = (
    "everyone/welcome.md",
    "everyone/canteen.html",
    "everyone/员工手册.docx",
    "finance/budget-2031.xlsx",
    "finance/supplier-terms.html",
    "engineering/firmware-4.2-notes.txt",
)
PASSAGE = (
    "Employees may carry over at most five days of leave into the next calendar year; what is left"
    " of it expires on 31 March. Whoever was ill for longer than six weeks keeps it until the end of"
    " September. The request goes to the head of the department, who answers within two weeks. "
) * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one operation, in milliseconds: of the processor in all threads, and by the clock."""

    cpu_ms: float
    wall_ms: float


Measure = Callable[[], Cost]
"""Does the work once more, or a few times, and gives the cost of one."""


class NotReady(Exception):
    """Something that takes long would have to be made first."""


class Worded(GivenVectors):
    """An Embedder whose questions are texts with vectors that are there already."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Floats] = {}

    def ask_in_words(self, text: str, vector: Floats) -> str:
        self._known[text] = vector
        return text

    def query(self, text: str) -> Floats:
        return self._known[text]


class Side:
    """What works of one process share, each made when it is needed first."""

    def __init__(self, folder: Path, models: Path, stack: ExitStack) -> None:
        """folder: for everything that is written. models: a home with models that are ready."""
        self.folder, self._models, self._stack = folder, models, stack
        self.random = np.random.default_rng(3)

    @cached_property
    def embedder(self) -> Any:
        """The packaged model on one thread. Raises NotReady if it would be converted first."""
        from indexes.embedder import load

        def refuse(told: str) -> None:
            raise NotReady(f"the embedding model: {told}")

        return load(Settings(home=self._models, embedding_threads=1), refuse)

    @cached_property
    def corpus(self) -> Soft:
        return Soft(PASSAGES)

    @cached_property
    def words(self) -> Any:
        return keywords.make_corpus(PASSAGES, READER_SETS, np.random.default_rng(11))

    @cached_property
    def users(self) -> dict[float, User]:
        return {share: self.corpus.user(f"reads{share}", share) for share in (SMALL, EVERYTHING)}

    @cached_property
    def questions(self) -> dict[float, list[str]]:
        """In words and with vectors, of each user."""
        return {
            share: [
                self.given_vectors.ask_in_words(text, self.corpus.question(user))
                for text in keywords.questions(self.words, ASKED, self.random)
            ]
            for share, user in self.users.items()
        }

    @cached_property
    def given_vectors(self) -> Worded:
        return Worded()

    @cached_property
    def searcher(self) -> Searcher:
        users = list(self.users.values())
        home = self.folder / "searched"
        made = searcher(
            home, self.corpus, users, self.given_vectors, PASSAGES, text_of=self.words.text
        )
        self._stack.callback(made.corpus.catalog.close)
        return made

    @cached_property
    def service(self) -> tuple[str, int, list[str], str]:
        """Address and process of a service with a small corpus, questions, and a key."""
        home = self.folder / "served"
        key, asked = http_wrk.prepare(home)
        url, process = self._stack.enter_context(http_wrk.run("service", home, checkout()))
        return url, process, asked, key


def checkout() -> Path:
    """Where the product comes from that this process runs."""
    assert indexes.__file__ is not None
    return Path(indexes.__file__).resolve().parent.parent


# --- clocks -------------------------------------------------------------------------------------


def own_cpu_s() -> float:
    """Of this process and of those that it started and that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def cpu_s_of(process: int) -> float:
    """As `clock_getcpuclockid` of POSIX finds it on Linux, to the nanosecond."""
    return time.clock_gettime((~process << 3) | 2)


def repeat(
    times: int, once: Callable[[], object], cpu_s: Callable[[], float] = time.process_time
) -> Measure:
    """Something short, so many times, after one time that is not counted."""
    once()

    def measure() -> Cost:
        wall, cpu = time.perf_counter(), cpu_s()
        for _ in range(times):
            once()
        spent, passed = cpu_s() - cpu, time.perf_counter() - wall
        return Cost(cpu_ms=1e3 * spent / times, wall_ms=1e3 * passed / times)

    return measure


# --- works --------------------------------------------------------------------------------------


def embed_question(side: Side) -> Measure:
    return repeat(2, lambda: side.embedder.query("When do salaries rise, and for whom?"))


def embed_passage(side: Side) -> Measure:
    return repeat(1, lambda: side.embedder.passages([PASSAGE]))


def search(side: Side, mode: Any, share: float) -> Measure:
    made, user, asked = side.searcher, side.users[share], cycle(side.questions[share])
    return repeat(10, lambda: made.search(next(asked), user.principal, 10, mode=mode))


def follow(side: Side) -> Measure:
    """A document is given to other readers, and the next search knows it."""
    made, user, asked = side.searcher, side.users[SMALL], cycle(side.questions[SMALL])
    readers = cycle(Readers(allow=frozenset({f"group:g{n}"})) for n in user.sets[:2])

    def change_and_search() -> None:
        made.corpus.catalog.documents.relabel("bench:7", next(readers), by=BENCH)
        made.search(next(asked), user.principal, 10)

    return repeat(4, change_and_search)


def post(side: Side, address: str, **more: str) -> Measure:
    """One caller on one connection; the processor time is the service's."""
    url, process, asked, key = side.service
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    bodies = cycle([json.dumps({"question": text, **more}) for text in asked])

    def ask() -> None:
        client.request("POST", address, next(bodies), headers)
        reply = client.getresponse()
        told = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{address} answered {reply.status}: {told[:200]!r}")

    for _ in range(len(asked)):
        ask()
    return repeat(16, ask, lambda: cpu_s_of(process))


def ingest(side: Side) -> Measure:
    """Files of five formats into a new catalog, with real parsers and an embedder that needs no time."""
    from bench.ingest_again import Quiet
    from indexes.job_kinds import IngestRequest
    from indexes.testing import HashingEmbedder
    from ingest.embedders import Embedders
    from ingest.report import IngestReport
    from ingest.requests import perform_ingest

    paths = tuple(EXAMPLES / name for name in FILES)
    request = IngestRequest(paths=paths, allow=("group:bench",))
    embedder, home = HashingEmbedder(), side.folder / "ingested"

    def take_in() -> None:
        shutil.rmtree(home, ignore_errors=True)
        settings = Settings(home=home)
        catalog = Catalog.open(settings.catalog_url)
        embedders = Embedders(catalog, settings.embedding_model, lambda *_: embedder, by=BENCH)
        report = IngestReport(watcher=Quiet())
        perform_ingest(request, settings, catalog, embedders, report, by=BENCH)
        catalog.close()
        if len(report.written) != len(FILES):
            raise RuntimeError(f"Not every file was read: {report.totals}")

    return repeat(1, take_in, own_cpu_s)


def start(side: Side) -> Measure:
    """A service from nothing until it is ready: what is imported, and what is read."""
    from bench import http as whole_service

    home, port = side.folder / "started", free_port()
    side.searcher.search(side.questions[EVERYTHING][0], side.users[EVERYTHING].principal, 10)
    shutil.copytree(side.folder / "searched", home)
    np.save(home / "questions.npy", np.zeros((1, side.given_vectors.dimension), np.float32))
    whole_service.stop_service(whole_service.start_service(home, port))  # leaves a checkpoint

    def measure() -> Cost:
        begun = time.perf_counter()
        process = whole_service.start_service(home, port)
        cost = Cost(cpu_ms=1e3 * cpu_s_of(process.pid), wall_ms=1e3 * (time.perf_counter() - begun))
        whole_service.stop_service(process)
        return cost

    return measure


WORKS: dict[str, Callable[[Side], Measure]] = {
    "embed a question": embed_question,
    "embed a passage": embed_passage,
    "search by meaning, 1 % visible": lambda side: search(side, "dense", SMALL),
    "search by meaning, all visible": lambda side: search(side, "dense", EVERYTHING),
    "search by words, 1 % visible": lambda side: search(side, "keyword", SMALL),
    "search by words, all visible": lambda side: search(side, "keyword", EVERYTHING),
    "search by both, 1 % visible": lambda side: search(side, "hybrid", SMALL),
    "search by both, all visible": lambda side: search(side, "hybrid", EVERYTHING),
    "change readers, then search": follow,
    "POST /search": lambda side: post(side, "/search"),
    "POST /ask, quotes": lambda side: post(side, "/ask", answerer="quotes"),
    "ingest six files": ingest,
    "start from a checkpoint": start,
}
