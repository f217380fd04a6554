"""What a vector store must be able to do, whoever made it.

Codes, proofs, topics and files are each store's own affair. The rules for every store are in
`tests/indexes/test_vector_store.py`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Learnt = NDArray[np.int8]  # what stores have learnt of one generation, shape (n, dimension)
ReadLock = Callable[[], AbstractContextManager[object]]  # while it is held, nothing is written


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows best first; equal scores by what the caller gave for it, then by row.

    Ties never depend on neighbours.
    """

    rows: Ints
    scores: NDArray[np.float64]  # cosine
    exact: bool  # proved to be the true best of everything visible
    candidates: int  # how many were scored in full precision


@dataclass(frozen=True, slots=True)
class VectorContents:
    """The rows of one reader set."""

    rows: Ints  # ascending
    vectors: Floats  # of those rows that have one
    consistent: bool  # all that the store keeps beside the vectors agrees with them


class VectorStore(Protocol):
    """Unit vectors by row, each row under one reader set, and the search inside a view.

    There is one writer at a time, under the caller's lock; readers share. A search depends on
    visible rows only: neither its result nor its time may depend on rows of other reader sets.
    """

    @property
    def alarms(self) -> int:
        """How many rows a search had to drop because they do not belong to its view."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    # --- writing --------------------------------------------------------------------------------

    def add(self, rows: Ints, reader_sets: Ints | int, vectors: Floats) -> None:
        """rows: shape (n,), distinct, none of them here yet.

        reader_sets: of each row; one number stands for all of them. vectors: unit vectors,
        shape (n, dimension).
        """
        ...

    def remove(self, rows: Ints) -> None:
        """Rows that are not here are passed over."""
        ...

    def move(self, rows: Ints, reader_sets: Ints | int) -> None:
        """Put rows under other reader sets. Rows that are not here are passed over."""
        ...

    def make_empty(self) -> "VectorStore":
        """Another store of this kind that holds nothing and takes as little memory as can be."""
        ...

    # --- searching ------------------------------------------------------------------------------

    def nearest(
        self,
        query: Floats,
        reader_sets: Ints,
        k: int,
        only: Ints | None = None,
        view: str | None = None,
        ties: Ints | None = None,
    ) -> Ranked:
        """The k nearest rows of these reader sets, or all of them if there are fewer.

        query: unit vector, shape (dimension,). reader_sets: ascending; unknown ones are passed
        over. only: a filter's rows, ascending. view: a name that stands for exactly these rows,
        now and later, under which a store may keep what it needs to know of them. ties: by row,
        what orders equal scores, before the row itself; rows past its end have 0.
        """
        ...

    # --- looking inside -------------------------------------------------------------------------

    def rows(self) -> Ints:
        """All rows that are here, ascending."""
        ...

    def reader_sets_of(self, rows: Ints) -> Ints:
        """The reader set of each row; -1 if it is not here."""
        ...

    def held_reader_sets(self) -> list[int]:
        """The reader sets with rows, ascending."""
        ...

    def contents(self, reader_set: int) -> VectorContents:
        """What stands under a reader set, the same however it came there."""
        ...

    # --- checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write the store into a folder, as files whose names begin with `vectors-`.

        Others write there, too. Making the folder appear whole is up to the caller.
        """
        ...


class VectorStores(Protocol):
    """Makes the stores of a process, all of one kind."""

    def empty(self, dimension: int, learnt: Learnt | None = None) -> VectorStore:
        """A store without rows.

        learnt: what a store has learnt of this generation and the catalog keeps. If None, nothing
        has been learnt yet.
        """
        ...

    def load(self, folder: Path, dimension: int, learnt: Learnt | None = None) -> VectorStore:
        """The store that was saved into this folder. Raises IndexDamaged if it cannot be used."""
        ...


@runtime_checkable
class LearnsTopics(Protocol):
    """A store that searches large views by topics, which are learnt once in a generation."""

    @property
    def wants_topics(self) -> bool:
        """Whether it is so large that topics would be of use, and has none."""
        ...

    def learn_topics(self, reading: ReadLock, stop: Callable[[], bool]) -> Learnt | None:
        """What the catalog should keep for this generation. If None, it was stopped.

        Searches go on meanwhile. reading: held for short whiles to look at the rows. stop: asked
        now and then whether to leave it for another time.
        """
        ...

    def prepare_topics(
        self,
        learnt: Learnt,
        reading: ReadLock,
        stop: Callable[[], bool],
    ) -> Callable[[], None] | None:
        """Sort what is here into topics, beside the searches. If None, it was stopped.

        Gives the last step, a short one, which is to be called while nobody reads or writes.
        """
        ...


def of_each(reader_sets: Ints | int, rows: Ints) -> Ints:
    """The reader set of each row, if one number may stand for all of them."""
    return np.broadcast_to(np.asarray(reader_sets, np.int64), rows.shape)
