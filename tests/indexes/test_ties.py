"""Passages of equal score stand in an order that was drawn when they were stored, not in that of
their arrival.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.ties import Ties, ties_of
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.model import Principal
from indexes.search.fusion import best_first
from indexes.search.reranker import rerank
from indexes.testing import HashingEmbedder
from tests.world import MODES, World

ADA = Principal(name="user:ada")
SETS = np.array([1, 2])
DIMENSION = 8

kinds = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 3]), st.integers(0, 3)),
    min_size=1,
    max_size=300,
)


def wanted(
    rows: list[int], scores: list[float] | dict[int, float], ties: np.ndarray, k: int
) -> list[int]:
    """The definition."""
    return sorted(rows, key=lambda row: (-scores[row], int(ties[row]), row))[:k]


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(1, 20))
def test_of_many_equal_words_the_k_kept_are_those_of_the_definition(
    passages: list[tuple[int, int, int]], k: int
) -> None:
    ties = np.array([tie for _, _, tie in passages], np.int64)
    index = KeywordIndex()
    for row, (kind, number, _) in enumerate(passages):
        index.add([row], number, [["pay", "pay rise", "soup"][kind]])
    rows, _ = index.search("pay", SETS, 1_000)
    scores = dict(zip(*(part.tolist() for part in index.search("pay", SETS, 1_000)), strict=True))
    found, _ = index.search("pay", SETS, k, ties=ties)
    assert found.tolist() == wanted(rows.tolist(), scores, ties, k)


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(1, 20), st.booleans())
def test_of_many_equal_vectors_the_k_kept_are_those_of_the_definition(
    passages: list[tuple[int, int, int]], k: int, filtered: bool
) -> None:
    ties = np.array([tie for _, _, tie in passages], np.int64)
    directions = np.eye(DIMENSION, dtype=np.float32)
    index = FaissStore(DIMENSION, lists=8)
    sets = np.array([number for _, number, _ in passages])
    index.add(np.arange(len(passages)), sets, directions[[kind for kind, _, _ in passages]])
    only = np.arange(0, len(passages), 2) if filtered else None
    rows = [row for row in range(len(passages)) if sets[row] in SETS and not (filtered and row % 2)]
    scores = [1.0 if kind == 0 else 0.0 for kind, _, _ in passages]
    found = index.nearest(directions[0], SETS, k, only, ties=ties)
    assert found.exact
    assert found.rows.tolist() == wanted(rows, scores, ties, k)


def test_both_scores_together_are_ordered_alike() -> None:
    ties = np.array([5, 0, 9, 0, -7])
    rows = np.arange(5)
    best, _ = best_first(rows, np.full(5, 0.5), ties_of(rows, ties), 5)
    assert best.tolist() == [4, 1, 3, 0, 2]


def test_a_reranker_leaves_equal_ones_as_they_were(world: World) -> None:
    class Indifferent:
        def scores(self, question: str, texts: Sequence[str]) -> list[float]:
            return [1.0 for _ in texts]

    world.people(ada=[])
    for number in range(8):
        world.put(f"doc{number}", f"pay {number}", "public")
    hits = world.search("ada", "pay").hits
    assert [hit.id for hit in rerank(Indifferent(), "pay", hits[::-1])] == [
        hit.id for hit in hits[::-1]
    ]


def test_a_row_that_is_not_known_has_no_number_of_its_own() -> None:
    ties = Ties()
    ties.put(np.array([3, 4]), b"\x01" + bytes(31))
    assert ties_of(np.array([0, 3, 4, 10_000]), ties.values).tolist() == [0, 1, 1, 0]
    assert ties_of(np.array([3]), None).tolist() == [0]


# --- the whole search ---------------------------------------------------------------------------


class FirstWord(HashingEmbedder):
    """All passages that begin alike are equally near."""

    def query(self, text: str) -> np.ndarray:
        return super().query(text.split()[0])


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stores a document whose random token depends on its name alone."""

    def store(world: World, name: str, *allow: str) -> None:
        token = hashlib.sha256(name.encode()).digest()
        monkeypatch.setattr(
            secrets, "token_bytes", lambda size: token if size == 32 else os.urandom(size)
        )
        world.put(name, [f"pay {name}", f"pay {name} {name}"], *allow)

    return store


def filled(home: Path, names: list[str], put: Callable[..., None]) -> World:
    world = World(home, embedder=FirstWord(), passages_per_document=100)
    world.people(ada=["hr"], bob=["board"])
    for name in names:
        put(world, name, "group:hr")
    return world


def answers(world: World) -> list[list[str]]:
    return [
        [hit.text for hit in world.search("ada", "pay", k=k, mode=mode).hits]
        for mode in MODES
        for k in (3, 40)
    ]


def test_neither_arrival_nor_hidden_documents_nor_a_restart_move_equal_scores(
    tmp_path: Path, put: Callable[..., None]
) -> None:
    names = [f"name{number}" for number in range(150)]
    world, other = filled(tmp_path / "one", names, put), filled(tmp_path / "two", names[::-1], put)
    expected = answers(world)
    assert len({text for found in expected for text in found}) > 40
    assert answers(other) == expected
    assert expected[0] != [f"pay {name}" for name in names[:3]], (
        "this would be the order of arrival"
    )
    for number in range(30):
        put(world, f"hidden{number}", "group:board")
    world.relabel(names[7], "group:hr", "group:board")
    assert answers(world) == expected
    world.searcher.corpus.maintenance.save()
    world.searcher = world.new_searcher()
    assert answers(world) == expected
    put(world, names[7], "group:hr")  # stored anew with the same token: a new row
    assert answers(world) == expected
    world.close()
    other.close()


def test_an_edit_draws_again(world: World) -> None:
    world.people(ada=[])
    orders = set()
    for number in range(30):
        world.put("one", "pay one", "public")
        world.put("two", "pay two", "public")
        orders.add(tuple(world.titles("ada", "pay", mode="keyword")))
        assert number < 29 or len(orders) == 2
