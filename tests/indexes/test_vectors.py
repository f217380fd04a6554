"""P3: the true best of what is visible, whatever the selectivity, and no trap of FAISS on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.derived.vectors import lists
from indexes.derived.vectors.codes import OFFSET
from indexes.derived.vectors.faiss_store import FaissStore, FaissStores
from indexes.derived.vectors.lists import ALLOWED_TYPES, InvertedLists
from indexes.derived.vectors.selectors import bits_of
from indexes.errors import IndexDamaged

DIMENSION = 64


def unit(matrix: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = matrix / np.linalg.norm(matrix, axis=-1, keepdims=True)
    return scaled.astype(np.float32)


def clustered(n: int, seed: int = 0, dimension: int = DIMENSION) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(n // 50, 1), dimension))
    return unit(
        centres[rng.integers(0, len(centres), n)] + 0.6 * rng.standard_normal((n, dimension))
    )


def brute_force(vectors: np.ndarray, visible: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    """The definition: best cosine first, equal ones by row."""
    rows = np.flatnonzero(visible)
    scores = (vectors[rows].astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    best: list[int] = rows[np.lexsort((rows, -scores))[:k]].tolist()
    return best


@pytest.fixture(scope="module")
def filled() -> tuple[FaissStore, np.ndarray, np.ndarray]:
    vectors = clustered(20_000)
    sets = np.random.default_rng(1).integers(0, 10_000, len(vectors))
    index = FaissStore(DIMENSION)
    index.add(np.arange(len(vectors)), sets, vectors)
    return index, vectors, sets


@pytest.mark.parametrize("k", [10, 50])
@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0])
def test_every_answer_is_the_true_best_of_what_is_visible(
    filled: tuple[FaissStore, np.ndarray, np.ndarray], share: float, k: int
) -> None:
    index, vectors, sets = filled
    rng = np.random.default_rng(2)
    allowed = np.sort(rng.choice(10_000, max(1, int(10_000 * share)), replace=False))
    visible = np.isin(sets, allowed)
    for _ in range(15):
        query = unit(vectors[rng.integers(len(vectors))] + 0.05 * rng.standard_normal(DIMENSION))
        found = index.nearest(query, allowed, k)
        assert found.exact
        assert found.rows.tolist() == brute_force(vectors, visible, query, k)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets how many threads FAISS may use; one, as in all other tests, in the end."""
    before = faiss.omp_get_max_threads()
    yield faiss.omp_set_num_threads
    faiss.omp_set_num_threads(before)


def test_threads_change_no_byte_of_an_answer(threads: Callable[[int], None]) -> None:
    vectors = clustered(4_000)
    sets = np.random.default_rng(1).integers(0, 30, len(vectors))

    def answers(count: int) -> list[bytes]:
        threads(count)
        index = FaissStore(DIMENSION, lists=64)
        index.add(np.arange(len(vectors)), sets, vectors)
        index.remove(np.arange(0, len(vectors), 7))
        found = [index.nearest(query, np.arange(0, 30, 2), 20) for query in vectors[:40]]
        return [one.rows.tobytes() + one.scores.tobytes() for one in found]

    assert answers(1) == answers(2) == answers(4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.0, 1e-4, 1e-3, 3e-3, 1e-2]),
    k=st.integers(1, 30),
)
def test_near_ties_beyond_the_precision_of_the_codes_are_told_apart(
    seed: int, spread: float, k: int
) -> None:
    rng = np.random.default_rng(seed)
    query = unit(rng.standard_normal(DIMENSION))
    # int8 codes of these are nearly all the same
    near = unit(query + spread * rng.standard_normal((600, DIMENSION)))
    index = FaissStore(DIMENSION, lists=8)
    sets = rng.integers(0, 3, len(near))
    index.add(np.arange(len(near)), sets, near)
    found = index.nearest(query, np.array([0, 2]), k)
    assert found.exact
    assert found.rows.tolist() == brute_force(near, sets != 1, query, k)


def test_an_adversary_with_huge_coordinates_is_still_ranked_right() -> None:
    spikes = np.eye(DIMENSION, dtype=np.float32)  # far beyond the range of the codes
    index = FaissStore(DIMENSION, lists=8)
    index.add(np.arange(DIMENSION), 0, spikes)
    index.add(np.arange(100, 600), 1, clustered(500))
    assert index.nearest(spikes[7], np.array([0, 1]), 1).rows.tolist() == [7]


def test_a_view_of_nothing_finds_nothing(filled: tuple[FaissStore, np.ndarray, np.ndarray]) -> None:
    index, vectors, _ = filled
    assert len(index.nearest(vectors[0], np.array([], np.int64), 5).rows) == 0
    assert len(index.nearest(vectors[0], np.array([999_999]), 5).rows) == 0


