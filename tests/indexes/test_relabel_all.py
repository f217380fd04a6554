"""Readers of many documents are changed together, and followed like single changes."""

import pytest

from indexes.errors import UnknownPrincipal
from indexes.model import Readers
from tests.world import TESTER, World


@pytest.fixture
def shelf(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    for number in range(5):
        world.put(f"d{number}", f"alpha number {number}", "group:hr")
    return world


def of(*allow: str, deny: tuple[str, ...] = ()) -> Readers:
    return Readers(allow=frozenset(allow), deny=frozenset(deny))


def titles(world: World, user: str) -> set[str]:
    return set(world.titles(user, "alpha number", k=20))


def test_many_documents_get_their_readers_and_a_search_follows_each(shelf: World) -> None:
    assert (len(titles(shelf, "ada")), titles(shelf, "bob")) == (5, set())
    wanted = {"d0": of("group:eng"), "d1": of("group:eng", "group:hr"), "gone": of("group:eng")}
    shelf.catalog.documents.relabel_all(wanted, by=TESTER)
    assert titles(shelf, "bob") == {"d0", "d1"}
    assert titles(shelf, "ada") == {"d1", "d2", "d3", "d4"}


def test_whoever_follows_may_stop_behind_any_of_them(shelf: World) -> None:
    with shelf.catalog.reading() as state:
        before = state.mark.number
    shelf.catalog.documents.relabel_all(
        {f"d{number}": of("group:eng") for number in range(5)}, by=TESTER
    )
    with shelf.catalog.reading() as state:
        changed = state.changed_since(before)
    by_number: dict[int, set[int]] = {}
    for mark, document_id in changed:
        by_number.setdefault(mark.number, set()).add(document_id)
    assert [len(found) for found in by_number.values()] == [1] * 5


def test_narrowing_many_keeps_every_deny_and_widens_nothing(shelf: World) -> None:
    shelf.relabel("d0", "group:hr", deny=["user:bob"])
    wanted = {name: of("group:eng", "group:hr") for name in ("d0", "d1")}
    shelf.catalog.documents.narrow_all({**wanted, "d2": of("group:eng")}, by=TESTER)
    assert titles(shelf, "bob") == set()
    assert titles(shelf, "ada") == {"d0", "d1", "d3", "d4"}
    one = next(d for d in shelf.catalog.listing.documents() if d.title == "d0")
    assert one.deny == ("user:bob",)


def test_a_rule_that_cannot_be_stored_changes_none_of_them(shelf: World) -> None:
    with pytest.raises(UnknownPrincipal):
        shelf.catalog.documents.relabel_all(
            {"d0": of("group:eng"), "d1": of("group:hr", deny=("user:nobody-knows",))}, by=TESTER
        )
    assert len(titles(shelf, "ada")) == 5


def test_nothing_to_do_is_no_change(shelf: World) -> None:
    shelf.catalog.documents.relabel_all({}, by=TESTER)
    shelf.catalog.documents.narrow_all({"gone": of("group:hr")}, by=TESTER)
    assert len(titles(shelf, "ada")) == 5
