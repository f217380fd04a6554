"""What a run costs that has nothing to parse: no file changed, or only their readers did.

The files are stored first by parsers and an embedder that do nothing, so that a run's own work is
left. Each measure is taken several times, in seconds of processor time of the whole process.
"""

import time
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from ingest.elements import Element, Parsed
from ingest.embedders import Embedders
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.sandbox import Cutting
from ingest.report import FileOutcome, IngestReport
from ingest.requests import IngestRequest, perform_ingest

FILES_IN_A_FOLDER = 100
TEXT = "The canteen opens at noon. " * 40


class Quiet:
    """A watcher that shows nothing."""

    def expect_files(self, files: int) -> None: ...

    def show_outcome(self, outcome: FileOutcome) -> None: ...

    def say(self, text: str) -> None: ...


class NoParsers:
    """Every file holds the same sentence."""

    def prepare(self) -> None: ...

    def submit(self, document: PrivateCopy, cutting: Cutting) -> "Future[Parsed]":
        document.close()
        element = Element(kind="text", text="The canteen opens at noon.")
        done: Future[Parsed] = Future()
        done.set_result(
            Parsed(
                title=None,
                elements=(element,),
                media_type="text/plain",
                language=None,
                page_kind=None,
            )
        )
        return done


class NoEmbedder(HashingEmbedder):
    """Every passage has the same vector."""

    def passages(self, texts: Any) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        vectors[:, 0] = 1
        return vectors


def measure_again(folder: Path, files: int, runs: int) -> dict[str, Any]:
    """folder: an empty one, for the files and the catalog."""
    docs, settings = folder / "docs", Settings(home=folder / "home")
    write_files(docs, files)
    ingest(docs, settings, ())
    unchanged = [ingest(docs, settings, ()) for _ in range(runs)]
    relabelled = [ingest(docs, settings, (f"group:g{number}",)) for number in range(runs)]
    assert all(run["totals"]["unchanged"] == files for run in unchanged)
    assert all(run["totals"]["relabelled"] == files for run in relabelled)
    return {
        "files": files,
        "unchanged_cpu_s": [run["cpu_s"] for run in unchanged],
        "unchanged_files_per_cpu_s": round(files / min(run["cpu_s"] for run in unchanged)),
        "unchanged_s": [run["seconds"] for run in unchanged],
        "relabelled_cpu_s": [run["cpu_s"] for run in relabelled],
        "relabelled_s": [run["seconds"] for run in relabelled],
    }


def write_files(docs: Path, files: int) -> None:
    for number in range(files):
        inner = number // FILES_IN_A_FOLDER
        folder = docs / f"department{inner // 20:02d}" / f"year{inner % 20:02d}"
        if number % FILES_IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"report-{number:05d}.txt").write_text(f"Report {number}. {TEXT}", "utf-8")
    (docs / ".access.yaml").write_text("allow: [group:bench]\n", encoding="utf-8")


def ingest(docs: Path, settings: Settings, allow: tuple[str, ...]) -> dict[str, Any]:
    catalog = Catalog.open(settings.catalog_url)
    report, embedder = IngestReport(watcher=Quiet()), NoEmbedder()
    embedders = Embedders(catalog, settings.embedding_model, lambda *_: embedder, by=BENCH)
    request = IngestRequest(paths=(docs,), allow=allow)
    begun, cpu_begun = time.perf_counter(), time.process_time()
    perform_ingest(
        request,
        settings,
        catalog,
        embedders,
        report,
        lambda _: nullcontext(NoParsers()),
        by=BENCH,
    )
    cpu_s, seconds = time.process_time() - cpu_begun, time.perf_counter() - begun
    catalog.close()
    return {"cpu_s": round(cpu_s, 2), "seconds": round(seconds, 2), "totals": report.totals}
