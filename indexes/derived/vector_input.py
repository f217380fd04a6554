"""Vectors from the catalog into a vector store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from indexes.catalog.index_input import Placement
from indexes.catalog.reading import ReadState
from indexes.derived.vectors.store import Floats, VectorStore, VectorStores
from indexes.errors import IndexDamaged
from indexes.model import IndexGeneration

Each = TypeVar("Each")

_BATCH = 256  # documents whose text and vectors are in memory at once while they are filled in


def empty_vectors(
    state: ReadState, generation: IndexGeneration, stores: VectorStores
) -> VectorStore:
    """A store for the vectors of this generation, with what has been learnt of them."""
    return stores.empty(generation.dimension, state.centroids(generation))


def align_vectors(vectors: VectorStore, state: ReadState, generation: IndexGeneration) -> None:
    """Make a vector store that nobody searches yet hold exactly the documents of this state.

    A row that it holds already keeps its vector. Raises IndexDamaged when the catalog lacks
    vectors.
    """
    wanted = list(state.placements())
    rows = np.concatenate([placed.rows for placed in wanted]) if wanted else np.empty(0, np.int64)
    vectors.remove(np.setdiff1d(vectors.rows(), rows))
    owners = np.repeat(np.arange(len(wanted)), [len(placed.rows) for placed in wanted])
    there = vectors.reader_sets_of(rows)
    should = np.array([placed.reader_set for placed in wanted], np.int64)[owners]
    missing = np.unique(owners[there < 0])
    wrong = (there != should) & ~np.isin(owners, missing)
    vectors.move(rows[wrong], should[wrong])
    for batch in split_to_fit_memory(missing.tolist()):
        new = [wanted[number] for number in batch]
        vectors.remove(np.concatenate([placed.rows for placed in new]))
        add_vectors(vectors, new, read_vectors(state, generation, new))


def split_to_fit_memory(ids: Sequence[Each]) -> Iterator[Sequence[Each]]:
    """So few at a time that their texts and vectors fit into memory."""
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


def read_vectors(
    state: ReadState, generation: IndexGeneration, placements: Sequence[Placement]
) -> Floats:
    """Vectors of the rows of these documents, in their order.

    Raises IndexDamaged when the catalog lacks some.
    """
    filled = [placed for placed in placements if len(placed.rows)]
    found: Mapping[int, Floats] = state.vectors(
        generation, [placed.document_id for placed in filled]
    )
    if any(len(found.get(placed.document_id, ())) != len(placed.rows) for placed in filled):
        raise IndexDamaged(
            f"A document has no vectors of {generation.model}.", remedy="Run: clearance rebuild"
        )
    if not filled:
        return np.zeros((0, generation.dimension), np.float32)
    return np.concatenate([found[placed.document_id] for placed in filled])


def add_vectors(store: VectorStore, placements: Sequence[Placement], vectors: Floats) -> None:
    """vectors: of the rows of these documents, in their order."""
    store.add(
        np.concatenate([placed.rows for placed in placements]),
        np.repeat(
            [placed.reader_set for placed in placements],
            [len(placed.rows) for placed in placements],
        ),
        vectors,
    )
