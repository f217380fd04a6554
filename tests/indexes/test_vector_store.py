"""What every vector store is held to, whoever made it: the true best of what is visible."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.derived.vectors.faiss_store import FaissStore, FaissStores
from indexes.derived.vectors.store import Ranked, VectorStore, VectorStores
from indexes.errors import IndexDamaged
from indexes.search.searcher import Searcher
from indexes.testing import BruteForceStores
from tests.indexes.test_vectors import clustered, unit
from tests.world import MODES, TESTER, World, as_bytes

DIMENSION = 64
STORES: dict[str, Callable[[], VectorStores]] = {
    "faiss": FaissStores,
    "brute force": BruteForceStores,
}


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, few_lists: None) -> VectorStores:
    return STORES[request.param]()


@pytest.fixture
def few_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a fresh store costs little."""
    monkeypatch.setitem(FaissStore.__init__.__kwdefaults__, "lists", 4)  # type: ignore[arg-type]


class Model:
    """The definition of a store: a vector and a reader set by row."""

    def __init__(self) -> None:
        self.vectors: dict[int, np.ndarray] = {}
        self.sets: dict[int, int] = {}

    def nearest(
        self,
        query: np.ndarray,
        reader_sets: Iterable[int],
        k: int,
        only: Iterable[int] | None = None,
        ties: np.ndarray | None = None,
    ) -> list[tuple[int, float]]:
        view, among = set(reader_sets), None if only is None else set(only)
        rows = [r for r in self.vectors if self.sets[r] in view and (among is None or r in among)]
        precise = query.astype(np.float64)
        scores = {r: float((self.vectors[r] * precise).sum()) for r in rows}
        numbers = {r: 0 if ties is None or r >= len(ties) else int(ties[r]) for r in rows}
        return [(r, scores[r]) for r in sorted(rows, key=lambda r: (-scores[r], numbers[r], r))][:k]


def filled(stores: VectorStores, n: int = 400, sets: int = 12) -> tuple[VectorStore, Model]:
    """Rows with gaps between them, under some reader sets."""
    store, model = stores.empty(DIMENSION), Model()
    vectors, rng = clustered(n), np.random.default_rng(5)
    rows, of = np.arange(n) * 3 + 1, rng.integers(0, sets, n) * 7
    store.add(rows, of, vectors)
    model.vectors = dict(zip(rows.tolist(), vectors, strict=True))
    model.sets = dict(zip(rows.tolist(), of.tolist(), strict=True))
    return store, model


