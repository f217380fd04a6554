"""Whole answers on labelled questions: is the right document cited, does the answer hold the right words, who abstains?

    python -m bench.answers --sets squad2-dev-en cmrc2018-dev-zh --questions 100 --home FOLDER [--llm-url URL]

Documents are chunked, embedded and stored with their readers, once per home folder. A question is asked as a user who
may read a document that answers it (`answer`), and others as a user who may not (`hidden`): there the service must not
show, cite or quote a document outside the user's clearance, which is counted as a leak.
"""

import argparse
import asyncio
import gzip
import json
import os
import random
import statistics
import time
import unicodedata
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter

from indexes import embedder as embedding
from indexes.catalog import Catalog
from indexes.embedder import Embedder
from indexes.model import Document, Principal, Readers
from indexes.search import Searcher
from indexes.settings import Settings
from ingest.chunking import chunk
from ingest.elements import Element, Parsed
from service.answering import Answer, Answerer, Ask
from service.vllm import VllmModel

DATA = Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))
BATCH = 64


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    answers: tuple[str, ...]
    user: str
    visible: frozenset[str]  # documents that answer it and that the user may read
    kind: str  # answer | hidden


@dataclass(slots=True)
class Tally:
    asked: int = 0
    abstained: int = 0
    cited: int = 0  # answers with a citation
    right_document: int = 0
    right_shown: int = 0
    contained: int = 0
    leaks: int = 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sets", nargs="+", default=["squad2-dev-en", "cmrc2018-dev-zh"])
    options.add_argument("--questions", type=int, default=100)
    options.add_argument("--home", type=Path, required=True)
    options.add_argument("--llm-url")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    results = [
        result
        for name in given.sets
        for result in asyncio.run(measured(name, given.questions, given.home / name, given.llm_url))
    ]
    for result in results:
        print("  ".join(f"{key}={value}" for key, value in result.items()))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")


async def measured(name: str, wanted: int, home: Path, llm_url: str | None) -> list[dict[str, Any]]:
    settings = Settings(home=home, llm_url=llm_url, llm_answer_tokens=96)
    embedder = embedding.load(settings)
    catalog = Catalog.open(settings.catalog_url)
    groups = store(name, catalog, embedder, settings)
    found = questions(name, wanted, groups)
    results = []
    async with AsyncExitStack() as stack:
        searcher = Searcher(catalog, embedder, settings)
        model = await stack.enter_async_context(aclosing(VllmModel(settings))) if llm_url else None
        answerer = Answerer(searcher, model, settings, CapacityLimiter(2), secret=catalog.secret)
        for by in ("quotes", *(["model"] if model else [])):
            results.append({"set": name, "answerer": by, **await asked(answerer, found, by, groups)})
        searcher.corpus.save()
    catalog.close()
    return results


async def asked(answerer: Answerer, found: list[Question], by: Any, groups: dict[str, set[str]]) -> dict[str, Any]:
    tallies = {"answer": Tally(), "hidden": Tally()}
    times = []
    for question in found:
        start = time.perf_counter()
        principal = Principal(name=f"user:{question.user}")
        answer = await answerer.answer(Ask(question=question.text, answerer=by), principal)
        times.append(time.perf_counter() - start)
        count(tallies[question.kind], question, answer, groups)
    shares = {f"{kind}_{key}": value for kind, tally in tallies.items() for key, value in asdict(tally).items()}
    return {**shares, "median_s": round(statistics.median(times), 3)}


def count(tally: Tally, question: Question, answer: Answer, groups: dict[str, set[str]]) -> None:
    shown = {passage.title.split(" ", 1)[0] for passage in answer.passages}
    cited = {citation.title.split(" ", 1)[0] for citation in answer.citations}
    tally.asked += 1
    tally.abstained += answer.abstained
    tally.cited += bool(cited)
    tally.right_document += bool(cited & question.visible)
    tally.right_shown += bool(shown & question.visible)
    tally.contained += any(plain(right) in plain(answer.text) for right in question.answers)
    tally.leaks += any(question.user not in groups[title] for title in shown | cited)


def plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def rows(name: str, part: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / "retrieval" / name / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def store(name: str, catalog: Catalog, embedder: Embedder, settings: Settings) -> dict[str, set[str]]:
    """Everything of a set that is not there yet. Returns who may read each document, by its id."""
    generation = catalog.generations.ensure(embedder.name, embedder.fingerprint, embedder.dimension)
    users = [json.loads(line) for line in (DATA / "acl" / "users.jsonl").read_text(encoding="utf-8").splitlines()]
    allowed = {row["doc_id"]: row["groups"] for row in rows(name, "acl")}
    people(catalog, users)
    there = catalog.documents.stored(f"set:{name}/")
    pending: list[Document] = []
    for row in rows(name, "corpus"):
        uri = f"set:{name}/{row['_id']}"
        if uri not in there:
            pending.append(document(row, uri, allowed[row["_id"]], embedder, settings))
        if len(pending) == BATCH:
            put(pending, catalog, embedder, generation.id)
            pending = []
    put(pending, catalog, embedder, generation.id)
    return {i: {user["user_id"] for user in users if set(user["groups"]) & set(names)} for i, names in allowed.items()}


def people(catalog: Catalog, users: list[dict[str, Any]]) -> None:
    known, groups = set(catalog.people.users()), catalog.people.groups()
    for user in users:
        if f"user:{user['user_id']}" in known:
            continue
        catalog.people.add_user(user["user_id"])
        for group in user["groups"]:
            if not group.startswith("user:"):
                if f"group:{group}" not in groups:
                    catalog.people.add_group(group)
                    groups[f"group:{group}"] = ()
                catalog.people.add_member(group, f"user:{user['user_id']}")


def document(row: dict[str, Any], uri: str, groups: list[str], embedder: Embedder, settings: Settings) -> Document:
    title = f"{row['_id']} {row['title']}"
    element = Element(kind="text", text=row["text"])
    parsed = Parsed(
        title=row["title"], elements=(element,), media_type="text/plain", language=row["lang"], page_kind=None
    )
    text, chunks = chunk(parsed, row["title"], embedder, settings.chunk_tokens)
    allow = frozenset(g if g.startswith("user:") else f"group:{g}" for g in groups)
    return Document(
        uri=uri,
        path=row["_id"],
        title=title,
        media_type="text/plain",
        text=text,
        chunks=chunks,
        content_hash="",
        readers=Readers(allow=allow),
        language=row["lang"],
    )


def put(pending: list[Document], catalog: Catalog, embedder: Embedder, generation: int) -> None:
    flat = [part.embedded or part.text for made in pending for part in made.chunks]
    vectors, start = embedder.passages(flat), 0
    for made in pending:
        end = start + len(made.chunks)
        catalog.documents.put(made, {generation: vectors[start:end]})
        start = end
    print(f"stored {len(pending)}", flush=True)


def questions(name: str, wanted: int, groups: dict[str, set[str]]) -> list[Question]:
    """Half of them answerable for the user, half hidden from him; the same ones in every run."""
    texts = {row["_id"]: row for row in rows(name, "queries")}
    cases = list(rows(name, "acl_queries"))
    random.Random(11).shuffle(cases)
    found: list[Question] = []
    for kind, expect in (("answer", "answer"), ("hidden", "abstain")):
        chosen = [case for case in cases if case["expect"] == expect and (kind == "answer" or case["hidden_relevant"])]
        for case in chosen[: wanted if kind == "answer" else wanted // 2]:
            row = texts[case["query_id"]]
            visible = frozenset(case["visible_relevant"])
            found.append(Question(row["text"], tuple(row["answers"]), case["user_id"], visible, kind))
    return found


if __name__ == "__main__":
    main()
