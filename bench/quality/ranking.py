"""Documents ranked by their best passage over everything at once, through the real indexes and
without permissions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.quality.sets import Source
from bench.quality.vectors import RememberingEmbedder
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.model import Chunk, Mode
from indexes.search.fusion import best_first, fuse
from indexes.search.siblings import add_siblings
from ingest.chunking import chunk
from ingest.elements import Element, Parsed

EVERYTHING = 0  # the one reader set of these indexes
MODES: tuple[Mode, ...] = ("dense", "keyword", "hybrid")
DEPTH = 400  # passages on each side: what a search for a hundred looks at


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents become passages."""

    tokens: int | None  # none: a document is one passage
    prefix: bool = True  # title and section path are embedded with each passage

    def __str__(self) -> str:
        size = "whole" if self.tokens is None else f"{self.tokens} tokens"
        return size if self.prefix else f"{size}, no title"


def cut(
    source: Source, embedder: RememberingEmbedder, cutting: Cutting
) -> tuple[str, tuple[Chunk, ...]]:
    """The document's text and its chunks, as ingestion makes them from one element of text."""
    if cutting.tokens is None:
        text = source.text or source.title
        return text, (Chunk(ordinal=0, text=text, start=0, end=len(text), embedded=source.whole),)
    parsed = Parsed(
        title=source.title,
        elements=(Element(kind="text", text=source.text or source.title),),
        media_type="text/plain",
        language=source.language,
        page_kind=None,
    )
    return chunk(parsed, source.title if cutting.prefix else "", embedder, cutting.tokens)


class Ranking:
    """Every document in one reader set."""

    def __init__(
        self, sources: Iterable[Source], embedder: RememberingEmbedder, cutting: Cutting
    ) -> None:
        self._embedder = embedder
        names: list[str] = []
        texts: list[str] = []
        for source in sources:
            _, chunks = cut(source, embedder, cutting)
            names += [source.id] * len(chunks)
            texts += [one.embedded for one in chunks]
        self._names = names
        self._numbers = np.unique(np.array(names), return_inverse=True)[1]  # of documents, by row
        rows = np.arange(len(names), dtype=np.int64)
        self._vectors = FaissStore(embedder.dimension, lists=16)
        self._vectors.add(rows, EVERYTHING, embedder.passages(texts))
        self._keywords = KeywordIndex()
        self._keywords.add(rows, EVERYTHING, texts)

    @property
    def passages(self) -> int:
        return len(self._names)

    def documents(self, question: str, mode: Mode, depth: int = DEPTH) -> list[str]:
        """Document ids, best first, each at the place of its best passage."""
        return list(dict.fromkeys(self._names[row] for row in self._rows(question, mode, depth)))

    def _rows(self, question: str, mode: Mode, depth: int) -> list[int]:
        everything = np.array([EVERYTHING], np.int64)
        rows, scores, ceiling = self._keywords.rank(question, everything, depth)
        documents = self._numbers[rows]
        scores = add_siblings(scores, documents, ceiling)
        if mode == "keyword":
            return [int(row) for row in best_first(rows, scores, documents, depth)[0]]
        vector = self._embedder.query(question)
        near = self._vectors.nearest(vector, everything, depth)
        if mode == "dense":
            return [int(row) for row in near.rows]
        both = np.union1d(near.rows, rows)
        cosines = self._vectors.nearest(vector, everything, len(both), both)
        by_words = np.zeros(len(self._names))
        by_words[rows] = scores
        fused = fuse(cosines.scores, by_words[cosines.rows], ceiling)
        ranked, _ = best_first(cosines.rows, fused, np.zeros(len(both), np.int64), len(both))
        return [int(row) for row in ranked]
