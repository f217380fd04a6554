"""How long a process takes until it answers its first search, and how much memory it holds then:
from the catalog alone, and from a checkpoint.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.starts [--passages 1000000] [--rounds 3] [--json FILE]

Each start is a process of its own, from the first line of Python to the answer. Memory per passage is what
the process holds beyond one that has answered from an empty catalog: `own` is its alone, `mapped` are
pages of files, which the kernel may take back at any time. 500 reader sets, ten passages a document,
384 dimensions; an embedder that takes no time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.actor import BENCH
from bench.soft import GivenVectors, Soft, searcher
from indexes.catalog import Catalog
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings

LIMIT = 250_000
EVERYBODY = "everybody"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)  # one start, in a child
    given = parser.parse_args()
    if given.start:
        print(json.dumps(start(given.start)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-starts-") as folder:
        home = Path(folder)
        fill(home / "empty", 0)
        fill(home / "filled", given.passages)
        report(home, given)


def fill(home: Path, passages: int) -> None:
    """A catalog with its topics learnt, and no checkpoint."""
    home.mkdir()
    corpus, embedder = Soft(passages), GivenVectors()
    np.save(home / "question.npy", corpus.vectors[0] if passages else np.eye(1, 384)[0])
    if passages:
        made = searcher(home, corpus, [corpus.user(EVERYBODY, 1.0)], embedder, LIMIT)
        made.corpus.maintenance.run()
        made.corpus.catalog.close()
        return
    catalog = Catalog.open(Settings(home=home).catalog_url)
    catalog.people.add_user(EVERYBODY, by=BENCH)
    catalog.close()


def start(home: Path) -> dict[str, float]:
    """What this process needed to answer, seen from inside; a checkpoint is left behind."""
    embedder = GivenVectors()
    question = embedder.ask(np.load(home / "question.npy").astype(np.float32))
    settings = Settings(home=home, exact_scan_limit=LIMIT)
    catalog = Catalog.open(settings.catalog_url)
    made = Searcher(catalog, embedder, settings)
    hits = made.search(question, Principal(name=f"user:{EVERYBODY}"), 10, mode="dense").hits
    figures = {"answered_at": time.time(), "hits": len(hits), **memory()}
    with made.background_work(every_s=3_600.0):
        pass
    catalog.close()
    return figures


def memory() -> dict[str, int]:
    """Bytes this process holds, and bytes of files it looks into."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    kib = {name: int(fields[name].split()[0]) for name in ("RssAnon", "RssFile")}
    return {"own": kib["RssAnon"] * 1024, "mapped": kib["RssFile"] * 1024}


def report(home: Path, given: argparse.Namespace) -> None:
    empty = measure_start(home / "empty")
    starts = {"catalog": [measure_start(home / "filled")]}
    starts["checkpoint"] = [measure_start(home / "filled") for _ in range(given.rounds)]
    facts: dict[str, object] = {"passages": given.passages, "empty_s": round(empty["seconds"], 2)}
    for name, some in starts.items():
        facts[f"{name}_s"] = [round(one["seconds"], 2) for one in some]
        for kind in ("own", "mapped"):
            held = statistics.median(one[kind] for one in some) - empty[kind]
            facts[f"{name}_{kind}_bytes_a_passage"] = round(held / given.passages)
    print(json.dumps(facts, indent=1))
    if given.json:
        given.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def measure_start(home: Path) -> dict[str, float]:
    begun = time.time()
    command = [sys.executable, "-m", "bench.starts", "--start", str(home)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(told.splitlines()[-1])
    return {**figures, "seconds": figures["answered_at"] - begun}


if __name__ == "__main__":
    main()