def assert_same(
    store: VectorStore,
    model: Model,
    query: np.ndarray,
    view: list[int],
    k: int,
    **how,
) -> None:
    found = store.nearest(query, np.array(sorted(view), np.int64), k, **how)
    assert found.exact
    ranked = list(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
    assert ranked == model.nearest(query, view, k, **how)


def assert_holds(store: VectorStore, model: Model) -> None:
    """Everything that can be looked at inside."""
    rows = sorted(model.vectors)
    assert len(store) == len(rows)
    assert store.alarms == 0
    assert store.rows().tolist() == rows
    assert store.held_reader_sets() == sorted(set(model.sets.values()))
    asked = np.array([*rows, 10**6], np.int64)
    assert store.reader_sets_of(asked).tolist() == [*(model.sets[row] for row in rows), -1]
    for reader_set in (*store.held_reader_sets(), 10**6):
        contents = store.contents(reader_set)
        there = [row for row in rows if model.sets[row] == reader_set]
        assert contents.consistent
        assert contents.rows.tolist() == there
        wanted = [model.vectors[row].tobytes() for row in there]
        assert [vector.tobytes() for vector in contents.vectors] == wanted


# --- searching ----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 50])
def test_the_best_of_a_view_are_those_of_the_definition(stores: VectorStores, k: int) -> None:
    store, model = filled(stores)
    rng = np.random.default_rng(k)
    for size in (1, 2, 5, 12):
        view = (rng.choice(12, size, replace=False) * 7).tolist()
        query = unit(model.vectors[1] + 0.1 * rng.standard_normal(DIMENSION))
        assert_same(store, model, query, view, k)


def test_a_filter_narrows_the_view_and_never_widens_it(stores: VectorStores) -> None:
    store, model = filled(stores, 2_000)
    query = model.vectors[1]
    for step in (2, 50):
        only = np.arange(0, 6_001, step)
        assert_same(store, model, query, [0, 7, 14], 20, only=only)
    nothing = np.empty(0, np.int64)
    assert store.nearest(query, np.array([0, 7]), 20, nothing).rows.tolist() == []


def test_rows_that_are_not_visible_are_never_found_however_near(stores: VectorStores) -> None:
    store, model = filled(stores)
    query = model.vectors[1]
    before = store.nearest(query, np.array([0, 7]), 30)
    store.add(np.arange(5_000, 5_500), 3, np.tile(query, (500, 1)))
    store.add(np.arange(6_000, 6_100), 10**5, np.tile(query, (100, 1)))
    after = store.nearest(query, np.array([0, 7]), 30)
    assert after.rows.tolist() == before.rows.tolist()
    assert after.scores.tobytes() == before.scores.tobytes()
    assert store.nearest(query, np.array([3]), 1_000).rows.tolist() == list(range(5_000, 5_500))


def test_more_are_wanted_than_there_are(stores: VectorStores) -> None:
    store, model = filled(stores)
    assert_same(store, model, model.vectors[1], [7, 21], 10**6)
    assert_same(store, model, model.vectors[1], [7, 21], 0)


def test_a_view_of_nothing_finds_nothing(stores: VectorStores) -> None:
    store, model = filled(stores)
    query, only = model.vectors[1], np.arange(100)
    for view in ([], [1], [10**9]):
        for among in (None, only):
            found = store.nearest(query, np.array(view, np.int64), 5, among)
            assert (found.rows.tolist(), found.scores.tolist(), found.exact) == ([], [], True)
    assert store.nearest(query, np.array([0, 1, 10**9]), 10**4).rows.tolist() != []
    assert stores.empty(DIMENSION).nearest(query, np.array([0]), 5).rows.tolist() == []


def test_equal_scores_stand_by_the_numbers_given_then_by_row(stores: VectorStores) -> None:
    store, model = stores.empty(DIMENSION), Model()
    vectors = np.tile(clustered(3), (20, 1))
    store.add(np.arange(60), 1, vectors)
    model.vectors, model.sets = dict(enumerate(vectors)), dict.fromkeys(range(60), 1)
    ties = np.random.default_rng(7).integers(-3, 3, 50)  # shorter than there are rows
    for k in (3, 20, 45):
        assert_same(store, model, vectors[0], [1], k, ties=ties)
        assert_same(store, model, vectors[0], [1], k)
        assert_same(store, model, vectors[0], [1], k, only=np.arange(0, 60, 2), ties=ties)


# --- writing ------------------------------------------------------------------------------------

rows_of_a_step = st.lists(st.integers(0, 40), max_size=12, unique=True)
steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "move"]), rows_of_a_step, st.integers(0, 5)),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(changes=steps, one_by_one=st.booleans())
@pytest.mark.parametrize("kind", STORES)
def test_whatever_is_added_removed_and_moved_equals_the_definition(
    kind: str, changes: list[tuple[str, list[int], int]], one_by_one: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched, TemporaryDirectory() as folder:
        patched.setitem(FaissStore.__init__.__kwdefaults__, "lists", 2)  # type: ignore[arg-type]
        stores = STORES[kind]()
        store, model = stores.empty(DIMENSION), Model()
        for number, (change, rows, reader_set) in enumerate(changes):
            apply(store, model, change, rows, reader_set, one_by_one, seed=number)
        store.save(Path(folder))
        for each in (store, stores.load(Path(folder), DIMENSION)):
            assert_holds(each, model)
            for view in ([0], [1, 2, 5], list(range(6))):
                assert_same(each, model, clustered(1)[0], view, 9)


def apply(
    store: VectorStore, model: Model, change: str, rows: list[int], reader_set: int,
    one_by_one: bool, seed: int,
) -> None:  # fmt: skip
    if change == "add":
        rows = [row for row in rows if row not in model.vectors]
    where = np.array([(reader_set + row * one_by_one) % 6 for row in rows], np.int64)
    given = where if one_by_one else reader_set
    here = [row for row in rows if row in model.vectors]
    if change == "add":
        vectors = clustered(max(len(rows), 1), seed)[: len(rows)]
        store.add(np.array(rows, np.int64), given, vectors)
        model.vectors.update(zip(rows, vectors, strict=True))
        model.sets.update(zip(rows, where.tolist(), strict=True))
    elif change == "remove":
        store.remove(np.array(rows, np.int64))
        for row in here:
            del model.vectors[row], model.sets[row]
    else:
        store.move(np.array(rows, np.int64), given)
        moved = dict(zip(rows, where.tolist(), strict=True))
        model.sets.update({row: moved[row] for row in here})


def test_a_row_that_comes_again_has_its_new_vector(stores: VectorStores) -> None:
    store, model = filled(stores)
    row, vector = np.array([1]), unit(-model.vectors[1])
    store.remove(row)
    assert 1 not in store.nearest(model.vectors[1], np.arange(100), 10**4).rows.tolist()
    store.add(row, 84, vector[None])
    model.vectors[1], model.sets[1] = vector, 84
    assert_same(store, model, vector, [84], 3)
    assert_holds(store, model)


def test_an_empty_one_of_the_same_kind_takes_nothing_from_the_other(stores: VectorStores) -> None:
    store, model = filled(stores)
    empty = store.make_empty()
    assert_holds(empty, Model())
    empty.add(np.array([1]), 9, model.vectors[1][None])
    assert empty.nearest(model.vectors[1], np.array([9]), 3).rows.tolist() == [1]
    assert_holds(store, model)


def test_arrays_that_cannot_be_written_to_are_taken_as_others_are(stores: VectorStores) -> None:
    """Those of a checkpoint are mapped from its files."""
    store, model = filled(stores)

    def fixed(*numbers: int) -> np.ndarray:
        made = np.array(numbers, np.int64)
        made.flags.writeable = False
        return made

    vectors = np.stack([*model.vectors.values()][:2])
    vectors.flags.writeable = False
    store.add(fixed(10_000, 10_001), fixed(7, 0), vectors)
    store.move(fixed(10_001), fixed(7))
    assert store.reader_sets_of(fixed(10_000, 10_001)).tolist() == [7, 7]
    found = store.nearest(vectors[0], fixed(7), 1, fixed(10_000, 10_001), None, fixed(1, 2, 3))
    assert found.rows.tolist() == [10_000]
    store.remove(fixed(10_000, 10_001))
    assert store.reader_sets_of(fixed(10_000, 10_001)).tolist() == [-1, -1]


# --- checkpoints --------------------------------------------------------------------------------


def test_what_is_loaded_answers_as_what_was_saved(stores: VectorStores, tmp_path: Path) -> None:
    store, model = filled(stores)
    store.remove(np.arange(1, 300, 6))
    store.save(tmp_path)
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"vectors"}
    loaded = stores.load(tmp_path, DIMENSION)
    for path in tmp_path.iterdir():
        path.unlink()  # another process may put a newer checkpoint into place
    for view in ([0, 7], [7 * number for number in range(12)]):
        one, other = (s.nearest(model.vectors[1], np.array(view), 40) for s in (store, loaded))
        assert one.rows.tobytes() == other.rows.tobytes()
        assert one.scores.tobytes() == other.scores.tobytes()
    loaded.add(np.array([10_000]), 7, model.vectors[1][None])  # it can be written to
    loaded.move(np.array([10_000]), 0)
    assert loaded.reader_sets_of(np.array([10_000])).tolist() == [0]


