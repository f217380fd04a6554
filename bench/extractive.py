"""How often the answerer without a model quotes the right sentence, and how well it knows when to
say nothing.

For each question: the paragraph it was written from among the paragraphs that keyword search ranks
best. Questions are divided by a hash of their id: look at `dev` while working, report `held-out`.

    python -m bench.extractive squad2-dev-en cmrc2018-dev-zh --half held-out --questions 300

`--questions-as` and `--documents-as` name conversions of OpenCC, such as s2twp, for questions in one
way of writing Chinese and documents in the other.
"""

import argparse
import gzip
import hashlib
import json
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import opencc

from indexes.model import Hit, Row
from indexes.search.deduplication import Selection
from indexes.text.folding import letters_and_digits
from indexes.text.words import terms
from service.answering.extractive import choose_quotes, compose_answer
from service.answering.prompt import Excerpt, Passage, pack_passages

DATA = Path(
    os.environ.get("CLEARANCE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
K1, B = 1.2, 0.75
Write = Callable[[str], str]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class Corpus:
    """Paragraphs and a plain BM25 over them."""

    def __init__(self, folder: Path, write: Write = str) -> None:
        self.documents = {
            row["_id"]: row | {"title": write(row["title"]), "text": write(row["text"])}
            for row in rows(folder / "corpus.jsonl.gz")
        }
        self.postings: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.lengths: dict[str, int] = {}
        for name, row in self.documents.items():
            counts = Counter(term.form for term in terms(f"{row['title']} {row['text']}"))
            self.lengths[name] = sum(counts.values())
            for form, count in counts.items():
                self.postings[form].append((name, count))
        self.mean = sum(self.lengths.values()) / len(self.lengths)

    def best(self, question: str, k: int) -> list[str]:
        scores: dict[str, float] = defaultdict(float)
        for form in {term.form for term in terms(question, question=True)}:
            held = self.postings.get(form, [])
            idf = math.log(1 + (len(self.documents) - len(held) + 0.5) / (len(held) + 0.5))
            for name, count in held:
                norm = K1 * (1 - B + B * self.lengths[name] / self.mean)
                scores[name] += idf * count * (K1 + 1) / (count + norm)
        return [
            name for name, _ in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
        ]

    def hit(self, name: str, rank: int) -> Hit:
        row = self.documents[name]
        return Hit(
            row=Row(rank), id=name, document_id=name, title=row["title"], path=name, media_type="text/plain",
            collection="default", language=row["lang"], ordinal=0, text=row["text"], start=0, end=len(row["text"]),
            section=(), pages=(), page_kind=None, score=1 / rank,
        )  # fmt: skip


def half(name: str) -> str:
    return "dev" if hashlib.sha256(name.encode()).digest()[0] % 2 else "held-out"


def sample(folder: Path, which: str, count: int, answerable: bool) -> list[dict[str, Any]]:
    found = [
        q
        for q in rows(folder / "queries.jsonl.gz")
        if q["answerable"] is answerable and half(q["_id"]) == which
    ]
    return sorted(found, key=lambda q: hashlib.sha256(b"order " + q["_id"].encode()).digest())[
        :count
    ]


def passages(
    corpus: Corpus, question: dict[str, Any], k: int, with_source: bool
) -> tuple[Passage, ...]:
    names = corpus.best(question["text"], k)
    source: str = question["source_doc"] or ""
    if with_source and source in corpus.documents and source not in names:
        names = [*names[: k - 1], source]
    selection = Selection(k, 4)
    selection.take(corpus.hit(name, rank) for rank, name in enumerate(names, start=1))
    return pack_passages([Excerpt(hit, len(hit.text)) for hit in selection.kept])


def measure(
    name: str, which: str, count: int, k: int, show: int, ask: Write = str, write: Write = str
) -> dict[str, float]:
    """ask, write: what is done to the words of questions, and to those of documents and answers."""
    folder = DATA / "retrieval" / name
    corpus = Corpus(folder, write)
    asked, unanswerable = (
        [
            q | {"text": ask(q["text"]), "answers": [*map(write, q["answers"])]}
            for q in sample(folder, which, count, answerable)
        ]
        for answerable in (True, False)
    )
    right = cited = silent = first = length = 0
    spent: list[float] = []
    for question in asked:
        shown = passages(corpus, question, k, with_source=True)
        begun = time.perf_counter()
        chosen = choose_quotes(question["text"], shown)
        spent.append(1000 * (time.perf_counter() - begun))
        text = "".join(piece for piece, _ in compose_answer(chosen))
        contained = any(
            letters_and_digits(answer) in letters_and_digits(text) for answer in question["answers"]
        )
        right += contained
        first += bool(chosen) and any(
            letters_and_digits(answer) in letters_and_digits(chosen[0].sentence.text)
            for answer in question["answers"]
        )
        cited += any(quote.passage.document_id == question["source_doc"] for quote in chosen)
        silent += not chosen
        length += len(chosen)
        if show and not contained:
            show -= 1
            print("-", question["text"], "|", question["answers"][0], "|", text or "(nothing)")
    made_up = sum(
        bool(choose_quotes(q["text"], passages(corpus, q, k, with_source=True)))
        for q in unanswerable
    )
    return {
        "questions": len(asked),
        "contained answer": right / len(asked),
        "in the first sentence": first / len(asked),
        "right document cited": cited / len(asked),
        "silent though answerable": silent / len(asked),
        "sentences": length / len(asked),
        "unanswerable": len(unanswerable),
        "answered though unanswerable": made_up / max(1, len(unanswerable)),
        "median ms": sorted(spent)[len(spent) // 2],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--half", choices=["dev", "held-out"], default="dev")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("-k", type=int, default=8)
    parser.add_argument("--show", type=int, default=0, help="print so many misses")
    parser.add_argument("--questions-as", metavar="CONVERSION")
    parser.add_argument("--documents-as", metavar="CONVERSION")
    given = parser.parse_args()
    ways = [
        opencc.OpenCC(way).convert if way else str
        for way in (given.questions_as, given.documents_as)
    ]
    for name in given.sets:
        print(
            name,
            given.half,
            json.dumps(
                measure(name, given.half, given.questions, given.k, given.show, *ways), indent=1
            ),
        )


if __name__ == "__main__":
    main()
