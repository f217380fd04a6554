"""What the embedding backends cost, and what fewer bits lose.

    OMP_NUM_THREADS=1 python -m bench.embedding --home var [--backends NAME ...] [--sets NAME ...]
        [--skip-quality | --skip-speed] [--documents N] [--cache DIR] [--json FILE]

Speed: all backends in one process on one core, turn about on the same texts, in CPU time; a ratio
is the median over the texts of the first backend's time by the other's. Quality: nDCG@10 by brute
force over whole retrieval sets, every document one passage, no chunking; vectors are kept in the
cache folder. What 8 bits cost in time depends on the processor, so the result names its features.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bench.quality.measures import ndcg
from bench.quality.sets import TASKS, RetrievalSet, read_set
from bench.quality.vectors import RememberingEmbedder
from indexes.embedder import Embedder, load
from indexes.embedder.backends import BackendName
from indexes.embedder.processor import has_int8_instructions
from indexes.settings import Settings

SETS = ("xquad-en", "xquad-zh", "xquad-en-to-zh", "xquad-zh-to-en", "handbook")
ROUNDS = 60  # texts of each kind

Figures = dict[str, Any]
Embedders = Mapping[BackendName, Embedder]


def measure_speed(embedders: Embedders, data: Path) -> Figures:
    """Of a question, and of a passage as long as ingestion cuts them."""
    sets = [read_set(data, TASKS[name]) for name in ("xquad-en", "xquad-zh")]
    questions = [text for given in sets for text in spread(list(given.questions.values()))]
    texts = [[d.whole for d in given.documents.values()] for given in sets]
    counter = next(iter(embedders.values()))
    wanted = Settings().chunk_tokens
    passages = [text for each in texts for text in spread(join_to(each, wanted, counter))]
    return {
        "passage_tokens": round(statistics.fmean(counter.count(passages))),
        "question": compare({n: e.query for n, e in embedders.items()}, questions),
        "passage": compare({n: one_passage(e) for n, e in embedders.items()}, passages),
    }


def spread(texts: Sequence[str]) -> list[str]:
    """Half of what the rounds need, from everywhere."""
    return list(texts[:: max(1, len(texts) // (ROUNDS // 2))][: ROUNDS // 2])


def join_to(texts: Sequence[str], tokens: int, counter: Embedder) -> list[str]:
    """Neighbours joined until they have about as many tokens as a chunk."""
    joined, held = [], ""
    for text in texts:
        both = f"{held} {text}".strip()
        if held and counter.count([both])[0] > tokens:
            joined.append(held)
            both = text
        held = both
    return joined


def one_passage(embedder: Embedder) -> Callable[[str], object]:
    return lambda text: embedder.passages([text])


def compare(
    embeds: Mapping[BackendName, Callable[[str], object]], texts: Sequence[str]
) -> dict[str, dict[str, float]]:
    for embed in embeds.values():
        for text in texts[:3]:
            embed(text)
    seconds: dict[BackendName, list[float]] = {name: [] for name in embeds}
    for text in texts:
        for name, embed in embeds.items():
            started = time.process_time()
            embed(text)
            seconds[name].append(time.process_time() - started)
    first = seconds[next(iter(embeds))]
    return {
        name: {
            "ms": round(statistics.median(found) * 1e3, 2),
            "ratio": round(statistics.median(a / b for a, b in zip(first, found, strict=True)), 2),
        }
        for name, found in seconds.items()
    }


def measure_quality(
    embedders: Embedders, given: RetrievalSet, cache: Path
) -> dict[str, dict[str, float]]:
    """nDCG@10 of each backend, and the least cosine of a passage to the first one's vector."""
    reference: NDArray[np.float32] | None = None
    found = {}
    for name, embedder in embedders.items():
        kept = RememberingEmbedder(embedder, cache)
        questions = kept.queries(list(given.questions.values()))
        documents = kept.passages([document.whole for document in given.documents.values()])
        reference = documents if reference is None else reference
        found[name] = {
            "nDCG@10": round(brute_force(questions, documents, given), 4),
            "least_cosine": round(float(np.sum(reference * documents, axis=1).min()), 4),
        }
    return found


def brute_force(
    questions: NDArray[np.float32], documents: NDArray[np.float32], given: RetrievalSet
) -> float:
    names = np.array(list(given.documents))
    best = np.argsort(-(questions @ documents.T), axis=1, kind="stable")[:, :10]
    return statistics.fmean(
        ndcg(names[rows].tolist(), given.relevant[question])
        for rows, question in zip(best, given.questions, strict=True)
    )


def print_speed(figures: Figures) -> None:
    print(f"| CPU time on one core | {' | '.join(figures['question'])} |")
    print("| --- " * (len(figures["question"]) + 1) + "|")
    for kind, label in (
        ("question", "a question, ms (ratio)"),
        ("passage", f"a passage of {figures['passage_tokens']} tokens, ms (ratio)"),
    ):
        cells = [f"{of['ms']:.1f} ({of['ratio']:.2f})" for of in figures[kind].values()]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)


def print_quality(name: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    cells = [f"{of['nDCG@10']:.4f} ({of['least_cosine']:.4f})" for of in figures.values()]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = get_args(BackendName)
    parser.add_argument(
        "--home", type=Path, default=Path("var"), help="where unpacked models are kept"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
    )
    parser.add_argument("--backends", nargs="+", choices=names, default=["torch", *names[:-1]])
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=SETS)
    parser.add_argument("--documents", type=int, metavar="N", help="at most about N of a set")
    parser.add_argument("--cache", type=Path, help="where vectors are kept; default: in the home")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--skip-quality", action="store_true")
    given = parser.parse_args()
    embedders: dict[BackendName, Embedder] = {
        name: load(Settings(home=given.home, embedding_backend=name, embedding_threads=1), print)
        for name in given.backends
    }
    figures: Figures = {"int8_instructions": has_int8_instructions()}
    print(f"The processor multiplies 8-bit numbers: {figures['int8_instructions']}")
    if not given.skip_speed:
        figures["speed"] = measure_speed(embedders, given.data)
        print_speed(figures["speed"])
    if not given.skip_quality:
        print(f"| nDCG@10 (least cosine) | {' | '.join(embedders)} |")
        print("| --- " * (len(embedders) + 1) + "|")
        figures["quality"] = {}
        for name in given.sets:
            found = read_set(given.data, TASKS[name], most_documents=given.documents)
            cache = given.cache or given.home / "bench-vectors"
            figures["quality"][name] = measure_quality(embedders, found, cache)
            print_quality(name, figures["quality"][name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
