"""Dense retrieval by share of the corpus that is visible: recall, and milliseconds beside other
ways to do it.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.retrieval --vectors 200000 [--peers] [--json FILE]

`search` is the public search over a real catalog: view, scan, proof, and the text of every hit read
behind the second gate. `index` is the vector index inside it; `kernel` one call of FAISS on the
same lists, with no proof and no check. One thread; engines take turns on all questions of a bucket,
and a question counts with the best of its rounds. The truth is brute force in float32 over what the user may read.
CPU of this thread; elapsed time where the work is done elsewhere. With --json the figures are drawn
beside the file, too (`retrieval_picture`).
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import faiss
import numpy as np

from bench.retrieval_peers import PEERS, Search
from bench.retrieval_picture import ELSEWHERE, write_picture
from bench.soft import Floats, GivenVectors, Ints, Soft, User, searcher
from indexes.derived.vectors.codes import CodedQuery
from indexes.derived.vectors.lists import InvertedLists
from indexes.search.searcher import Searcher

SHARES = (0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 1.0)
KS = (10, 50)


@dataclass(slots=True)
class Samples:
    """One figure per question of a bucket."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    # scored in full precision, where that is known
    candidates: list[int] = field(default_factory=list)

    def add_round(self, spent: list[tuple[float, float]]) -> None:
        """(CPU, elapsed) seconds of each question. The best of the rounds counts."""
        cpu, wall = ([1e3 * seconds for seconds in each] for each in zip(*spent, strict=True))
        self.cpu = [min(two) for two in zip(cpu, self.cpu or cpu, strict=True)]
        self.wall = [min(two) for two in zip(wall, self.wall or wall, strict=True)]


Bucket = dict[str, Samples]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--peers", action="store_true", help="HNSW, pgvector and Qdrant, too")
    parser.add_argument(
        "--without", action="append", default=[], choices=sorted(PEERS), help="leave a peer out"
    )
    parser.add_argument("--exact-scan-limit", type=int, default=250_000)
    parser.add_argument("--users", type=int, default=4, help="per bucket")
    parser.add_argument("--questions", type=int, default=6, help="per user")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--json", type=Path, help="write the figures there, and a picture of them beside it"
    )
    given = parser.parse_args()
    corpus = Soft(given.vectors)
    users = {
        share: [corpus.user(f"u{share}-{n}", share) for n in range(given.users)] for share in SHARES
    }
    with tempfile.TemporaryDirectory(prefix="bench-retrieval-") as folder:
        embedder = GivenVectors()
        everybody = [user for some in users.values() for user in some]
        made = searcher(Path(folder), corpus, everybody, embedder, given.exact_scan_limit)
        _timed("topics", lambda: made.corpus.maintenance.run())
        engines = make_ours(made, embedder) | make_peers(
            corpus, Path(folder), given.peers, given.without
        )
        print(head(engines), flush=True)
        figures = []
        for share, some in users.items():
            for k in KS:
                bucket = measure_scan(corpus, engines, some, k, given.questions, given.rounds)
                print(line(share, some, k, bucket), flush=True)
                figures += rows(share, some, k, bucket)
        made.corpus.catalog.close()
    facts = {
        "vectors": given.vectors,
        "exact_scan_limit": given.exact_scan_limit,
        "figures": figures,
    }
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(write_picture(facts, given.json))


# --- engines ------------------------------------------------------------------------------------


def make_ours(made: Searcher, embedder: GivenVectors) -> dict[str, Search]:
    index = made.corpus.held.current.vectors
    asked: dict[bytes, str] = {}

    def search(question: Floats, user: User, k: int) -> Ints:
        text = asked.setdefault(question.tobytes(), "") or embedder.ask(question)
        asked[question.tobytes()] = text
        hits = made.search(text, user.principal, k, mode="dense").hits
        return np.array([hit.row - 1 for hit in hits], np.int64)

    def nearest(question: Floats, user: User, k: int) -> Ints:
        found = index.nearest(question, user.sets + 1, k, view=user.name)
        nearest.candidates = found.candidates  # type: ignore[attr-defined]
        return found.rows - 1

    def kernel(question: Floats, user: User, k: int) -> Ints:
        lists = index._stored.lists_of(user.sets + 1).numbers
        return ask_faiss(index._stored._by_set, question, lists, 3 * k + 10)[:k] - 1

    return {"search": search, "index": nearest, "kernel": kernel}


