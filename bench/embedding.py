"""What the two embedding backends cost and what 8-bit weights lose.

    OMP_NUM_THREADS=1 python -m bench.embedding --home var [--cache DIR] [--documents N] [--skip-quality | --skip-speed]

Speed: both backends in one process on one core, turn about on the same texts, in CPU time; the
ratio is the median over the pairs. Quality: nDCG@10 by brute force over whole retrieval sets, title
and text of a document as one passage, no chunking. The first run embeds about 6,000 documents
twice; vectors are kept in the cache folder. With --documents, a larger set keeps its relevant
documents and an even selection of the others: enough to compare, easier than the whole.
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexes import durable
from indexes.embedder import Embedder, load
from indexes.settings import Settings

SETS = (
    ("xquad-en-zh", "en"),
    ("xquad-en-zh", "zh"),
    ("handbook18f-en", "en"),
    ("scifact-en", "en"),
)
PART = 64  # documents between two progress lines
ROUNDS = 60

Backend = Literal["torch", "onnx"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSet:
    name: str
    documents: dict[str, str]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]  # question id: document id: gain


def read_set(folder: Path, language: str, most: int | None = None) -> RetrievalSet:
    """The set's documents and answerable questions of one language; at most about `most` documents."""
    documents = {
        row["_id"]: f"{row['title']} {row['text']}".strip()
        for row in _rows(folder / "corpus.jsonl.gz")
        if row["lang"] == language
    }
    relevant: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["corpus-id"] in documents:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    questions = {
        row["_id"]: row["text"]
        for row in _rows(folder / "queries.jsonl.gz")
        if row["_id"] in relevant
    }
    whole = len(documents)
    if most is not None and whole > most:
        needed = {document for gains in relevant.values() for document in gains}
        others = [name for name in documents if name not in needed]
        kept = needed.union(others[:: max(1, len(others) // max(1, most - len(needed)))])
        documents = {name: text for name, text in documents.items() if name in kept}
    size = "" if len(documents) == whole else f", {len(documents)} of {whole}"
    name = f"{folder.name} ({language}{size})"
    return RetrievalSet(name=name, documents=documents, questions=questions, relevant=relevant)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def ndcg_at_10(questions: Vectors, documents: Vectors, data: RetrievalSet) -> float:
    names = np.array(list(data.documents))
    discounts = 1 / np.log2(np.arange(2, 12))
    scores = []
    for row, question in zip(questions, data.questions, strict=True):
        gains = data.relevant[question]
        best = names[np.argsort(-(documents @ row), kind="stable")[:10]]
        found = np.array([gains.get(name, 0) for name in best])
        ideal = np.array(sorted(gains.values(), reverse=True)[:10])
        scores.append(
            float(found @ discounts[: len(found)]) / float(ideal @ discounts[: len(ideal)])
        )
    return statistics.fmean(scores)


def embed_set(
    embedder: Embedder, texts: Sequence[str], role: str, cache: Path, label: str
) -> Vectors:
    """The vectors of the texts, from the cache folder if an earlier run has left them there."""
    key = hashlib.sha256("\0".join([embedder.fingerprint, role, *texts]).encode()).hexdigest()[:24]
    path = cache / f"{key}.npy"
    if path.is_file():
        kept: Vectors = np.load(path)
        return kept
    parts, started = [], time.monotonic()
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        parts.append(
            np.stack([embedder.query(text) for text in part])
            if role == "query"
            else embedder.passages(part)
        )
        done = start + len(part)
        rest = (time.monotonic() - started) / done * (len(texts) - done)
        print(
            f"{label}: {done}/{len(texts)} {role}s, {rest:.0f} s left", file=sys.stderr, flush=True
        )
    vectors = np.concatenate(parts)
    cache.mkdir(parents=True, exist_ok=True)
    with durable.replace_file(path) as file:
        np.save(file, vectors)
    return vectors


def measure_quality(
    embedders: dict[Backend, Embedder], data: Path, cache: Path, most: int | None
) -> None:
    print(
        "| nDCG@10 | torch float32 | onnx int8 | difference | least cosine |\n| --- | --- | --- | --- | --- |"
    )
    for folder, language in SETS:
        found = read_set(data / "retrieval" / folder, language, most)
        vectors = {
            name: (
                embed_set(
                    embedder, list(found.questions.values()), "query", cache, f"{found.name} {name}"
                ),
                embed_set(
                    embedder,
                    list(found.documents.values()),
                    "passage",
                    cache,
                    f"{found.name} {name}",
                ),
            )
            for name, embedder in embedders.items()
        }
        torch, onnx = (ndcg_at_10(*vectors[name], found) for name in ("torch", "onnx"))
        cosines = np.sum(vectors["torch"][1] * vectors["onnx"][1], axis=1)
        line = f"| {found.name} | {torch:.4f} | {onnx:.4f} | {onnx - torch:+.4f} | {cosines.min():.4f} |"
        print(line, flush=True)


def measure_speed(embedders: dict[Backend, Embedder], data: Path) -> None:
    found = [read_set(data / "retrieval" / folder, language) for folder, language in SETS[:2]]
    questions = [text for part in found for text in _some(part.questions)]
    passages = [text for part in found for text in _some(part.documents)]
    tokens = statistics.fmean(embedders["torch"].count(passages))
    print(
        "| CPU time on one core | torch float32 | onnx int8 | ratio, median of pairs |\n| --- | --- | --- | --- |"
    )
    torch, onnx, ratio = _paired(embedders["torch"].query, embedders["onnx"].query, questions)
    print(f"| a question, ms | {torch * 1e3:.1f} | {onnx * 1e3:.1f} | {ratio:.2f} |")
    torch, onnx, ratio = _paired(
        lambda text: embedders["torch"].passages([text]),
        lambda text: embedders["onnx"].passages([text]),
        passages,
    )
    print(
        f"| passages of {tokens:.0f} tokens, per second | {1 / torch:.1f} | {1 / onnx:.1f} | {ratio:.2f} |"
    )


def _some(texts: dict[str, str]) -> list[str]:
    """Half of what the rounds need, spread over the set."""
    every = list(texts.values())
    return every[:: len(every) // (ROUNDS // 2)][: ROUNDS // 2]


def _paired(
    first: Callable[[str], object], second: Callable[[str], object], texts: Sequence[str]
) -> tuple[float, float, float]:
    """Median seconds of each on one text, and the median over the texts of first / second, turn
    about.
    """
    for warm_up in texts[:3]:
        first(warm_up), second(warm_up)
    pairs = [(_seconds(first, text), _seconds(second, text)) for text in texts]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def _seconds(embed: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    embed(text)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--home", type=Path, default=Path("var"), help="where unpacked models are kept"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
    )
    parser.add_argument(
        "--cache", type=Path, help="where vectors are kept; default: below the home folder"
    )
    parser.add_argument(
        "--documents", type=int, metavar="N", help="at most about N documents of a set"
    )
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--skip-quality", action="store_true")
    arguments = parser.parse_args()
    backends: tuple[Backend, ...] = ("torch", "onnx")
    embedders = {
        name: load(
            Settings(home=arguments.home, embedding_backend=name, embedding_threads=1), print
        )
        for name in backends
    }
    if not arguments.skip_speed:
        measure_speed(embedders, arguments.data)
    if not arguments.skip_quality:
        cache = arguments.cache or arguments.home / "bench-vectors"
        measure_quality(embedders, arguments.data, cache, arguments.documents)


if __name__ == "__main__":
    main()
