"""How fast files become searchable, and what a run costs besides.

    python -m bench.ingest PATH... [--json FILE]
    python -m bench.ingest --files 20000 --large csv txt log jsonl --megabytes 200 [--json FILE]

PATH: one run into a fresh corpus, which loads the model as every run does, then the same chunks embedded
alone by the same embedder in the same process. The ratio says what scanning, parsing, cutting and storing
cost on top; 1.0 would be free. It counts from the first passage on (`after_start`), for the start is told by
itself. By the clock it also says whether the embedder had to wait; by processor time it stays true on a
machine that does other work.

--files: so many small files are ingested again, unchanged and with other readers. --large: one file
of each kind, as large as --megabytes says, once with the usual limit and once with a raised one.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.actor import BENCH
from bench.ingest_again import measure_again
from bench.ingest_large import measure_large
from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.cli.terminal import PlainProgress
from indexes.embedder import CounterRecipe, Embedder, load
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.embedders import Embedders
from ingest.report import FileProgress, IngestReport
from ingest.requests import perform_ingest

KINDS = ("csv", "txt", "log", "jsonl")


class Watched:
    """An embedder that remembers what it embedded, and when."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.fingerprint = embedder.name, embedder.fingerprint
        self.dimension, self.max_tokens = embedder.dimension, embedder.max_tokens
        self.texts: list[str] = []
        self.busy_s = 0.0
        self.first_at: float | None = None
        self.first_cpu_s = 0.0  # that had been used then

    def query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.query(text)

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count(texts)

    def counter_recipe(self) -> CounterRecipe:
        return self._embedder.counter_recipe()

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        begun = time.perf_counter()
        if self.first_at is None:
            self.first_at, self.first_cpu_s = begun, _cpu_s()
        vectors = self._embedder.passages(texts)
        self.busy_s += time.perf_counter() - begun
        self.texts.extend(texts)
        return vectors


def measure(paths: Sequence[Path]) -> dict[str, Any]:
    """One ingestion and one embedding alone. Seconds are wall-clock."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        usual = configuration.load()
        settings = usual.model_copy(update={"home": Path(folder), "database_url": None})
        loaded: list[Watched] = []

        def load_watched(*_: Any) -> Watched:
            loaded.append(Watched(load(usual)))  # models are kept in the usual home
            return loaded[-1]

        report = IngestReport(watcher=FileProgress(PlainProgress(sys.stderr)))
        catalog = Catalog.open(settings.catalog_url)
        embedders = Embedders(catalog, settings.embedding_model, load_watched, by=BENCH)
        begun, cpu_begun, parsers_begun = (
            time.perf_counter(),
            _cpu_s(),
            _cpu_s(resource.RUSAGE_CHILDREN),
        )
        perform_ingest(
            IngestRequest(paths=tuple(path.absolute() for path in paths), allow=("group:bench",)),
            settings,
            catalog,
            embedders,
            report,
            by=BENCH,
        )
        ended, cpu = time.perf_counter(), _cpu_s() - cpu_begun
        parsers_cpu = _cpu_s(resource.RUSAGE_CHILDREN) - parsers_begun
        catalog.close()
        report.close()
    (watched,) = loaded
    self_mb, parser_mb = (_peak_mb(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    first, chunks = watched.first_at or ended, len(watched.texts)
    busy = watched.busy_s
    alone, alone_cpu = _alone(watched)
    return {
        "documents": len(report.written),
        "problems": len(report.problems),
        "chunks": chunks,
        "seconds": ended - begun,
        "seconds_until_embedding_began": first - begun,
        "processor_seconds_until_then_without_parsers": watched.first_cpu_s - cpu_begun,
        "documents_per_second": len(report.written) / (ended - begun),
        "chunks_per_second": chunks / (ended - begun),
        "embedding_alone_seconds": alone,
        "embedding_alone_chunks_per_second": chunks / alone if alone else 0.0,
        "ratio": alone / (ended - begun),
        "ratio_of_processor_time": alone_cpu / cpu,
        "processor_seconds_embedding_alone": alone_cpu,
        "processor_seconds_of_parsers": parsers_cpu,
        "processor_seconds_of_the_rest": cpu - parsers_cpu - alone_cpu,
        "ratio_after_start": alone / (ended - first) if ended > first else 0.0,
        "embedder_busy": busy / (ended - begun),
        "embedder_busy_after_start": busy / (ended - first) if ended > first else 0.0,
        "peak_memory_mb": self_mb,
        "peak_memory_of_a_parser_mb": parser_mb,
    }


def _alone(watched: Watched) -> tuple[float, float]:
    """Seconds by the clock and of processor time for the same texts once more, all at once."""
    texts = list(watched.texts)
    begun, cpu_begun = time.perf_counter(), _cpu_s()
    if texts:
        watched.passages(texts)
    return time.perf_counter() - begun, _cpu_s() - cpu_begun


def _cpu_s(*whose: int) -> float:
    """Processor time of this process and of the parsers that have ended."""
    used = (
        resource.getrusage(who) for who in whose or (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_mb(who: int) -> float:
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(who).ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.ingest",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--files", type=int, default=0, help="so many, ingested again")
    parser.add_argument("--runs", type=int, default=3, help="of each measure of --files")
    parser.add_argument("--large", nargs="*", default=[], choices=KINDS, metavar="KIND")
    parser.add_argument("--megabytes", type=int, default=200, help="of each large file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    if given.paths:
        figures |= {name: round(value, 3) for name, value in measure(given.paths).items()}
    if given.files:
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
            figures["again"] = measure_again(Path(folder), given.files, given.runs)
    if given.large:
        figures["large"] = [
            measure_large(kind, given.megabytes, limit)
            for kind in given.large
            for limit in (Settings().max_file_mb, 2 * given.megabytes)
        ]
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<40} {json.dumps(value, indent=1):>12}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