def ask_faiss(held: InvertedLists, question: Floats, lists: Ints, k: int) -> Ints:
    """What FAISS's own search finds in these lists, best first."""
    code = CodedQuery.of(question).code.astype(np.float32)
    nothing, scores = np.zeros(len(lists), np.float32), np.empty(k, np.float32)
    rows = np.empty(k, np.int64)
    parameters = faiss.SearchParametersIVF(nprobe=len(lists))
    pointers = [faiss.swig_ptr(each) for each in (lists, nothing, scores, rows)]
    held._index.search_preassigned_c(1, faiss.swig_ptr(code), k, *pointers, False, parameters)
    return rows


def make_peers(corpus: Soft, folder: Path, every: bool, without: list[str]) -> dict[str, Search]:
    chosen = [
        name for name in PEERS if name not in without and (every or name == "FAISS flat + bitmap")
    ]
    found: dict[str, Search] = {}
    for name in chosen:
        try:
            found[name] = _timed(name, lambda name=name: PEERS[name](corpus, folder))
        except Exception as error:
            print(
                f"*** {name} is LEFT OUT: {type(error).__name__}: {error}",
                file=sys.stderr,
                flush=True,
            )
    return found


def _timed(name: str, make):  # type: ignore[no-untyped-def]
    began, cpu = time.perf_counter(), time.process_time()
    made = make()
    print(
        f"{name}: made in {time.perf_counter() - began:.1f} s, {time.process_time() - cpu:.1f} CPU s",
        flush=True,
    )
    return made


# --- measuring ----------------------------------------------------------------------------------


def measure_scan(
    corpus: Soft, engines: dict[str, Search], users: list[User], k: int, questions: int, rounds: int
) -> Bucket:
    """All questions go to one engine before the next one has its turn, as they do to an engine that
    serves: a scan of another one in between would drive it out of the processor's caches.
    """
    asked = [(user, corpus.question(user)) for user in users for _ in range(questions)]
    truths = [set(corpus.best(user, question, k).tolist()) for user, question in asked]
    bucket: Bucket = {name: Samples() for name in engines}
    for _ in range(rounds):
        for name, search in engines.items():
            samples = bucket[name]
            spent = []
            for (user, question), truth in zip(asked, truths, strict=True):
                cpu, wall = time.thread_time(), time.perf_counter()
                found = search(question, user, k)
                spent.append((time.thread_time() - cpu, time.perf_counter() - wall))
                if len(samples.recall) < len(asked):
                    samples.recall.append(len(truth & set(found.tolist())) / max(len(truth), 1))
                    if name == "index":
                        samples.candidates.append(search.candidates)  # type: ignore[attr-defined]
            samples.add_round(spent)
    return bucket


# --- showing ------------------------------------------------------------------------------------


def time_of(name: str, samples: Samples) -> list[float]:
    return samples.wall if name in ELSEWHERE else samples.cpu


def head(engines: dict[str, Search]) -> str:
    names = "".join(f" {name:>24}" for name in engines)
    return f"{'visible':>8} {'rows':>8} {'k':>3}{names}   (recall p50/p95 ms; times search)"


def line(share: float, users: list[User], k: int, bucket: Bucket) -> str:
    visible = int(np.mean([user.visible for user in users]))
    text = f"{100 * share:7g}% {visible:8,} {k:3}"
    ours = np.median(bucket["search"].cpu)
    for name, samples in bucket.items():
        times = time_of(name, samples)
        low, high = np.percentile(times, [50, 95])
        text += f"  {np.mean(samples.recall):.3f} {low:6.2f}/{high:6.2f} {low / ours:5.2f}x"
    return text


def rows(share: float, users: list[User], k: int, bucket: Bucket) -> list[dict[str, object]]:
    visible = int(np.mean([user.visible for user in users]))
    made = []
    for name, samples in bucket.items():
        figures = {"recall": round(float(np.mean(samples.recall)), 4)}
        for kind, values in (("cpu", samples.cpu), ("wall", samples.wall)):
            low, high = np.percentile(values, [50, 95])
            figures |= {
                f"{kind}_p50_ms": round(float(low), 4),
                f"{kind}_p95_ms": round(float(high), 4),
            }
        if samples.candidates:
            low, high = np.percentile(samples.candidates, [50, 95])
            figures |= {"candidates_p50": float(low), "candidates_p95": float(high)}
        made.append({"share": share, "visible": visible, "k": k, "engine": name, **figures})
    return made


if __name__ == "__main__":
    main()
