"""Views too large to look at every passage: approximate, good, inside the clearance, and blind to
everything else.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.catalog import Catalog
from indexes.derived.vectors import array_files, faiss_store, topics
from indexes.derived.vectors.codes import CodedQuery, encode
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.vectors.lists import InvertedLists
from indexes.derived.vectors.selectors import Selectors, bits_of
from indexes.derived.vectors.topics import Topics, learn_centroids, number_of_topics, sample_rows
from indexes.model import Principal, SearchResult
from tests.indexes.test_vectors import brute_force, clustered, unit
from tests.world import TESTER, World, as_bytes

LIMIT = 50
WORDS = [
    "budget",
    "canteen",
    "salary",
    "alpha",
    "beta",
    "gamma",
    "delta",
    "report",
    "plan",
    "minutes",
    "预算",
    "工资",
]
QUESTIONS = ("salary report", "alpha beta plan", "预算 minutes")


def by_topic(vectors: np.ndarray, sets: np.ndarray, *, limit: int) -> FaissStore:
    codes = encode(vectors[sample_rows(np.arange(len(vectors)))])
    centroids = learn_centroids(codes, number_of_topics(len(vectors)))
    assert centroids is not None
    index = FaissStore(vectors.shape[1], scan_limit=limit, topics=Topics(centroids))
    index.add(np.arange(len(vectors)), sets, vectors)
    return index


@pytest.fixture(autouse=True)
def _budget_for_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one is meant for hundreds of thousands of rows."""
    monkeypatch.setattr(faiss_store, "_LEAST_BUDGETS", 1)
    monkeypatch.setattr(topics, "BUDGET", 4_000)
    monkeypatch.setattr(topics, "BUDGET_PER_HIT", 200)


@pytest.fixture(scope="module")
def large() -> tuple[FaissStore, np.ndarray, np.ndarray]:
    vectors = clustered(20_000)
    sets = np.random.default_rng(1).integers(0, 100, len(vectors))
    return by_topic(vectors, sets, limit=5_000), vectors, sets


