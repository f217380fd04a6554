"""Keyword search by share of the corpus that is visible: `python -m bench.keywords --passages
200000 [--peers]`.

Synthetic passages with words drawn by Zipf's law, in reader sets of unequal size. Every question
has ten words, three of them among the most frequent. All engines answer the same questions in the
same run, one thread, turn by turn; each question counts with the best of three rounds. The peers'
scores use statistics of the whole corpus: an easier task.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.sqlite_driver import sqlite_driver
from indexes.derived.keywords.index import KeywordIndex

SHARES = (0.001, 0.01, 0.1, 0.5, 1.0)
READER_SETS = 500
FREQUENT = 40
WORDS_PER_QUESTION = 10
K = 50
ROUNDS = 3

View = NDArray[np.int64]
Engine = Callable[[str, View], object]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Passages in reader sets. Row r has text texts(r) and belongs to reader set sets[r]."""

    words: NDArray[np.int64]  # word numbers of all passages, one after the other
    edges: NDArray[np.int64]
    sets: NDArray[np.int64]
    vocabulary: list[str]

    def text(self, row: int) -> str:
        return " ".join(
            self.vocabulary[word] for word in self.words[self.edges[row] : self.edges[row + 1]]
        )

    def by_set(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        order = np.argsort(self.sets, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.sets[order])) + 1):
            yield int(self.sets[rows[0]]), rows


def make_corpus(passages: int, sets: int, random: np.random.Generator) -> Corpus:
    """Passages of 40 to 160 words out of 300,000, by Zipf's law with exponent 1.07; set sizes by a
    mild power law.
    """
    lengths = random.integers(40, 161, passages)
    size = 300_000
    odds = 1.0 / np.arange(1, size + 1) ** 1.07
    cumulative = np.cumsum(odds / odds.sum())
    words = np.searchsorted(cumulative, random.random(int(lengths.sum())))
    share = 1.0 / np.arange(1, sets + 1) ** 0.5
    return Corpus(
        words=np.minimum(words, size - 1),
        edges=np.concatenate([[0], np.cumsum(lengths)]),
        sets=random.choice(sets, passages, p=share / share.sum()).astype(np.int64),
        vocabulary=[_word(number) for number in range(size)],
    )


