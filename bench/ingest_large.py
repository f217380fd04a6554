"""What one large file costs: time, and the most memory of the run and of a process that parses.

Real parsers and cutting, an embedder that does nothing. Each file has a process of its own, for the
most memory that a process has had cannot be forgotten.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.actor import BENCH
from bench.ingest_again import NoEmbedder, Quiet
from indexes.catalog import Catalog
from indexes.settings import Settings
from ingest.embedders import Embedders
from ingest.report import IngestReport
from ingest.requests import IngestRequest, perform_ingest

WORDS = [
    "invoice",
    "canteen",
    "noon",
    "pump",
    "salary",
    "report",
    "guide",
    "valve",
    "order",
    "north",
    "south",
    "paper",
]
LOOK_S = 0.2


def measure_large(kind: str, megabytes: int, max_file_mb: int) -> dict[str, Any]:
    """One file in a process of its own."""
    command = [sys.executable, "-m", "bench.ingest_large", kind, str(megabytes), str(max_file_mb)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def write_file(place: Path, kind: str, megabytes: int) -> None:
    """As many lines of the kind as make so many megabytes; the same every time."""
    chance, size, number = random.Random(1), 0, 0
    with place.open("w", encoding="utf-8") as file:
        size += file.write("id,customer,amount,date,comment\n") if kind == "csv" else 0
        while size < megabytes * 1_000_000:
            words = " ".join(chance.choices(WORDS, k=9))
            size += file.write(make_line(kind, number, words))
            number += 1


def make_line(kind: str, number: int, words: str) -> str:
    customer, amount = f"customer {number % 9973}", number % 100_000 / 100
    day = f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    if kind == "csv":
        return f"{number},{customer},{amount:.2f},{day},{words}\n"
    if kind == "jsonl":
        record = {"id": number, "customer": customer, "amount": amount, "comment": words}
        return json.dumps(record) + "\n"
    if kind == "log":
        return f"{day}T10:{number // 60 % 60:02d}:{number % 60:02d} INFO worker[{number % 97}] {words}\n"
    return words + (".\n" if number % 6 else ".\n\n")


def measure_here(kind: str, megabytes: int, max_file_mb: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-large-") as folder:
        docs = Path(folder, "docs")
        docs.mkdir()
        write_file(docs / f"large.{kind}", kind, megabytes)
        settings = Settings(home=Path(folder, "home"), max_file_mb=max_file_mb)
        catalog = Catalog.open(settings.catalog_url)
        report, embedder = IngestReport(watcher=Quiet()), NoEmbedder()
        embedders = Embedders(catalog, settings.embedding_model, lambda *_: embedder, by=BENCH)
        peaks: dict[int, tuple[float, float]] = {}
        threading.Thread(target=_watch_children, args=(peaks,), daemon=True).start()
        begun, before_mb, cpu_begun = time.perf_counter(), _peak_mb("self"), time.process_time()
        request = IngestRequest(paths=(docs,), allow=("group:bench",))
        perform_ingest(request, settings, catalog, embedders, report, by=BENCH)
        seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
        catalog.close()
    (outcome,) = report.outcomes
    child_mb, child_cpu_s = max(peaks.values(), default=(0.0, 0.0))
    return {
        "kind": kind,
        "megabytes": megabytes,
        "max_file_mb": max_file_mb,
        "status": outcome.status,
        "reason": outcome.reason,
        "remedy": outcome.remedy,
        "chunks": outcome.chunks,
        "seconds": round(seconds, 1),
        "cpu_s": round(cpu_s, 1),
        "parser_cpu_s": round(child_cpu_s, 1),
        "peak_mb_before": round(before_mb),
        "peak_mb": round(_peak_mb("self")),
        "parser_peak_mb": round(child_mb),
    }


def _watch_children(peaks: dict[int, tuple[float, float]]) -> None:
    """Most memory in MB, and processor seconds, of every process below this one, by its id."""
    while True:
        found = _list_processes()
        for process, (_, spent_s) in found.items():
            if _is_below(process, os.getpid(), found):
                with suppress(OSError, ValueError):
                    most_mb, _ = peaks.get(process, (0.0, 0.0))  # of one that has ended it is 0
                    peaks[process] = max(most_mb, _peak_mb(str(process))), spent_s
        time.sleep(LOOK_S)


def _list_processes() -> dict[int, tuple[int, float]]:
    """Parent and processor seconds of every process, by its id."""
    found: dict[int, tuple[int, float]] = {}
    for name in (place.name for place in Path("/proc").iterdir()):
        with suppress(OSError, ValueError, IndexError):  # it has ended, or is no process
            told = Path(f"/proc/{int(name)}/stat").read_text("utf-8")
            fields = told.rsplit(")", 1)[1].split()
            spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            found[int(name)] = int(fields[1]), spent
    return found


def _is_below(process: int, top: int, found: dict[int, tuple[int, float]]) -> bool:
    while process in found:
        process = found[process][0]
        if process == top:
            return True
    return False


def _peak_mb(process: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    print(json.dumps(measure_here(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
