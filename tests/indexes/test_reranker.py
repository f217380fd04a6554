"""Reranking and positions: what is added to a search after the gates."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from indexes.catalog.index_input import Mark
from indexes.errors import BadConfiguration, BadInput, TooOld
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from tests.databases import only_sqlite
from tests.indexes.cross_encoders import make_tiny_cross_encoder
from tests.world import World, as_bytes

ADA = Principal(name="user:ada")


class Longest:
    """Prefers long texts, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.seen += texts
        return [float(len(text)) for text in texts]


def test_a_reranker_orders_what_the_caller_may_read_and_sees_nothing_else(world: World) -> None:
    world.people(ada=["hr"])
    world.put("short", "pay rises", "group:hr")
    world.put("long", "pay rises in the month of May for everybody", "group:hr")
    world.put(
        "hidden",
        "pay rises and this is the longest text of all of them, by far and wide",
        "group:board",
    )
    longest = Longest()
    searcher = Searcher(world.catalog, world.embedder, world.settings, reranker=longest)
    result = searcher.search("pay rises", ADA, 1)
    assert [hit.title for hit in result.hits] == ["long"]
    assert not any("longest" in text for text in longest.seen)


def test_hidden_documents_change_no_byte_of_a_reranked_search(world: World) -> None:
    world.people(ada=["hr"])
    for n in range(60):
        world.put(f"doc{n}", f"pay rises {n} " + "word " * (n % 5), "group:hr")
    searcher = Searcher(world.catalog, world.embedder, world.settings, reranker=Longest())
    before = as_bytes(searcher.search("pay rises", ADA, 10))
    for n in range(60):
        world.put(f"hidden{n}", f"pay rises {n} " + "word " * 9, "group:board")
    assert as_bytes(searcher.search("pay rises", ADA, 10)) == before


@pytest.mark.slow
@only_sqlite  # about a model and no catalog
def test_a_cross_encoder_scores_each_pair_by_itself(tmp_path: Path) -> None:
    from indexes.embedder.cross_encoder import load_reranker

    make_tiny_cross_encoder(tmp_path)
    reranker = load_reranker(Settings(reranker_model=str(tmp_path)))
    assert reranker is not None
    texts = ["pay rises in may", "soup", "pay", ""]
    together = reranker.scores("pay rises", texts)
    assert together == [reranker.scores("pay rises", [text])[0] for text in texts]
    assert len(set(together)) > 1
    with pytest.raises(BadConfiguration):
        load_reranker(Settings(reranker_model=str(tmp_path / "nothing")))


def test_no_reranker_is_loaded_where_none_is_configured() -> None:
    from indexes.embedder.cross_encoder import load_reranker

    assert load_reranker(Settings()) is None


def test_a_position_demands_freshness_and_tells_nothing(world: World) -> None:
    world.people(ada=[])
    world.put("a", "text", "public")
    first, again = world.search("ada", "text").position, world.search("ada", "text").position
    assert first != again, (
        "a position that repeats while nothing happens would tell when something does"
    )
    assert len(first) == len(again)
    assert world.searcher.search("text", ADA, 1, at_least=first).hits


def test_a_process_that_cannot_see_that_far_says_so(world: World) -> None:
    world.people(ada=[])
    future = world.searcher._positions.seal(Mark(10**6, bytes(16)))
    with pytest.raises(TooOld):
        world.searcher.search("text", ADA, 1, at_least=future)


@pytest.mark.parametrize("position", ["", "x", "A" * 48, "é", "0" * 10_000])
def test_a_position_that_was_never_given_out_is_refused(world: World, position: str) -> None:
    with pytest.raises(BadInput):
        world.searcher.search("text", ADA, 1, at_least=position)