def test_what_cannot_be_used_is_refused_when_it_is_loaded(
    stores: VectorStores,
    tmp_path: Path,
) -> None:
    store, _ = filled(stores)
    store.save(tmp_path)
    with pytest.raises(IndexDamaged):
        stores.load(tmp_path, DIMENSION + 1)
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:40])
        with pytest.raises(IndexDamaged):
            stores.load(tmp_path, DIMENSION)
        path.unlink()
        with pytest.raises(IndexDamaged):
            stores.load(tmp_path, DIMENSION)
        path.write_bytes(content)
    assert len(stores.load(tmp_path, DIMENSION)) == 400


# --- the whole search ---------------------------------------------------------------------------


def answers(world: World) -> list[bytes]:
    return [
        as_bytes(world.search(user, question, k=4, mode=mode))
        for user in ("ada", "bob", "eve")
        for question in ("When do salaries rise?", "canteen soup", "pump E1027")
        for mode in MODES
    ]


def test_a_whole_search_over_any_store_says_the_same(stores: VectorStores, world: World) -> None:
    def started() -> Searcher:
        return Searcher(world.catalog, world.embedder, world.settings, stores=stores)

    world.people(ada=["hr"], bob=["eng"], eve=[])
    world.put("salaries", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put("pumps", "Part AB-12/4 replaces pump E1027", "group:eng")
    world.put("menu", "The canteen serves soup on Monday", "public")
    usual, other = world.searcher, started()
    for change in (
        lambda: world.put("bonus", "Salaries and a bonus", "group:hr", "group:eng"),
        lambda: world.relabel("salaries", "group:eng"),
        lambda: world.catalog.documents.delete("menu", by=TESTER),
        other.corpus.maintenance.rebuild,
    ):
        change()
        world.searcher = usual
        expected = answers(world)
        world.searcher = other
        assert answers(world) == expected
    other.corpus.maintenance.run()  # whether it learns topics or not
    world.searcher = started()
    assert world.searcher.status().alarms == 0
    assert answers(world) == expected


def test_the_contract_catches_a_store_that_filters_after_ranking(
    few_lists: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = FaissStore.nearest

    def filtered_afterwards(
        self: FaissStore,
        query: np.ndarray,
        reader_sets: np.ndarray,
        k: int,
        *_: object,
    ) -> Ranked:
        found = honest(self, query, np.arange(10**3), 30)
        kept = np.isin(self.reader_sets_of(found.rows), reader_sets)
        return Ranked(found.rows[kept][:k], found.scores[kept][:k], True, 0)

    monkeypatch.setattr(FaissStore, "nearest", filtered_afterwards)
    with pytest.raises(AssertionError):
        test_rows_that_are_not_visible_are_never_found_however_near(FaissStores())
