"""P3: the true best of what is visible, whatever the selectivity, and no trap of FAISS on the way."""

from collections.abc import Callable, Iterator

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.derived.vectors import lists
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.vectors.lists import ALLOWED_TYPES, NO_NEIGHBOUR, InvertedLists
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


def test_moving_removing_and_adding_equal_building_anew() -> None:
    rng = np.random.default_rng(3)
    vectors, sets = clustered(800), rng.integers(0, 20, 800)
    index = FaissStore(DIMENSION, lists=64)
    index.add(np.arange(800), sets, vectors)
    index.remove(np.arange(0, 800, 5))
    index.move(np.arange(1, 800, 5), 7)
    sets[1::5] = 7
    there = np.ones(800, bool)
    there[::5] = False
    again = FaissStore.from_arrays(DIMENSION, index.arrays())
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
        "search",
        lambda self, code, numbers, k, among: (
            np.arange(19, 19 - k, -1),
            np.linspace(9e9, 8e9, k, dtype=np.float32),
        ),
    )
    found = index.nearest(vectors[0], np.array([1]), 5)
    assert all(row < 10 for row in found.rows.tolist())
    assert not found.exact
    assert index.alarms > 0


def ten_in_each_of_eight_lists() -> tuple[InvertedLists, np.ndarray]:
    codes = np.rint(clustered(80) * 100).astype(np.float32)
    made = InvertedLists(DIMENSION, 8)
    made.add(np.arange(80), np.repeat(np.arange(8), 10), codes)
    return made, codes


def test_faiss_obeys_the_lists_it_is_given_and_pads_short_answers() -> None:
    """The audit of the index type that we allow: an upgrade of FAISS that changes this must fail
    here.
    """
    assert ALLOWED_TYPES == ("IndexIVFScalarQuantizer",)
    made, codes = ten_in_each_of_eight_lists()
    found, _ = made.search(codes[0], np.array([3, 5]), 40, None)
    assert set(found[:20].tolist()) == set(range(30, 40)) | set(range(50, 60))
    assert set(found[20:].tolist()) == {NO_NEIGHBOUR}


def test_faiss_obeys_the_selector_it_is_given_beside_the_lists() -> None:
    """The other half of the audit: a selector that is ignored shows forbidden rows."""
    made, codes = ten_in_each_of_eight_lists()
    allowed = np.array([1, 8, 30, 31, 57, 79])
    found, _ = made.search(codes[0], np.arange(8), 80, bits_of(allowed, 80))
    assert sorted(found[:6].tolist()) == allowed.tolist()
    assert set(found[6:].tolist()) == {NO_NEIGHBOUR}
    found, _ = made.search(codes[0], np.array([3, 5]), 80, bits_of(allowed, 80))
    assert sorted(found[:3].tolist()) == [30, 31, 57]
    assert set(found[3:].tolist()) == {NO_NEIGHBOUR}


def test_a_selector_of_nothing_finds_nothing_and_rows_beyond_its_end_are_forbidden() -> None:
    made, codes = ten_in_each_of_eight_lists()
    nothing, _ = made.search(codes[0], np.arange(8), 80, np.zeros(10, np.uint8))
    assert set(nothing.tolist()) == {NO_NEIGHBOUR}
    short, _ = made.search(codes[0], np.arange(8), 80, np.full(1, 255, np.uint8))
    assert sorted(short[:8].tolist()) == list(range(8))
    assert set(short[8:].tolist()) == {NO_NEIGHBOUR}


def test_scores_of_codes_are_whole_numbers_without_rounding() -> None:
    """On this rests that what is found never depends on the order or the company in which rows were
    added.
    """
    rng = np.random.default_rng(8)
    codes = rng.integers(-128, 128, (300, 1024)).astype(np.float32)
    made = InvertedLists(1024, 1)
    made.add(np.arange(300), np.zeros(300, np.int64), codes)
    question = rng.integers(-127, 128, 1024).astype(np.float32)
    rows, scores = made.search(question, np.array([0]), 300, None)
    exact = codes[rows].astype(np.int64) @ question.astype(np.int64)
    assert scores.astype(np.int64).tolist() == exact.tolist()


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
