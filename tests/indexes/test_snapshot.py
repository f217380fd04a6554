"""A part of the corpus may stand in for the whole: what parts say adds up to what one says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.snapshot import Snapshot
from indexes.model import IndexGeneration
from indexes.testing import BruteForceStore, HashingEmbedder

WORDS = ["pay", "rise", "soup", "pump", "E1027", "预算"]
QUESTIONS = ["pay rise", "soup 预算 nowhere", "pump pump"]
EMBEDDER = HashingEmbedder(16)

passages = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=40,
)


def snapshot(kept: list[tuple[int, str, int]]) -> Snapshot:
    """kept: (row, text, reader set), ascending."""
    dimension = EMBEDDER.dimension
    generation = IndexGeneration(
        id=1, model="m", fingerprint="f", dimension=dimension, state="active"
    )
    made = DerivedIndexes(generation, KeywordIndex(), BruteForceStore(dimension))
    for row, text, reader_set in kept:
        rows = np.array([row])
        made.keywords.add(rows, reader_set, [text])
        made.vectors.add(rows, reader_set, EMBEDDER.passages([text]))
        made.ties.put(rows, bytes([row * 37 % 5]) + bytes(31))
    return made


@settings(max_examples=60, deadline=None)
@given(passages, st.integers(1, 12), st.booleans(), st.sampled_from(QUESTIONS))
def test_rankings_of_parts_with_the_statistics_of_the_whole_are_those_of_the_whole(
    given_passages: list[tuple[str, int, int]], k: int, filtered: bool, question: str
) -> None:
    numbered = [(row, text, s) for row, (text, s, _) in enumerate(given_passages)]
    number_of = [number for _, _, number in given_passages]
    whole = snapshot(numbered)
    split = [[each for each in numbered if number_of[each[0]] == part] for part in range(3)]
    parts = [snapshot(kept) for kept in split]
    view = np.array([0, 2, 3])
    only = np.arange(0, len(numbered), 2) if filtered else None
    first, *others = [part.statistics(question, view, only) for part in parts]
    total = sum(others, start=first)
    expected = whole.statistics(question, view, only)
    assert (total.passages, total.length) == (expected.passages, expected.length)
    assert total.frequency.tolist() == expected.frequency.tolist()

    by_words = [part.ranking(question, view, k, only, total) for part in parts]
    rows, scores, ceiling = whole.ranking(question, view, k, only)
    assert max(each[2] for each in by_words) == ceiling
    assert merged(whole, [each[:2] for each in by_words], k) == pairs(rows, scores)

    query = EMBEDDER.query(question)
    near = [part.nearest(query, view, k, only, None) for part in parts]
    best = whole.nearest(query, view, k, only, None)
    told = [(each.rows, each.scores) for each in near]
    assert merged(whole, told, k) == pairs(best.rows, best.scores)


def merged(
    whole: Snapshot,
    parts: list[tuple[np.ndarray, np.ndarray]],
    k: int,
) -> list[tuple[int, float]]:
    rows, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((rows, whole.ties_of(rows), -scores))[:k]
    return pairs(rows[order], scores[order])


def pairs(rows: np.ndarray, scores: np.ndarray) -> list[tuple[int, float]]:
    return list(zip(rows.tolist(), scores.tolist(), strict=True))