def test_fewer_visible_than_wanted_gives_what_there_is_without_padding() -> None:
    index = FaissStore(DIMENSION, lists=8)
    index.add(np.array([5, 9]), 3, clustered(2))
    found = index.nearest(clustered(1)[0], np.array([3]), 10**6)
    assert sorted(found.rows.tolist()) == [5, 9]


def test_a_filter_narrows_and_never_widens(
    filled: tuple[FaissStore, np.ndarray, np.ndarray],
) -> None:
    index, vectors, sets = filled
    allowed = np.arange(100)
    wanted = np.concatenate([np.flatnonzero(sets < 100)[:5], np.flatnonzero(sets >= 100)[:50]])
    found = index.nearest(vectors[0], allowed, 50, only=np.sort(wanted))
    assert set(found.rows.tolist()) == set(np.flatnonzero(sets < 100)[:5].tolist())


def test_moving_removing_and_adding_equal_building_anew(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors, sets = clustered(800), rng.integers(0, 20, 800)
    index = FaissStore(DIMENSION, lists=64)
    index.add(np.arange(800), sets, vectors)
    index.remove(np.arange(0, 800, 5))
    index.move(np.arange(1, 800, 5), 7)
    sets[1::5] = 7
    there = np.ones(800, bool)
    there[::5] = False
    index.save(tmp_path)
    again = FaissStores().load(tmp_path, DIMENSION)
    for made in (index, again):
        for s in ([7], [1, 2, 7], list(range(20))):
            visible = np.isin(sets, s) & there
            found = made.nearest(vectors[3], np.array(s), 20)
            assert found.rows.tolist() == brute_force(vectors, visible, vectors[3], 20)


def test_more_reader_sets_than_lists_make_more_lists() -> None:
    vectors = clustered(100)
    index = FaissStore(DIMENSION, lists=4)
    for row in range(100):
        index.add(np.array([row]), 1000 + row, vectors[row : row + 1])
    assert index.nearest(vectors[42], np.array([1042]), 3).rows.tolist() == [42]
    assert index.nearest(vectors[42], np.arange(1000, 1100), 1).rows.tolist() == [42]


def test_rows_from_a_wrong_list_are_dropped_and_raise_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = FaissStore(DIMENSION, lists=8)
    vectors = clustered(20)
    index.add(np.arange(10), 1, vectors[:10])
    index.add(np.arange(10, 20), 2, vectors[10:])
    monkeypatch.setattr(
        InvertedLists,
        "scan",
        lambda self, code, numbers, k, slack, among: (np.arange(5, 20), np.arange(15)),
    )
    found = index.nearest(vectors[0], np.array([1]), 5)
    assert all(row < 10 for row in found.rows.tolist())
    assert not found.exact
    assert index.alarms > 0


EVERYTHING = 2**40  # more than any two products are apart


def test_a_row_that_has_lost_its_vector_is_dropped_and_raises_an_alarm() -> None:
    index = FaissStore(DIMENSION, lists=8)
    index.add(np.arange(10), 1, clustered(10))
    index._stored._slot.values[4] = -1
    found = index.nearest(clustered(10)[4], np.array([1]), 10)
    assert sorted(found.rows.tolist()) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert (found.exact, index.alarms) == (False, 1)


def test_a_row_that_is_in_no_list_cannot_be_taken_out_of_one() -> None:
    made, codes = ten_in_each_of_eight_lists()
    made.remove(np.array([31]), np.array([3]))
    with pytest.raises(IndexDamaged):
        made.remove(np.array([30, 31]), np.array([3, 3]))
    found, _ = made.scan(codes[0].astype(np.int16), np.array([3]), 80, 0, None)
    assert sorted(found.tolist()) == [30, *range(32, 40)]


def ten_in_each_of_eight_lists() -> tuple[InvertedLists, np.ndarray]:
    codes = np.rint(clustered(80) * 100).astype(np.float32)
    made = InvertedLists(DIMENSION, 8)
    made.add(np.arange(80), np.repeat(np.arange(8), 10), codes)
    return made, codes


def test_faiss_keeps_codes_as_they_are_given_in_the_lists_that_are_named() -> None:
    """The audit of the index type that we allow: an upgrade of FAISS that changes this must fail
    here.
    """
    assert ALLOWED_TYPES == ("IndexIVFScalarQuantizer",)
    made, codes = ten_in_each_of_eight_lists()
    for number in range(8):
        rows, held = made.contents(number)
        assert rows.tolist() == list(range(10 * number, 10 * number + 10))
        assert (held.astype(np.int64) - OFFSET == codes[rows]).all()


def test_a_scan_looks_into_the_lists_it_is_given_and_obeys_the_bits_beside_them() -> None:
    made, codes = ten_in_each_of_eight_lists()
    question, some, every = codes[0].astype(np.int16), np.array([3, 5]), np.arange(8)
    allowed = np.array([1, 8, 30, 31, 57, 79])

    def found(numbers: np.ndarray, among: np.ndarray | None) -> list[int]:
        rows: list[int] = np.sort(made.scan(question, numbers, 80, 0, among)[0]).tolist()
        return rows

    assert found(some, None) == [*range(30, 40), *range(50, 60)]
    assert found(every, bits_of(allowed, 80)) == allowed.tolist()
    assert found(some, bits_of(allowed, 80)) == [30, 31, 57]
    assert found(every, np.zeros(10, np.uint8)) == []
    # rows beyond the end of the bits are forbidden
    assert found(every, np.full(1, 255, np.uint8)) == list(range(8))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([1, 3, 64, 65, 100, 384]),
    k=st.integers(1, 300),
    slack=st.sampled_from([0, 1, 1_000, 100_000, EVERYTHING]),
)
def test_a_scan_keeps_all_that_is_near_the_best_and_nothing_else(
    seed: int, size: int, k: int, slack: int
) -> None:
    """Products of codes are whole numbers, so what is found depends on no order and no company."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-128, 128, (600, size)).astype(np.float32)
    codes[rng.integers(0, 600, 200)] = codes[0]  # ties
    made = InvertedLists(size, 9)
    numbers = rng.integers(0, 9, 600)
    made.add(np.arange(600), numbers, codes)
    gone = rng.permutation(600)[: rng.integers(0, 400)]
    made.remove(gone, numbers[gone])
    question = rng.integers(-127, 128, size).astype(np.int16)
    looked_into = np.flatnonzero(rng.random(9) < 0.6)
    rows, products = made.scan(question, looked_into, k, slack, None)
    there = np.setdiff1d(np.flatnonzero(np.isin(numbers, looked_into)), gone)
    truth = codes.astype(np.int64) @ question.astype(np.int64)
    least = np.sort(truth[there])[::-1][k - 1] - slack if k <= len(there) else truth.min()
    assert np.sort(rows).tolist() == there[truth[there] >= least].tolist()
    assert products.tolist() == truth[rows].tolist()


def test_faiss_itself_finds_the_same_in_the_same_lists() -> None:
    made, codes = ten_in_each_of_eight_lists()
    made.remove(np.array([31, 55, 56]), np.array([3, 5, 5]))
    made.add(np.array([31]), np.array([5]), codes[:1])
    index: Any = made._index
    some = np.array([[3, 5]])
    index.nprobe = 2
    scores, rows = index.search_preassigned(codes[:1], 7, some, np.zeros((1, 2), np.float32))
    found, products = made.scan(codes[0].astype(np.int16), some[0], 7, 0, None)
    assert dict(zip(found.tolist(), products.tolist(), strict=True)) == dict(
        zip(rows[0].tolist(), scores[0].astype(np.int64).tolist(), strict=True)
    )


def test_a_score_is_the_same_beside_whatever_other_rows() -> None:
    vectors = clustered(500, dimension=100)
    index = FaissStore(100, lists=8)
    index.add(np.arange(500), np.arange(500) % 5, vectors)
    every = index.nearest(vectors[3], np.arange(5), 500)
    alone = {int(row): score for row, score in zip(every.rows, every.scores, strict=True)}
    for sets in ([0], [1, 2], [4]):
        some = index.nearest(vectors[3], np.array(sets), 30)
        assert [alone[int(row)] for row in some.rows] == some.scores.tolist()


@pytest.mark.parametrize("kind", ["SQ8", "SQfp16"])
def test_an_index_type_that_was_not_audited_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ALLOWED_TYPES", (kind,))
    with pytest.raises(IndexDamaged):
        FaissStore(DIMENSION, lists=8)


def test_a_filter_of_many_rows_is_scanned_and_still_exact(
    filled: tuple[FaissStore, np.ndarray, np.ndarray],
) -> None:
    index, vectors, sets = filled
    allowed, wanted = np.arange(0, 10_000, 2), np.arange(0, 20_000, 3)
    visible = np.isin(sets, allowed) & np.isin(np.arange(20_000), wanted)
    assert visible.sum() > 3_000
    found = index.nearest(vectors[5], allowed, 20, only=wanted)
    assert found.exact
    assert found.candidates < 1_000
    assert found.rows.tolist() == brute_force(vectors, visible, vectors[5], 20)


def test_reader_sets_that_are_not_known_are_passed_over(
    filled: tuple[FaissStore, np.ndarray, np.ndarray],
) -> None:
    index, vectors, sets = filled
    found = index.nearest(vectors[0], np.array([7, 10_001, 10**9]), 10_000)
    assert sorted(found.rows.tolist()) == np.flatnonzero(sets == 7).tolist()