def near(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return unit(vectors[rng.integers(len(vectors))] + 0.05 * rng.standard_normal(vectors.shape[1]))


def test_a_large_view_is_approximate_and_a_small_one_exact(
    large: tuple[FaissStore, np.ndarray, np.ndarray],
) -> None:
    index, vectors, sets = large
    assert index.nearest(vectors[0], np.arange(20), 5).exact
    found = index.nearest(vectors[0], np.arange(50), 5)
    assert not found.exact
    assert np.isin(sets[found.rows], np.arange(50)).all()


def recall(
    index: FaissStore, vectors: np.ndarray, sets: np.ndarray, allowed: np.ndarray, k: int
) -> float:
    rng, visible = np.random.default_rng(4), np.isin(sets, allowed)
    shares = []
    for _ in range(40):
        query = near(vectors, rng)
        found = index.nearest(query, allowed, k)
        assert not found.exact
        assert visible[found.rows].all()
        shares.append(
            len(set(found.rows.tolist()) & set(brute_force(vectors, visible, query, k))) / k
        )
    return float(np.mean(shares))


@pytest.mark.slow
def test_nearly_all_of_the_true_best_are_found_in_large_views() -> None:
    vectors = clustered(60_000)
    sets = np.random.default_rng(1).integers(0, 100, len(vectors))
    index = by_topic(vectors, sets, limit=8_000)
    for share in (25, 50, 100):
        assert recall(index, vectors, sets, np.arange(share), 10) >= 0.99


def test_a_short_answer_falls_back_to_looking_at_everything(
    large: tuple[FaissStore, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, vectors, sets = large
    monkeypatch.setattr(Topics, "candidates", lambda self, *_: np.arange(3))
    allowed = np.arange(50)
    found = index.nearest(vectors[9], allowed, 10)
    assert found.exact
    assert found.rows.tolist() == brute_force(vectors, np.isin(sets, allowed), vectors[9], 10)


def test_many_copies_of_one_passage_are_ranked_by_row() -> None:
    """All their codes are equal, so that codes alone could not say which come first."""
    vectors = np.repeat(clustered(1), 9_000, axis=0)
    index = by_topic(np.concatenate([vectors, clustered(1_000)]), np.arange(10_000) % 2, limit=100)
    assert index.nearest(vectors[0], np.array([1]), 5).rows.tolist() == [1, 3, 5, 7, 9]


def test_more_hits_than_a_budget_allows_are_found_by_looking_at_everything(
    large: tuple[FaissStore, np.ndarray, np.ndarray],
) -> None:
    index, vectors, _ = large
    assert index.nearest(vectors[0], np.arange(100), 1_000).exact


def test_a_filter_narrows_a_large_view(large: tuple[FaissStore, np.ndarray, np.ndarray]) -> None:
    index, vectors, sets = large
    wanted, allowed = np.arange(0, 20_000, 2), np.arange(0, 90)
    found = index.nearest(vectors[4], allowed, 10, only=wanted)
    assert len(found.rows) == 10
    assert (found.rows % 2 == 0).all()
    assert (sets[found.rows] < 90).all()


def test_moving_adding_and_removing_are_seen_by_the_next_search() -> None:
    vectors = clustered(3_000)
    sets = np.arange(3_000) % 4
    index = by_topic(vectors[:2_900], sets[:2_900], limit=100)
    allowed = np.array([0, 1, 2])

    def first(row: int) -> bool:
        return bool(index.nearest(vectors[row], allowed, 1).rows[0] == row)

    index.add(np.arange(2_900, 3_000), 2, vectors[2_900:])
    assert first(2_950)
    index.move(np.array([2_950]), 3)
    assert not first(2_950)
    index.move(np.array([2_950]), 1)
    assert first(2_950)
    index.remove(np.array([2_950]))
    assert not first(2_950)


def test_rows_from_outside_a_large_view_are_dropped_and_raise_an_alarm(
    large: tuple[FaissStore, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, vectors, sets = large
    honest = InvertedLists.scan
    before = index.alarms
    monkeypatch.setattr(
        InvertedLists,
        "scan",
        lambda self, code, numbers, k, slack, among: honest(self, code, numbers, k, slack, None),
    )
    found = index.nearest(vectors[0], np.arange(50), 10)
    assert (sets[found.rows] < 50).all()
    assert index.alarms > before


def test_the_bits_of_views_are_kept_within_a_bound_and_made_once() -> None:
    kept, made = Selectors(most_bytes=250), []

    def bits() -> np.ndarray:
        made.append(1)
        return np.zeros(100, np.uint8)

    for name in ("a", "a", "b", "a", "c", "a", None, None):
        kept.get(name, bits)
    assert len(made) == 5
    kept.get("b", bits)
    assert len(made) == 6


def test_topics_do_not_depend_on_what_was_added_together() -> None:
    codes = encode(clustered(3_000, dimension=384))
    centroids = learn_centroids(codes, 200)
    assert centroids is not None
    at_once, one_by_one = Topics(centroids), Topics(centroids)
    rows = np.arange(3_000)
    at_once.add(rows, codes)
    for row in np.random.default_rng(0).permutation(rows)[:500]:
        one_by_one.add(np.array([row]), codes[row : row + 1])
    there = one_by_one.rows()
    assert one_by_one.topics_of(there).tolist() == at_once.topics_of(there).tolist()


def test_candidates_do_not_depend_on_the_order_in_which_rows_came_in() -> None:
    vectors = np.repeat(clustered(500), 8, axis=0)  # every code eight times
    codes, rows = encode(vectors), np.arange(4_000)
    centroids = learn_centroids(codes, 60)
    assert centroids is not None
    query, among = CodedQuery.of(clustered(1, seed=5)[0]), bits_of(rows[rows % 3 > 0], 4_000)
    found = []
    for seed in range(4):
        made = Topics(centroids)
        for part in np.array_split(np.random.default_rng(seed).permutation(rows), 7):
            made.add(part, codes[part])
        found.append(np.sort(made.candidates(query, 2_666, 10, 101, among)).tolist())
    assert 101 <= len(found[0]) < 110  # and those that are as good as the last of them
    assert found[0] == found[1] == found[2] == found[3]


def test_learning_can_be_stopped() -> None:
    assert learn_centroids(encode(clustered(2_000)), 50, stop=lambda: True) is None


# --- in a corpus --------------------------------------------------------------------------------


def new_world(home: Path) -> World:
    """Some hundred passages, searched by topic: a budget that leaves most topics out."""
    world = World(home, exact_scan_limit=LIMIT)
    world.people(ada=["hr"], bob=["board"])
    rng = np.random.default_rng(3)
    for number in range(40):
        bodies = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(5)]
        world.put(f"doc{number}", bodies, "group:hr" if number % 3 else "group:board")
    world.searcher.view_id(ada())
    world.searcher.corpus.maintenance.run()
    return world


def ada() -> Principal:

    return Principal(name="user:ada")


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "BUDGET", 20)
    monkeypatch.setattr(topics, "BUDGET_PER_HIT", 1)
    monkeypatch.setattr(topics, "FEWEST_TOPICS", 2)


@pytest.fixture(scope="module")
def template() -> Path:
    home = Path(tempfile.mkdtemp(prefix="clearance-topics-"))
    world = new_world(home)
    world.searcher.corpus.maintenance.save()
    world.close()
    return home


def opened(template: Path, home: Path) -> World:
    shutil.copytree(template, home, dirs_exist_ok=True)
    return World(home, exact_scan_limit=LIMIT)


def answers(world: World) -> list[bytes]:
    """What ada is told, and on what it rests: deeper rankings than thinning leaves of them."""
    with world.searcher.corpus.everything() as (state, derived):
        mine = state.reader_sets(ada())
        found = [
            derived.vectors.nearest(world.embedder.query(question), mine, 15)
            for question in QUESTIONS
        ]
    assert "approximate" in {result.exactness for result in results(world)}
    assert not all(ranked.exact for ranked in found)
    return [as_bytes(result) for result in results(world)] + [
        f.rows.tobytes() + f.scores.tobytes() for f in found
    ]


def results(world: World) -> list[SearchResult]:
    return [
        world.search("ada", question, k=5, mode=mode)
        for question in QUESTIONS
        for mode in ("dense", "hybrid")
    ]


def test_large_views_are_searched_by_topic_once_the_corpus_was_tended(
    template: Path, tmp_path: Path
) -> None:
    world = opened(template, tmp_path)
    generation = world.catalog.generations.active()
    assert generation is not None
    assert world.catalog.generations.centroids(generation) is not None
    assert {result.exactness for result in results(world)} == {"exact"}, (
        "a budget of thousands covers this corpus"
    )
    world.close()


@pytest.mark.usefixtures("small_budget")
def test_until_topics_are_learnt_a_large_view_is_searched_exactly(tmp_path: Path) -> None:
    world = World(tmp_path, exact_scan_limit=5)
    world.people(ada=["hr"])
    for number in range(30):
        world.put(f"doc{number}", f"{WORDS[number % 9]} {WORDS[number % 7]} {number}", "group:hr")
    assert world.search("ada", "salary", k=2, mode="dense").exactness == "exact"
    world.searcher.corpus.maintenance.run()
    assert world.search("ada", "salary", k=2, mode="dense").exactness == "approximate"
    world.close()


def test_the_first_process_to_learn_decides_for_all(template: Path, tmp_path: Path) -> None:
    world = opened(template, tmp_path)
    generation = world.catalog.generations.active()
    assert generation is not None
    first = world.catalog.generations.centroids(generation)
    assert first is not None
    second = world.catalog.generations.keep_centroids(
        generation, np.zeros((3, generation.dimension), np.int8), by=TESTER
    )
    assert second.tolist() == first.tolist()
    world.close()


def test_a_catalog_whose_generation_is_dropped_forgets_its_topics(tmp_path: Path) -> None:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/c.sqlite")
    catalog.generations.ensure("one", "1" * 64, 4, by=TESTER)
    other = catalog.generations.begin("two", "2" * 64, 4, by=TESTER)
    catalog.generations.keep_centroids(other, np.ones((2, 4), np.int8), by=TESTER)
    catalog.generations.drop(other, by=TESTER)
    assert catalog.generations.centroids(other) is None
    catalog.close()


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, str]]:
    body = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
    change = st.sampled_from(["add", "replace", "delete", "relabel", "copy"])
    return draw(st.lists(st.tuples(change, st.integers(0, 50), body), min_size=1, max_size=8))


def edit_hidden(world: World, changes: list[tuple[str, int, str]]) -> None:
    hidden = [f"doc{number}" for number in range(0, 40, 3)]
    for number, (change, which, body) in enumerate(changes):
        uri = hidden[which % len(hidden)] if hidden else "none"
        if change == "add":
            world.put(f"new{number}", [body] * (1 + which % 40), "group:board")
        elif change == "copy":  # exactly what the asker finds, but hidden
            texts = [
                hit.text
                for question in QUESTIONS
                for hit in world.search("ada", question, k=5).hits
            ]
            world.put(f"copy{number}", texts, "group:board")
        elif change == "replace" and hidden:
            world.put(uri, [body, body], "group:board")
        elif change == "relabel" and hidden:
            world.relabel(uri, *(["group:board", f"user:other{which}"] if which % 2 else []))
        elif change == "delete" and hidden:
            world.catalog.documents.delete(uri, by=TESTER)
            hidden.remove(uri)


@pytest.mark.slow
@pytest.mark.usefixtures("small_budget")
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(edits())
def test_inside_a_generation_hidden_documents_change_no_byte(template: Path, changes: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = opened(template, Path(folder))
        before = answers(world)
        edit_hidden(world, changes)
        assert answers(world) == before
        world.searcher = world.new_searcher()
        assert answers(world) == before, "after a restart from an older checkpoint"
        world.searcher.corpus.maintenance.rebuild()
        assert answers(world) == before, "after a rebuild"
        shutil.rmtree(Path(folder) / "derived")
        world.searcher = world.new_searcher()
        world.searcher.corpus.maintenance.run()
        assert answers(world) == before, "after the derived files were deleted"
        world.close()


@pytest.mark.usefixtures("small_budget")
def test_the_comparison_catches_centroids_that_follow_hidden_documents(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = opened(template, tmp_path)
    before = answers(world)
    for number in range(60):
        world.put(
            f"hidden{number}",
            [f"salary report {number}", f"alpha beta {number}", "plan"],
            "group:board",
        )
    with world.searcher.corpus.everything() as (_, derived):
        assert isinstance(derived.vectors, FaissStore)
        _, codes = derived.vectors.codes(derived.vectors.rows())
    learnt = learn_centroids(codes, number_of_topics(len(codes)))
    monkeypatch.setattr(
        "indexes.catalog.reading.ReadState.centroids", lambda self, generation: learnt
    )
    shutil.rmtree(tmp_path / "derived")
    world.searcher = world.new_searcher()
    assert answers(world) != before
    world.close()


@pytest.mark.usefixtures("small_budget")
def test_readers_taken_away_hold_in_a_search_by_topic_at_once(
    template: Path, tmp_path: Path
) -> None:
    world = opened(template, tmp_path)
    seen = {hit.title for result in results(world) for hit in result.hits}
    gone = sorted(seen)[0]
    world.relabel(gone, "group:board")
    after = results(world)
    assert "approximate" in {result.exactness for result in after}
    assert gone not in {hit.title for result in after for hit in result.hits}
    world.relabel(gone, "group:hr")
    assert {hit.title for result in results(world) for hit in result.hits} == seen
    world.close()


@pytest.mark.parametrize("at_once", [1, 700, 65_536])
def test_topics_of_a_checkpoint_are_those_that_were_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Lists and codes to the letter, however many are filled together."""
    monkeypatch.setattr(topics, "_FILLED_AT_ONCE", at_once)
    vectors, random = clustered(3_000, seed=5), np.random.default_rng(5)
    saved = by_topic(vectors, random.integers(1, 9, len(vectors)), limit=LIMIT)
    gone = random.choice(len(vectors), 400, replace=False)
    saved.remove(np.sort(gone))
    saved.save(tmp_path)
    arrays = array_files.open_arrays(tmp_path)
    held = saved._topics
    assert held is not None
    loaded = FaissStore.from_arrays(
        vectors.shape[1], arrays, scan_limit=LIMIT, centroids=held.centroids
    )._topics
    assert loaded is not None
    assert len(loaded) == len(held) == len(vectors) - 400
    for number in range(len(held.centroids)):
        rows, codes = held._lists.contents(number)
        read_rows, read_codes = loaded._lists.contents(number)
        kept, read = np.argsort(rows), np.argsort(read_rows)
        assert np.array_equal(rows[kept], read_rows[read])
        assert np.array_equal(codes[kept], read_codes[read])
