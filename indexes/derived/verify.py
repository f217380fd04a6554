"""Whether the derived indexes hold what the catalog says, reader set by reader set, and whether the
catalog is sound.

What an index holds is read out of it in an order of its own, so that it does not matter how it came
to hold it. The quick form compares documents, rows and counts; the whole form also every posting
and vector with those made from the catalog's texts and vectors anew.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.index_input import Placement
from indexes.catalog.reading import ReadState
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords import blocks
from indexes.derived.keywords.index import KeywordIndex, postings_digest
from indexes.derived.vector_input import split_to_fit_memory
from indexes.derived.vectors.store import VectorStore
from indexes.errors import IndexDamaged

Where = Literal["catalog", "documents", "keywords", "vectors"]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is not as it must be. For operators only."""

    where: Where
    what: str
    reader_set: int | None = None

    def __str__(self) -> str:
        reader_set = "" if self.reader_set is None else f"reader set {self.reader_set}: "
        return f"{self.where}: {reader_set}{self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """What was looked at, and what was found."""

    whole: bool
    documents: int
    passages: int
    reader_sets: int
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        return not self.differences


def verify(
    state: ReadState,
    derived: DerivedIndexes,
    *,
    whole: bool,
    among: Collection[int] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> VerificationReport:
    """Compares the indexes with this state. Nothing may change them meanwhile.

    among: look at these reader sets only. If None, at all. Reader sets that are not followed to
    this state yet are left out. stop: asked before each reader set whether to leave the rest for
    another time.
    """
    expected: dict[int, list[Placement]] = defaultdict(list)
    for placed in state.placements():
        expected[placed.reader_set].append(placed)
    looked_at, found = [], list[Difference]()
    for reader_set in sorted(
        all_reader_sets(derived, expected) - _sets_not_followed(state, derived)
    ):
        if stop():
            break
        if among is None or reader_set in among:
            looked_at.append(reader_set)
            found += compare_reader_set(
                state, derived, reader_set, expected.get(reader_set, []), whole=whole
            )
    placed_there = [placed for reader_set in looked_at for placed in expected.get(reader_set, [])]
    return VerificationReport(
        whole=whole,
        documents=len(placed_there),
        passages=sum(len(placed.rows) for placed in placed_there),
        reader_sets=len(looked_at),
        differences=tuple(found),
    )


def verify_catalog(state: ReadState, *, whole: bool) -> tuple[Difference, ...]:
    """What does not hold in the catalog itself."""
    return tuple(Difference(where="catalog", what=what) for what in state.problems(whole=whole))


def find_misplaced(state: ReadState, derived: DerivedIndexes) -> Iterator[str]:
    """What differs from this state in where passages stand: the quickest look, for indexes whose
    documents are known to be those of this state. It looks at no word and no vector.
    """
    placed = sorted(derived.placements.all(), key=lambda each: each.document_id)
    sizes = np.array([len(each.rows) for each in placed], np.int64)
    rows = np.concatenate([np.empty(0, np.int64), *(each.rows for each in placed)])
    ids = np.array([each.document_id for each in placed], np.int64)
    if not np.array_equal(_count_rows(ids, sizes, rows), np.array(state.row_counts(), np.int64)):
        yield "Documents have other passages."
    sets = np.repeat(np.array([each.reader_set for each in placed], np.int64), sizes)
    order = np.argsort(rows, kind="stable")
    rows, sets = rows[order], sets[order]
    indexes: tuple[tuple[str, KeywordIndex | VectorStore], ...] = (
        ("keywords", derived.keywords),
        ("vectors", derived.vectors),
    )
    for name, index in indexes:
        if len(index) != len(rows) or not np.array_equal(index.reader_sets_of(rows), sets):
            yield f"The {name} hold other passages, or hold them under other reader sets."


def _count_rows(documents: Ints, sizes: Ints, rows: Ints) -> Ints:
    """As in `row_counts`. rows: of one document after the other."""
    filled = sizes > 0
    if not filled.any():
        return np.empty(0, np.int64)
    starts = (np.cumsum(sizes) - sizes)[filled]
    sums = (how.reduceat(rows, starts) for how in (np.minimum, np.maximum, np.add))
    return np.stack([documents[filled], sizes[filled], *sums], axis=1)


def all_reader_sets(derived: DerivedIndexes, expected: Collection[int]) -> set[int]:
    """Those that hold anything: in one of the indexes, or among the expected."""
    return {
        *expected,
        *derived.placements.reader_sets(),
        *derived.keywords.held_reader_sets(),
        *derived.vectors.held_reader_sets(),
    }


def _sets_not_followed(state: ReadState, derived: DerivedIndexes) -> set[int]:
    pending = derived.reader_sets_behind(state, derived.newest)
    if pending is None:
        raise IndexDamaged("The indexes do not belong to this catalog.")
    return set(pending)


def compare_reader_set(
    state: ReadState,
    derived: DerivedIndexes,
    reader_set: int,
    expected: Sequence[Placement],
    *,
    whole: bool,
) -> Iterator[Difference]:
    """What differs under one reader set, which must be followed to this state. expected: its
    documents there.
    """
    for where, what in _compare_placements(derived, reader_set, expected):
        yield Difference(where=where, what=what, reader_set=reader_set)
    words, vectors = derived.keywords.contents(reader_set), derived.vectors.contents(reader_set)
    rows: Ints = np.concatenate([np.empty(0, np.int64), *(placed.rows for placed in expected)])
    for where, what in _compare_rows((("keywords", words), ("vectors", vectors)), rows):
        yield Difference(where=where, what=what, reader_set=reader_set)
    if not whole:
        return
    lengths, postings, nearby = _contents_from_catalog(state, derived, expected)
    order = np.argsort(rows, kind="stable")
    if not np.array_equal(words.lengths, lengths[order]) or words.digest() != postings:
        yield Difference(
            where="keywords", what="The words are not those of the texts.", reader_set=reader_set
        )
    if not np.array_equal(vectors.vectors, nearby[order]):
        yield Difference(
            where="vectors",
            what="The vectors are not those that are stored.",
            reader_set=reader_set,
        )


def _compare_placements(
    derived: DerivedIndexes, reader_set: int, expected: Sequence[Placement]
) -> Iterator[tuple[Where, str]]:
    """Whether the same documents stand under the reader set, and add up to the id of its view."""
    here = {placed.document_id: placed for placed in derived.placements.in_set(reader_set)}
    there = {placed.document_id: placed for placed in expected}
    differing = [
        i for i in here.keys() | there.keys() if not _is_same_placement(here.get(i), there.get(i))
    ]
    if differing:
        yield "documents", f"{len(differing)} documents are not as the catalog has them."
    tokens = np.array(
        [np.frombuffer(placed.token, "<u8") for placed in expected], np.uint64
    ).reshape(-1, 4)
    if (
        derived.digest(np.array([reader_set]))
        != tokens.sum(axis=0, dtype=np.uint64).astype("<u8").tobytes()
    ):
        yield "documents", "What the view's id is made of is not what the documents add up to."


def _compare_rows(both: Iterable[tuple[Where, Any]], rows: Ints) -> Iterator[tuple[Where, str]]:
    """Whether each index holds these passages and no others, and is one whole."""
    for where, held in both:
        if not np.array_equal(held.rows, np.sort(rows)):
            yield where, f"{len(held.rows)} passages instead of {len(rows)}, or other ones."
        elif not held.consistent:
            yield where, "Its parts do not agree with each other."


def _is_same_placement(one: Placement | None, other: Placement | None) -> bool:
    if one is None or other is None:
        return False
    return one.token == other.token and np.array_equal(one.rows, other.rows)


def _contents_from_catalog(
    state: ReadState, derived: DerivedIndexes, expected: Sequence[Placement]
) -> tuple[Ints, bytes, NDArray[np.float32]]:
    """(terms in each row, digest of all postings, vectors) of these documents, from the catalog, in
    their order.
    """
    analysing = KeywordIndex()
    made, lengths, stored = (
        [],
        [np.empty(0, np.int64)],
        [np.empty((0, derived.generation.dimension), np.float32)],
    )
    for some in split_to_fit_memory(expected):
        ids = [placed.document_id for placed in some]
        texts, vectors = state.keyword_texts(ids), state.vectors(derived.generation, ids)
        for placed in some:
            analysed = analysing.analyse(placed.rows, texts.get(placed.document_id, []))
            lengths += map(blocks.lengths, analysed)
            made.append(postings_digest(map(blocks.postings, analysed)))
            stored.append(vectors.get(placed.document_id, stored[0]))
    total = np.array([np.frombuffer(digest, np.uint64) for digest in made], np.uint64).reshape(
        -1, 2
    )
    return (
        np.concatenate(lengths),
        total.sum(axis=0, dtype=np.uint64).tobytes(),
        np.concatenate(stored),
    )
