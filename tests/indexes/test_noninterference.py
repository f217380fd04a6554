"""P1: documents that a caller may not read cannot change one byte of what the caller gets."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.catalog.index_input import Mark
from indexes.catalog.reading import ReadState
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.vectors.store import Ranked
from tests.databases import examples
from tests.quick import QUICK
from tests.world import MODES, TESTER, World, as_bytes

WORDS = [
    "budget",
    "ISO-27001",
    "alpha",
    "beta",
    "salary",
    "canteen",
    "预算",
    "預算",
    "工资",
    "一百二十",
    "the",
    "of",
]
GROUPS = ["hr", "eng", "board"]

text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
texts = st.lists(text, min_size=1, max_size=3)
readers = st.sets(st.sampled_from([f"group:{g}" for g in GROUPS]), max_size=2)


@st.composite
def scenarios(draw: st.DrawFn) -> tuple:
    """Documents with readers, what happens to hidden ones, and the asker's one group."""
    documents = draw(st.lists(st.tuples(texts, readers), min_size=1, max_size=8))
    mine = draw(st.sampled_from(GROUPS))
    hidden = st.sets(st.sampled_from([f"group:{g}" for g in GROUPS if g != mine]), max_size=2)
    change = st.sampled_from(["add", "replace", "delete", "relabel", "join"])
    edits = draw(
        st.lists(st.tuples(change, st.integers(0, 20), texts, hidden), min_size=1, max_size=6)
    )
    return documents, mine, edits, draw(text)


def answers(world: World, question: str) -> list[bytes]:
    return [as_bytes(world.search("ada", question, mode=mode)) for mode in MODES]


def edit_hidden(world: World, mine: str, edits: list, readers_of: dict[str, set[str]]) -> None:
    for number, (change, which, new_texts, new_readers) in enumerate(edits):
        hidden = sorted(uri for uri, names in readers_of.items() if f"group:{mine}" not in names)
        uri = hidden[which % len(hidden)] if hidden else None
        if change == "add":
            world.put(f"new{number}", new_texts, *new_readers)
            readers_of[f"new{number}"] = new_readers
        elif change == "join":
            world.catalog.people.add_user(f"other{number}", by=TESTER)
            world.catalog.people.add_member(
                next(g for g in GROUPS if g != mine), f"user:other{number}", by=TESTER
            )
        elif uri is None:
            continue
        elif change == "replace":
            world.put(uri, new_texts, *new_readers)
            readers_of[uri] = new_readers
        elif change == "relabel":
            world.relabel(uri, *new_readers)
            readers_of[uri] = new_readers
        else:
            world.catalog.documents.delete(uri, by=TESTER)
            del readers_of[uri]


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_hidden_documents_change_no_byte_of_a_search(scenario: tuple) -> None:
    documents, mine, edits, question = scenario
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        world = World(Path(folder))
        world.people(ada=[mine], bob=GROUPS)
        readers_of = {}
        for number, (body, names) in enumerate(documents):
            world.put(f"doc{number}", body, *names)
            readers_of[f"doc{number}"] = names
        before = answers(world, question)
        edit_hidden(world, mine, edits, readers_of)
        assert answers(world, question) == before, "while nothing hidden has been followed"
        world.searcher.status()
        assert answers(world, question) == before, "when everything has been followed"
        world.searcher = world.new_searcher()
        assert answers(world, question) == before, "after a restart"
        world.searcher.corpus.maintenance.rebuild()
        assert answers(world, question) == before, "after a rebuild"
        world.close()


# --- the same comparison must catch leaks that other systems have -------------------------------


def leaks(home: Path) -> bool:
    """Whether hidden documents change an answer."""
    world = World(home)
    world.people(ada=["hr"], bob=["board"])
    for number in range(12):
        world.put(
            f"visible{number}", f"alpha {'beta ' * (number % 4)} salary report {number}", "group:hr"
        )
    before = answers(world, "alpha beta salary 3")
    for number in range(60):
        world.put(f"hidden{number}", f"beta beta salary alpha {number}", "group:board")
    world.searcher.status()  # follows everything
    after = answers(world, "alpha beta salary 3")
    world.close()
    return before != after


def test_the_comparison_finds_nothing_where_nothing_is_planted(tmp_path: Path) -> None:
    assert not leaks(tmp_path)


def test_the_comparison_catches_statistics_over_all_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = KeywordIndex.rank

    def over_all(
        self: KeywordIndex, question: str, reader_sets: np.ndarray, k: int, **options
    ) -> tuple:
        everything = np.arange(1000, dtype=np.int64)
        rows, scores, ceiling = honest(self, question, everything, 10_000, **options)
        mine, _, _ = honest(self, question, reader_sets, 10_000, **options)
        kept = np.isin(rows, mine)
        return rows[kept][:k], scores[kept][:k], ceiling

    monkeypatch.setattr(KeywordIndex, "rank", over_all)
    assert leaks(tmp_path)


def test_the_comparison_catches_filtering_after_the_ranking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = FaissStore.nearest

    def filtered_afterwards(
        self: FaissStore,
        query: np.ndarray,
        reader_sets: np.ndarray,
        k: int,
        *_: object,
    ) -> Ranked:
        ranked = honest(self, query, np.arange(1000, dtype=np.int64), 15)
        mine = honest(self, query, reader_sets, 10_000).rows
        kept = np.isin(ranked.rows, mine)
        return Ranked(ranked.rows[kept][:k], ranked.scores[kept][:k], True, 0)

    monkeypatch.setattr(FaissStore, "nearest", filtered_afterwards)
    assert leaks(tmp_path)


def count_hidden_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views whose ids are made from the state of the whole catalog, anew each time."""
    honest = DerivedIndexes.reader_sets_behind

    def remembering(self: DerivedIndexes, state: ReadState, newest: Mark) -> list[int] | None:
        self.__dict__["number"] = state.mark.number
        return honest(self, state, newest)

    monkeypatch.setattr(DerivedIndexes, "reader_sets_behind", remembering)
    monkeypatch.setattr(
        DerivedIndexes, "last_change", lambda self, reader_sets: self.__dict__["number"]
    )
    monkeypatch.setattr(
        DerivedIndexes, "digest", lambda self, reader_sets: str(self.__dict__["number"]).encode()
    )


def test_the_comparison_catches_a_view_id_that_counts_hidden_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_hidden_writes(monkeypatch)
    assert leaks(tmp_path)