def _word(number: int) -> str:
    """A different pronounceable word for each number; short for small numbers."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aou"]
    word = ""
    number += 1
    while number:
        number, rest = divmod(number, len(syllables))
        word += syllables[rest]
    return word


def questions(made: Corpus, number: int, random: np.random.Generator) -> list[str]:
    """Three of the most frequent words, then words as they stand in the passages."""
    asked = []
    for _ in range(number):
        frequent = random.choice(FREQUENT, 3, replace=False)
        others = random.choice(made.words, WORDS_PER_QUESTION - 3)
        asked.append(" ".join(made.vocabulary[word] for word in [*frequent, *others]))
    return asked


def view(made: Corpus, share: float, sets: int, random: np.random.Generator) -> View:
    """Reader sets in random order until they hold this share of the passages."""
    if share >= 1:
        return np.arange(sets, dtype=np.int64)
    order = random.permutation(sets)
    held = np.cumsum(np.bincount(made.sets, minlength=sets)[order])
    nearest = int(np.argmin(np.abs(held - share * len(made.sets))))
    return np.sort(order[: nearest + 1]).astype(np.int64)


def ours(made: Corpus, batch: int) -> tuple[KeywordIndex, float]:
    index = KeywordIndex()
    seconds = 0.0
    for number, rows in made.by_set():
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            texts = [made.text(row) for row in part]
            began = time.process_time()
            index.add(part, number, texts)
            seconds += time.process_time() - began
    return index, seconds


def sqlite(made: Corpus, folder: Path) -> Engine:
    database = sqlite_driver().module.connect(folder / "fts.sqlite")
    database.execute(
        "CREATE VIRTUAL TABLE passages USING fts5(text, set_number UNINDEXED, content='', contentless_delete=0)"
    )
    database.execute("CREATE TABLE owner (row INTEGER PRIMARY KEY, set_number INTEGER)")
    rows = range(len(made.sets))
    database.executemany(
        "INSERT INTO passages (rowid, text) VALUES (?, ?)", ((row, made.text(row)) for row in rows)
    )
    database.executemany(
        "INSERT INTO owner VALUES (?, ?)", ((row, int(made.sets[row])) for row in rows)
    )
    database.execute("CREATE TEMP TABLE allowed (set_number INTEGER PRIMARY KEY)")
    database.commit()

    def search(question: str, allowed: View) -> object:
        database.execute("DELETE FROM allowed")
        database.executemany(
            "INSERT INTO allowed VALUES (?)", ((int(number),) for number in allowed)
        )
        return database.execute(
            "SELECT passages.rowid FROM passages JOIN owner ON owner.row = passages.rowid WHERE passages MATCH ?"
            " AND owner.set_number IN (SELECT set_number FROM allowed) ORDER BY bm25(passages) LIMIT ?",
            (" OR ".join(question.split()), K),
        ).fetchall()

    return search


def tantivy(made: Corpus, folder: Path) -> Engine:
    import tantivy as library

    schema = (
        library.SchemaBuilder()
        .add_text_field("text", stored=False, tokenizer_name="en_stem", index_option="freq")
        .add_integer_field("row", stored=True)
        .add_integer_field("set_number", indexed=True, fast=True)
        .build()
    )
    index = library.Index(schema, str(folder))
    writer = index.writer(heap_size=200_000_000, num_threads=1)
    for row in range(len(made.sets)):
        writer.add_document(
            library.Document(text=made.text(row), row=row, set_number=int(made.sets[row]))
        )
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str, allowed: View) -> object:
        words = index.parse_query(question, ["text"])
        clauses = [(library.Occur.Must, words)]
        if len(allowed) < READER_SETS:
            inside = library.Query.term_set_query(
                schema, "set_number", [int(number) for number in allowed]
            )
            clauses.append((library.Occur.Must, library.Query.const_score_query(inside, 0.0)))
        return searcher.search(library.Query.boolean_query(clauses), K).hits

    return search


def measure_searches(
    engines: dict[str, Engine], asked: list[str], allowed: View, clock: Clock
) -> dict[str, list[float]]:
    """Milliseconds per question and engine, the least of some rounds, engines taking turns."""
    best: dict[str, list[float]] = {name: [float("inf")] * len(asked) for name in engines}
    for _ in range(ROUNDS):
        for place, question in enumerate(asked):
            for name, search in engines.items():
                began = clock()
                search(question, allowed)
                best[name][place] = min(best[name][place], 1000 * (clock() - began))
    return best


def measure_changes(index: KeywordIndex, made: Corpus, clock: Clock) -> dict[str, float]:
    """Milliseconds for the changes that a running service makes."""
    after = int(made.sets.shape[0])
    costs = []
    for start in range(0, 1000, 10):
        texts = [made.text(start + i) for i in range(10)]
        began = clock()
        index.add(range(after + start, after + start + 10), 3, texts)
        costs.append(1000 * (clock() - began))
    some = np.sort(np.random.default_rng(5).choice(after, min(10_000, after // 2), replace=False))
    began = clock()
    index.move(some, READER_SETS + 1)
    moved = 1000 * (clock() - began)
    began = clock()
    index.remove(some)
    removed = 1000 * (clock() - began)
    return {
        "add 10 (mean)": statistics.mean(costs),
        "add 10 (max)": max(costs),
        f"move {len(some)}": moved,
        f"remove {len(some)}": removed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--sets", type=int, default=READER_SETS)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--batch", type=int, default=200, help="passages per call of add")
    parser.add_argument("--peers", action="store_true", help="also SQLite FTS5 and tantivy")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="CPU time of the thread, for a machine that others use too",
    )
    options = parser.parse_args()
    clock = time.thread_time if options.cpu else time.perf_counter
    random = np.random.default_rng(11)
    made = make_corpus(options.passages, options.sets, random)
    index, seconds = ours(made, options.batch)
    print(
        f"{len(index):,} passages, {options.sets:,} reader sets, {len(made.words) / len(index):.0f} words a passage"
    )
    print(f"built in {seconds:.1f} CPU s ({1e6 * seconds / len(index):.0f} µs a passage)")
    print(f"{index.memory_bytes() / len(index):.0f} bytes a passage")
    engines: dict[str, Engine] = {
        "clearance": lambda question, allowed: index.search(question, allowed, K)
    }
    figures: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.peers:
            for name, make in (("tantivy", tantivy), ("sqlite fts5", sqlite)):
                began = time.process_time()
                Path(folder, name).mkdir()
                engines[name] = make(made, Path(folder, name))
                print(f"{name} built in {time.process_time() - began:.1f} CPU s")
        print(
            f"{'visible':>8} {'passages':>9}"
            + "".join(f" {name + ' p50/p95 ms':>24}" for name in engines)
            + "  times ours"
        )
        for share in SHARES:
            allowed = view(made, share, options.sets, random)
            visible = int(np.isin(made.sets, allowed).sum())
            asked = questions(made, options.questions, random)
            times = measure_searches(engines, asked, allowed, clock)
            line = f"{100 * share:7g}% {visible:9,}"
            medians = {name: statistics.median(times[name]) for name in engines}
            for name in engines:
                high = float(np.percentile(times[name], 95))
                line += f" {medians[name]:15.2f} /{high:7.2f}"
                figures.append(
                    {
                        "share": share,
                        "visible": visible,
                        "engine": name,
                        "p50": medians[name],
                        "p95": high,
                    }
                )
            print(
                line
                + "  "
                + " ".join(f"{medians[name] / medians['clearance']:.1f}" for name in engines),
                flush=True,
            )
    costs = measure_changes(index, made, clock)
    print("\n".join(f"{name}: {cost:.2f} ms" for name, cost in costs.items()))
    if options.json:
        options.json.write_text(
            json.dumps({"passages": len(index), "search": figures, "changes": costs}, indent=1)
        )


if __name__ == "__main__":
    main()
