"""Retrieval quality, in tables.

    python -m bench.quality [--sets NAME ...] [--cache DIR] [--json FILE]

1. Whole sets: every document one passage, no chunking, through the real indexes; the figures that others publish.
2. Chunk sizes and the title prefix: the same rankings over chunks, a document at the place of its best one.
3. Inside permissions: documents chunked, stored with their readers and searched by users, against ranking everything
   and dropping afterwards what the user may not read.

Questions are split in two by a hash of their ids: `choose` is the half that defaults were chosen
on, `report` the other. Texts are embedded once; the cache folder keeps their vectors.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.quality import permitted
from bench.quality.measures import MEASURES, means
from bench.quality.ranking import MODES, Cutting, Ranking
from bench.quality.sets import TASKS, RetrievalSet, hashed, read_permissions, read_set
from bench.quality.vectors import RememberingEmbedder
from indexes.embedder import load
from indexes.settings import Settings

PARTS = ("whole", "chunks", "permitted")
Record = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    settings = Settings(
        home=arguments.home,
        embedding_model=arguments.model,
        embedding_threads=arguments.threads,
        embedding_backend=arguments.backend,
    )
    embedder = RememberingEmbedder(
        load(settings, print), arguments.cache or arguments.home / "bench-vectors"
    )
    records: list[Record] = []
    for part in arguments.parts:
        print(_head(part))
        for name in arguments.sets:
            data = read_set(
                arguments.data,
                TASKS[name],
                most_documents=arguments.documents,
                most_questions=arguments.questions,
            )
            for record in _records(part, data, arguments, embedder):
                records.append({"part": part, "set": name, **record})
                print(_line(part, records[-1]), flush=True)
        print()
    if arguments.json:
        facts = {
            "model": embedder.name,
            "backend": arguments.backend,
            "fingerprint": embedder.fingerprint,
        }
        arguments.json.write_text(_as_json(facts, records), encoding="utf-8")


def _records(
    part: str, data: RetrievalSet, arguments: argparse.Namespace, embedder: RememberingEmbedder
) -> Iterator[Record]:
    size = {"documents": len(data.documents), "of": data.documents_in_all}
    if part == "whole":
        yield from _ranked(data, Cutting(None), embedder, size)
    elif part == "chunks":
        for tokens in arguments.chunk_tokens:
            yield from _ranked(data, Cutting(tokens), embedder, size)
        if arguments.no_prefix:
            yield from _ranked(
                data, Cutting(arguments.chunk_tokens[0], prefix=False), embedder, size
            )
    else:
        permissions = read_permissions(arguments.data, data.task.folder)
        cutting = Cutting(Settings(home=arguments.home).chunk_tokens)
        for found in permitted.measure(data, permissions, embedder, cutting, arguments.asked):
            yield {"cutting": str(cutting), **size, **asdict(found)}


def _ranked(
    data: RetrievalSet, cutting: Cutting, embedder: RememberingEmbedder, size: Record
) -> Iterator[Record]:
    ranking = Ranking(data.documents.values(), embedder, cutting)
    for mode in MODES:
        rankings = {name: ranking.documents(text, mode) for name, text in data.questions.items()}
        halves = {
            half: means(
                {n: r for n, r in rankings.items() if hashed(n)[0] % 2 == odd}, data.relevant
            )["nDCG@10"]
            for odd, half in enumerate(("choose", "report"))
        }
        counts = {**size, "questions": len(rankings), "passages": ranking.passages}
        yield {
            "cutting": str(cutting),
            "mode": mode,
            **counts,
            **means(rankings, data.relevant),
            **halves,
        }


def _columns(part: str) -> Sequence[str]:
    if part == "permitted":
        figures = ("ndcg", "recall", "ndcg_loss", "recall_loss", "differing", "leaks")
        return ("set", "mode", "documents", "passages", "questions", "searches", *figures)
    return ("set", "cutting", "mode", "documents", "questions", *MEASURES, "choose", "report")


def _head(part: str) -> str:
    columns = _columns(part)
    return f"{part}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"


def _line(part: str, record: Record) -> str:
    shown = {**record, "documents": _of(record["documents"], record["of"])}
    cells = [
        f"{cell:.4f}" if isinstance(cell, float) else str(cell)
        for cell in map(shown.get, _columns(part))
    ]
    return f"| {' | '.join(cells)} |"


def _of(some: int, every: int) -> str:
    return str(some) if some == every else f"{some} of {every}"


def _as_json(facts: Record, records: Sequence[Record]) -> str:
    lines = ",\n".join(f"    {json.dumps(record)}" for record in records)
    head = json.dumps(facts, indent=2).removesuffix("\n}")
    return f'{head},\n  "results": [\n{lines}\n  ]\n}}\n'


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=TASKS,
        default=list(TASKS),
        metavar="NAME",
        help=", ".join(TASKS),
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        metavar="PART",
        help=", ".join(PARTS),
    )
    parser.add_argument("--chunk-tokens", nargs="+", type=int, default=[256, 128, 384], metavar="N")
    parser.add_argument(
        "--no-prefix", action="store_true", help="also chunks of the first size without their title"
    )
    parser.add_argument(
        "--documents", type=int, metavar="N", help="at most about N documents of a set"
    )
    parser.add_argument("--questions", type=int, metavar="N", help="at most N questions of a set")
    parser.add_argument(
        "--asked", type=int, default=300, metavar="N", help="at most N questions inside permissions"
    )
    parser.add_argument(
        "--model",
        default=Settings.model_fields["embedding_model"].default,
        help="as CLEARANCE_EMBEDDING_MODEL",
    )
    parser.add_argument(
        "--backend",
        choices=("auto", "openvino", "openvino-float32", "onnx", "torch"),
        default=Settings.model_fields["embedding_backend"].default,
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--home", type=Path, default=Path("var"), help="where unpacked models are kept"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where vectors are kept; default: in the home folder",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the raw results go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
