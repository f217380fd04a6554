"""The retrieval sets: documents, questions, what is relevant, and who may read what."""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Relevant = Mapping[str, Mapping[str, int]]  # question id: document id: gain


@dataclass(frozen=True, slots=True)
class Source:
    """A document of a set as the set gives it."""

    id: str
    title: str
    text: str
    language: str

    @property
    def whole(self) -> str:
        """Title and text, laid out as the product embeds a document of one chunk."""
        return f"{self.title}\n{self.text}".strip()


@dataclass(frozen=True, slots=True)
class Task:
    """Questions in one language put to the documents in one language."""

    name: str
    folder: str
    asked_in: str
    searched: str  # language of the documents
    qrels: str = "qrels.tsv"


TASKS = {
    task.name: task
    for task in (
        Task("handbook", "handbook18f-en", "en", "en"),
        Task("scifact", "scifact-en", "en", "en"),
        Task("squad2", "squad2-dev-en", "en", "en"),
        Task("cmrc", "cmrc2018-dev-zh", "zh", "zh"),
        Task("xquad-en", "xquad-en-zh", "en", "en"),
        Task("xquad-zh", "xquad-en-zh", "zh", "zh"),
        Task("xquad-en-to-zh", "xquad-en-zh", "en", "zh", "qrels.crosslingual.tsv"),
        Task("xquad-zh-to-en", "xquad-en-zh", "zh", "en", "qrels.crosslingual.tsv"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSet:
    task: Task
    documents: Mapping[str, Source]
    # documents of the set in languages that the task does not search
    bystanders: Mapping[str, Source]
    questions: Mapping[str, str]  # those with something relevant among the documents
    relevant: Relevant
    documents_in_all: int
    questions_in_all: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, put by a user, with what is relevant among the documents that the user may read."""

    question: str
    user: str
    visible: tuple[str, ...]  # empty: nothing to find


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    readers: Mapping[str, frozenset[str]]  # document id: groups
    users: Mapping[str, frozenset[str]]  # user id: groups
    asked: tuple[Asked, ...]


def read_set(
    data: Path, task: Task, *, most_documents: int | None = None, most_questions: int | None = None
) -> RetrievalSet:
    """A task's documents and questions; of larger sets a selection that is the same each time.

    Of the documents the relevant ones stay, then as many others as there is room for; questions and
    others are taken in the order of a hash of their ids.
    """
    folder = data / "retrieval" / task.folder
    sources = [
        Source(row["_id"], row["title"], row["text"], row["lang"])
        for row in rows(folder / "corpus.jsonl.gz")
    ]
    every = {source.id: source for source in sources if source.language == task.searched}
    relevant = _qrels(folder / task.qrels, every)
    texts = {
        row["_id"]: row["text"]
        for row in rows(folder / "queries.jsonl.gz")
        if row["_id"] in relevant and row["lang"] == task.asked_in
    }
    chosen = sorted(texts, key=hashed)[:most_questions]
    questions = {name: texts[name] for name in texts if name in set(chosen)}
    needed = {document for name in texts for document in relevant[name]}
    others = sorted(set(every) - needed, key=hashed)
    room = len(every) if most_documents is None else max(0, most_documents - len(needed))
    kept = needed.union(others[:room])
    return RetrievalSet(
        task=task,
        documents={name: source for name, source in every.items() if name in kept},
        bystanders={source.id: source for source in sources if source.language != task.searched},
        questions=questions,
        relevant={name: relevant[name] for name in questions},
        documents_in_all=len(every),
        questions_in_all=len(texts),
    )


def read_permissions(data: Path, folder: str) -> Permissions:
    place = data / "retrieval" / folder
    return Permissions(
        readers={row["doc_id"]: frozenset(row["groups"]) for row in rows(place / "acl.jsonl.gz")},
        users={
            row["user_id"]: frozenset(row["groups"]) for row in rows(data / "acl" / "users.jsonl")
        },
        asked=tuple(
            Asked(row["query_id"], row["user_id"], tuple(row["visible_relevant"]))
            for row in rows(place / "acl_queries.jsonl.gz")
        ),
    )


def hashed(name: str) -> bytes:
    """An order that has nothing to do with what the names stand for."""
    return hashlib.sha256(name.encode()).digest()


def rows(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    for line in (
        (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8").split("\n")
    ):
        if line:
            yield json.loads(line)


def _qrels(path: Path, documents: Mapping[str, Source]) -> dict[str, dict[str, int]]:
    relevant: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["corpus-id"] in documents:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return relevant
