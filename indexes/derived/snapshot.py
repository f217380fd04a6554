"""The read face of the derived indexes: all that a search needs to know of them.

One process's indexes have it. A part of the corpus, or several parts asked at once, may stand in
for them: whole numbers of parts add up, and rankings of parts can be merged, since no score
depends on which other rows were ranked with it.
"""

from collections.abc import Iterable
from typing import Protocol

from indexes.derived.keywords.scorer import Ranking, Statistics
from indexes.derived.vectors.store import Floats, Ints, Ranked
from indexes.model import IndexGeneration


class Snapshot(Protocol):
    """Derived indexes at one state of the catalog, for the reader sets that are asked about.

    Valid only while the state is held. Reader sets are ascending in every call.
    """

    @property
    def generation(self) -> IndexGeneration:
        """Whose vectors are searched."""
        ...

    @property
    def serial(self) -> int:
        """No two indexes of one process have the same, so nothing remembered of one is used for
        another.
        """
        ...

    @property
    def alarms(self) -> int:
        """How many rows were dropped because they do not belong to the view asked for."""
        ...

    def digest(self, reader_sets: Ints) -> bytes:
        """Stands for all documents of these reader sets, as little-endian lanes of 64 bits.

        Those of parts add up, lane by lane modulo 2^64.
        """
        ...

    def last_change(self, reader_sets: Ints) -> int:
        """Grows whenever the digest of these reader sets may have become another one."""
        ...

    def rows_of(self, document_ids: Iterable[int]) -> Ints:
        """Rows of these documents, ascending; documents that are not here are passed over."""
        ...

    def ties_of(self, rows: Ints) -> Ints:
        """What orders these rows if their scores are equal, before the row itself."""
        ...

    def nearest(
        self,
        query: Floats,
        reader_sets: Ints,
        k: int,
        only: Ints | None,
        view: str | None,
    ) -> Ranked:
        """As `VectorStore.nearest`, with equal scores by `ties_of`."""
        ...

    def statistics(self, question: str, reader_sets: Ints, only: Ints | None) -> Statistics:
        """What BM25 needs to know of these reader sets for this question. Those of parts add up."""
        ...

    def ranking(
        self,
        question: str,
        reader_sets: Ints,
        k: int,
        only: Ints | None,
        statistics: Statistics | None = None,
    ) -> Ranking:
        """The k best rows by words, with their scores and a ceiling that no score reaches.

        only: a filter's rows, ascending; it narrows the statistics, too. statistics: of the whole
        of which this is a part. If None, this is the whole.
        """
        ...
