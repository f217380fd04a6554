"""Questions in one way of writing Chinese, documents in the other.

    python -m bench.writings [--sets NAME ...] [--embed as-is|questions|all] [--json FILE]

The Simplified questions and documents of the retrieval sets are turned into Traditional Chinese by
OpenCC: `plain` changes characters (s2t), `taiwan` the words of Taiwan too (s2twp). Every document
is one passage, ranked by the real indexes. Each line is compared with the questions and documents
that are both written like its documents, question by question: the difference, and the interval
that holds it in 95 of 100 resamplings. `--embed` says which texts are folded before they are
embedded, to see whether that would be worth it; the product embeds texts as they are.

Then what folding costs: processor time of a question and of a character of a document.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import opencc
from numpy.typing import NDArray

from bench.quality.measures import ndcg
from bench.quality.ranking import MODES, Cutting, Ranking
from bench.quality.sets import TASKS, RetrievalSet, hashed, read_set
from bench.quality.vectors import RememberingEmbedder, Vectors
from indexes.derived.keywords.analysis import Analyser
from indexes.embedder import load
from indexes.model import Mode
from indexes.settings import Settings
from indexes.text.folding import fold_han

SETS = ("cmrc", "xquad-zh")
CONVERSIONS = {"plain": "s2t", "taiwan": "s2twp"}
SIMPLIFIED = "simplified"
RESAMPLINGS = 2000
REPEATS = 5

Scores = NDArray[np.float64]
Record = dict[str, Any]
Convert = Callable[[str], str]


class FoldingEmbedder(RememberingEmbedder):
    """Folds questions, or passages too, before they are embedded."""

    def __init__(self, settings: Settings, cache: Path, folded: str) -> None:
        super().__init__(load(settings, print), cache)
        self._folded = folded

    def queries(self, texts: Sequence[str]) -> Vectors:
        return super().queries(texts if self._folded == "as-is" else [*map(fold_han, texts)])

    def passages(self, texts: Sequence[str]) -> Vectors:
        return super().passages([*map(fold_han, texts)] if self._folded == "all" else texts)


@dataclass(frozen=True, slots=True)
class Written:
    """A set in every way of writing it."""

    data: RetrievalSet
    questions: Mapping[str, Mapping[str, str]]  # by writing
    rankings: Mapping[str, Ranking]  # of the documents, by writing

    def scores(self, asked: str, documents: str, mode: Mode) -> Scores:
        """nDCG@10 of each question."""
        ranking = self.rankings[documents]
        return np.array(
            [
                ndcg(ranking.documents(text, mode), self.data.relevant[name])
                for name, text in self.questions[asked].items()
            ]
        )


def main() -> None:
    arguments = _arguments()
    settings = Settings(home=arguments.home, embedding_threads=arguments.threads)
    embedder = FoldingEmbedder(
        settings, arguments.cache or arguments.home / "bench-vectors", arguments.embed
    )
    records: list[Record] = []
    for name in arguments.sets:
        written = write_in_all_ways(read_set(arguments.data, TASKS[name]), embedder)
        for record in compare(written):
            records.append({"set": name, **record})
            print(_line(records[-1]), flush=True)
    costs = {name: measure_cost(read_set(arguments.data, TASKS[name])) for name in arguments.sets}
    print(json.dumps(costs, indent=2))
    if arguments.json:
        facts = {"embed": arguments.embed, "fingerprint": embedder.fingerprint, "costs": costs}
        lines = ",\n".join(f"    {json.dumps(record)}" for record in records)
        head = json.dumps(facts, indent=2).removesuffix("\n}")
        arguments.json.write_text(f'{head},\n  "results": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def write_in_all_ways(data: RetrievalSet, embedder: RememberingEmbedder) -> Written:
    ways: dict[str, Convert] = {SIMPLIFIED: str} | {
        way: opencc.OpenCC(name).convert for way, name in CONVERSIONS.items()
    }
    rankings = {}
    for way, convert in ways.items():
        sources = [
            replace(source, title=convert(source.title), text=convert(source.text))
            for source in data.documents.values()
        ]
        rankings[way] = Ranking(sources, embedder, Cutting(None))
    questions = {
        way: {name: convert(text) for name, text in data.questions.items()}
        for way, convert in ways.items()
    }
    return Written(data, questions, rankings)


def compare(written: Written) -> Iterator[Record]:
    for way in CONVERSIONS:
        for mode in MODES:
            same = {each: written.scores(each, each, mode) for each in (SIMPLIFIED, way)}
            yield from (
                {"way": way, "asked": each, "documents": each, "mode": mode, **_means(scores, None)}
                for each, scores in same.items()
            )
            for asked, documents in ((way, SIMPLIFIED), (SIMPLIFIED, way)):
                scores = written.scores(asked, documents, mode)
                yield {
                    "way": way,
                    "asked": asked,
                    "documents": documents,
                    "mode": mode,
                    **_means(scores, same[documents]),
                }


def _means(scores: Scores, same: Scores | None) -> Record:
    record: Record = {"questions": len(scores), "nDCG@10": round(float(scores.mean()), 4)}
    if same is None:
        return record
    difference = scores - same
    chosen = np.random.default_rng(0).integers(0, len(scores), (RESAMPLINGS, len(scores)))
    low, high = np.quantile(difference[chosen].mean(axis=1), (0.025, 0.975))
    return record | {
        "difference": round(float(difference.mean()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
    }


def measure_cost(data: RetrievalSet) -> Record:
    """Processor time of folding, and of the whole analysis of which it is a part."""
    questions = sorted(data.questions.values(), key=hashed)
    texts = [source.whole for source in data.documents.values()]
    convert = opencc.OpenCC(CONVERSIONS["taiwan"]).convert
    analyse = Analyser().terms
    record: Record = {}
    for way, change in ((SIMPLIFIED, str), ("traditional", convert)):
        asked, written = [*map(change, questions)], [*map(change, texts)]
        characters = sum(map(len, written))
        record[way] = {
            "folding, us a question": round(_seconds(fold_han, asked) / len(asked) * 1e6, 2),
            "analysis, us a question": round(
                _seconds(Analyser(remembers=False).terms, asked) / len(asked) * 1e6, 2
            ),
            "folding, ns a character": round(_seconds(fold_han, written) / characters * 1e9, 1),
            "analysis, ns a character": round(_seconds(analyse, written) / characters * 1e9, 1),
        }
    return record


def _seconds(work: Callable[[str], Any], texts: Sequence[str]) -> float:
    """Of the fastest of some passes over all texts."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        for text in texts:
            work(text)
        taken.append(time.process_time() - began)
    return min(taken)


def _line(record: Record) -> str:
    shown = [
        record[name]
        for name in ("set", "way", "asked", "documents", "mode", "questions", "nDCG@10")
    ]
    compared = [record[name] for name in ("difference", "interval") if name in record]
    return f"| {' | '.join(map(str, shown + compared))} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--embed", choices=("as-is", "questions", "all"), default="as-is")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--home", type=Path, default=Path("var"), help="where unpacked models are kept"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where vectors are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the raw results go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
