"""A synthetic corpus under access control for the benchmarks of retrieval: overlapping topics,
unequal reader sets.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.catalog.schema import (
    chunks,
    document_texts,
    documents,
    memberships,
    principals,
    reader_set_entries,
    reader_sets,
    vectors,
)
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings

DIMENSION = 384
READER_SETS = 500
PER_DOCUMENT = 10
_TOPICS = 2_000
_BATCH = 1_000
_CLOSENESS = 0.9  # length of the noise between a question and the passage it is about

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who is in one group per reader set that they may read."""

    name: str
    sets: Ints  # ascending
    visible: int

    @property
    def principal(self) -> Principal:
        return Principal(name=f"user:{self.name}")


class Soft:
    """`passages` unit vectors; vector i is of document i // 10, row i + 1 and reader set `sets[i]`
    + 1.
    """

    def __init__(self, passages: int, seed: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.space = _Space(self.random)
        sizes = 1.0 / np.arange(1, READER_SETS + 1) ** 1.2
        of_document = self.random.choice(
            READER_SETS, -(-passages // PER_DOCUMENT), p=sizes / sizes.sum()
        )
        self.sets = np.repeat(of_document, PER_DOCUMENT)[:passages]
        self.vectors = np.empty((passages, DIMENSION), np.float32)
        for start in range(0, passages, 10 * _BATCH):
            part = of_document[start // PER_DOCUMENT : start // PER_DOCUMENT + _BATCH]
            self.vectors[start : start + 10 * _BATCH] = self.space.documents(part)[
                : passages - start
            ]

    @cached_property
    def sizes(self) -> Ints:
        return np.bincount(self.sets, minlength=READER_SETS)

    def user(self, name: str, share: float) -> User:
        """Somebody who may read about this share: reader sets in random order, as long as they fit."""
        filled = np.flatnonzero(self.sizes)
        chosen = filled.tolist() if share >= 1 else [int(filled[np.argmin(self.sizes[filled])])]
        visible = int(self.sizes[chosen].sum())
        for number in self.random.permutation(np.setdiff1d(filled, chosen)).tolist():
            if visible + self.sizes[number] <= 1.1 * share * len(self.sets):
                chosen.append(number)
                visible += int(self.sizes[number])
        return User(name=name, sets=np.sort(np.array(chosen, np.int64)), visible=visible)

    def question(self, user: User) -> Floats:
        """Three in five are about something that the user may read, the others about anything."""
        rows = np.flatnonzero(np.isin(self.sets, user.sets)) if self.random.random() < 0.6 else None
        row = (
            self.random.choice(rows)
            if rows is not None and len(rows)
            else self.random.integers(len(self.sets))
        )
        return _unit(self.vectors[row] + _CLOSENESS * self.space.noise(1)[0])

    def best(self, user: User, question: Floats, k: int) -> Ints:
        """The truth: float32 brute force over what the user may read."""
        rows = np.flatnonzero(np.isin(self.sets, user.sets))
        scores = np.concatenate(
            [
                self.vectors[part] @ question
                for part in np.array_split(rows, -(-len(rows) // 65_536))
            ]
        )
        return rows[np.argsort(-scores, kind="stable")[:k]]


class _Space:
    """Where vectors lie: 2,000 overlapping topics in a space whose directions matter unequally."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        spectrum = np.arange(1, DIMENSION + 1) ** -0.35
        turned = np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0]
        self._basis = (spectrum[:, None] * turned).astype(np.float32)
        self._common = self.noise(1)[0]
        self._topics = self.noise(_TOPICS)
        self._topics_of_set = random.integers(0, _TOPICS, (READER_SETS, 20))

    def noise(self, n: int) -> Floats:
        return _unit(self._random.standard_normal((n, DIMENSION), dtype=np.float32) @ self._basis)

    def documents(self, sets: Ints) -> Floats:
        """Ten passages per document. Every other reader set keeps to twenty topics."""
        anywhere = self._random.integers(0, _TOPICS, (2, len(sets)))
        at_home = self._topics_of_set[sets, self._random.integers(0, 20, len(sets))]
        first = np.where(sets % 2 == 0, at_home, anywhere[0])
        whole = 0.4 * self._common + 0.75 * self._topics[first] + 0.35 * self._topics[anywhere[1]]
        whole = whole + 0.5 * self.noise(len(sets))
        return _unit(
            np.repeat(whole, PER_DOCUMENT, axis=0) + 0.45 * self.noise(PER_DOCUMENT * len(sets))
        )


class GivenVectors:
    """An Embedder whose questions are numbers of vectors that are there already."""

    name = "given"
    fingerprint = "given-vectors"
    dimension = DIMENSION
    max_tokens = 512

    def __init__(self) -> None:
        self.questions: list[Floats] = []

    def ask(self, vector: Floats) -> str:
        self.questions.append(vector)
        return str(len(self.questions) - 1)

    def query(self, text: str) -> Floats:
        return self.questions[int(text)]

    def passages(self, texts: list[str]) -> Floats:
        return _unit(
            np.random.default_rng(len(texts))
            .standard_normal((len(texts), DIMENSION))
            .astype(np.float32)
        )

    def count(self, texts: list[str]) -> list[int]:
        return [1 for _ in texts]


def number_text(passage: int) -> str:
    return f"passage {passage}"


def searcher(
    home: Path,
    corpus: Soft,
    users: list[User],
    embedder: GivenVectors,
    scan_limit: int,
    text_of: Callable[[int], str] = number_text,
) -> Searcher:
    """The public search over a catalog that holds the corpus, with nothing collapsed or left out of
    an answer. text_of: of a passage, in one line.
    """
    settings = Settings(home=home, exact_scan_limit=scan_limit, passages_per_document=1_000)
    catalog = Catalog.open(settings.catalog_url)
    generation = catalog.generations.ensure(
        embedder.name, embedder.fingerprint, embedder.dimension, by=BENCH
    )
    _write(catalog, corpus, users, generation.id, text_of)
    return Searcher(catalog, embedder, settings)


def _write(
    catalog: Catalog,
    corpus: Soft,
    users: list[User],
    generation: int,
    text_of: Callable[[int], str],
) -> None:
    """Straight into the tables, for speed; the result is what the catalog's own methods would have
    written.
    """
    with catalog._database.writing(BENCH) as connection:
        names = [{"id": n + 1, "name": f"group:g{n}", "known": 1} for n in range(READER_SETS)]
        names += [
            {"id": READER_SETS + 1 + n, "name": f"user:{user.name}", "known": 1}
            for n, user in enumerate(users)
        ]
        connection.execute(insert(principals), names)
        inside = [
            {"member_id": READER_SETS + 1 + n, "group_id": int(s) + 1}
            for n, user in enumerate(users)
            for s in user.sets
        ]
        connection.execute(insert(memberships), inside)
        numbers = range(1, READER_SETS + 1)
        connection.execute(
            insert(reader_sets), [{"id": n, "fingerprint": f"{n:064d}"} for n in numbers]
        )
        entries = [{"principal_id": n, "effect": "allow", "reader_set_id": n} for n in numbers]
        connection.execute(insert(reader_set_entries), entries)
    last = len(corpus.sets) // PER_DOCUMENT
    for start in range(0, last, _BATCH):
        numbers = range(start, min(start + _BATCH, last))
        _write_documents(catalog, corpus, numbers, generation, text_of)


def _write_documents(
    catalog: Catalog,
    corpus: Soft,
    numbers: range,
    generation: int,
    text_of: Callable[[int], str],
) -> None:
    moment = datetime.now(UTC)
    heads, bodies, parts, matrices = [], [], [], []
    for number in numbers:
        first = number * PER_DOCUMENT
        text = "\n".join(text_of(first + i) for i in range(PER_DOCUMENT))
        common = {
            "path": f"{number}.txt",
            "collection": "default",
            "title": f"{number}",
            "media_type": "text/plain",
        }
        heads.append(
            {
                **common,
                "id": number + 1,
                "public_id": f"document{number}",
                "uri": f"bench:{number}",
                "content_hash": "0" * 64,
                "pages": [],
                "metadata": {},
                "stored_at": moment,
                "reader_set_id": int(corpus.sets[first]) + 1,
                "token": secrets.token_bytes(32),
            }
        )
        bodies.append({"document_id": number + 1, "text": text})
        start = 0
        for i, part in enumerate(text.split("\n")):
            place = {
                "row": first + i + 1,
                "public_id": f"passage{first + i}",
                "document_id": number + 1,
                "ordinal": i,
            }
            span = {"text": part, "start": start, "end": start + len(part), "embedded": part}
            parts.append({**place, **span, "section": [], "pages": []})
            start += len(part) + 1
        blob = corpus.vectors[first : first + PER_DOCUMENT].tobytes()
        matrices.append({"generation_id": generation, "document_id": number + 1, "vectors": blob})
    with catalog._database.writing(BENCH) as connection:
        for table, rows in (
            (documents, heads),
            (document_texts, bodies),
            (chunks, parts),
            (vectors, matrices),
        ):
            connection.execute(insert(table), rows)


def _unit(matrix: Floats) -> Floats:
    scaled: Floats = (matrix / np.linalg.norm(matrix, axis=-1, keepdims=True)).astype(np.float32)
    return scaled
