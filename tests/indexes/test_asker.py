"""Who asks is decided where it is answered: by the person's id and the key, in the transaction that
reads.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import NotAuthenticated, NotFound, NotPermitted, Withdrawn
from indexes.model import Principal, Row
from tests.world import TESTER, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    for user in ("ada", "bob"):
        made.catalog.people.add_user(user, by=TESTER)
    made.put("letter", "a letter to ada", "user:ada")
    made.put("menu", "soup on mondays", "public")
    yield made
    made.close()


def signed_in(world: World, user: str = "ada", **more: Any) -> Principal:
    return world.catalog.keys.authenticate(world.catalog.keys.issue(user, **more, by=TESTER).secret)


def found(world: World, principal: Principal) -> list[str]:
    return sorted(hit.title for hit in world.searcher.search("letter soup", principal, 5).hits)


def reads(world: World) -> dict[str, Callable[[Principal], object]]:
    """Every way in which somebody gets something."""
    (letter,) = world.searcher.search("letter", Principal(name="user:ada"), 1).hits
    return {
        "search": lambda who: world.searcher.search("letter", who, 5),
        "document": lambda who: world.searcher.document(letter.document_id, who),
        "absent document": lambda who: world.searcher.document("absent", who),
        "passage": lambda who: world.searcher.passage(letter.id, who),
        "view": world.searcher.view_id,
        "models": world.catalog.models.hidden_from,
        "template": lambda who: world.catalog.templates.choose_for_asker(who, "chat", "en"),
        "named template": lambda who: world.catalog.templates.choose_by_name(
            who, "support", "chat"
        ),
        "pinned template": lambda who: world.catalog.templates.find_version(
            who, "support", 1, "chat"
        ),
        "paths": world.catalog.documents.paths,
    }


def test_who_signed_in_carries_its_id_and_its_key(world: World) -> None:
    issued = world.catalog.keys.issue("ada", by=TESTER)
    who = world.catalog.keys.authenticate(issued.secret)
    assert (who.name, who.key) == ("user:ada", issued.id)
    assert who.id is not None
    assert found(world, who) == found(world, Principal(name="user:ada")) == ["letter", "menu"]


@pytest.mark.parametrize(
    "way", ["revoked", "expired", "removed", "another's key", "nobody's key", "nobody's id"]
)
def test_who_may_not_ask_any_more_is_refused_at_every_read(world: World, way: str) -> None:
    who = signed_in(
        world, expires_at=datetime.now(UTC) + timedelta(seconds=0.3) if way == "expired" else None
    )
    ways = reads(world)
    for read in ways.values():  # what is remembered of it must not help
        with suppress(NotFound):
            read(who)
    if way == "revoked":
        world.catalog.keys.revoke(str(who.key), by=TESTER)
    elif way == "expired":
        time.sleep(0.4)
    elif way == "removed":
        world.catalog.people.remove_user("ada", by=TESTER)
    else:
        other: dict[str, dict[str, Any]] = {
            "another's key": {"key": signed_in(world, "bob").key},
            "nobody's key": {"key": "x"},
        }
        who = replace(
            who, **other.get(way, {"key": "x"} if way == "nobody's key" else {"id": 10**6})
        )
    for name, read in ways.items():
        with pytest.raises(NotAuthenticated):
            print(name, read(who))


def test_a_person_of_the_same_name_is_another_person(world: World) -> None:
    before = signed_in(world)
    world.catalog.people.remove_user("ada", by=TESTER)
    world.catalog.people.add_user("ada", by=TESTER)
    world.put("new letter", "a letter to the new ada", "user:ada")
    for old in (before, replace(before, key=None)):
        for read in reads(world).values():
            with pytest.raises(NotAuthenticated):
                read(old)
    assert (
        found(world, signed_in(world))
        == found(world, Principal(name="user:ada"))
        == ["menu", "new letter"]
    )


def test_even_a_read_that_forgets_to_confirm_gives_nothing(world: World) -> None:
    who = signed_in(world)
    (letter,) = world.searcher.search("letter", who, 1).hits
    world.catalog.keys.revoke(str(who.key), by=TESTER)
    with world.catalog.reading() as state:
        assert list(state.reader_sets(who)) == []
        assert state.read([(letter.row, 1.0)], who) == ()


def test_one_key_that_ends_takes_nothing_from_another_of_the_same_person(world: World) -> None:
    first, second = signed_in(world), signed_in(world)
    assert found(world, first) == found(world, second)
    world.catalog.keys.revoke(str(first.key), by=TESTER)
    with pytest.raises(NotAuthenticated):
        found(world, first)
    assert found(world, second) == ["letter", "menu"]


def test_a_name_alone_is_resolved_where_it_is_used(world: World) -> None:
    ada = Principal(name="user:ada")
    assert found(world, ada) == ["letter", "menu"]
    world.catalog.people.remove_user("ada", by=TESTER)
    assert found(world, ada) == []


def test_a_scope_is_looked_up_and_not_believed(world: World) -> None:
    root, ada = (
        signed_in(world, "bob", scopes=("admin",)),
        replace(signed_in(world), scopes=frozenset({"admin"})),
    )
    with world.catalog.acting(root, "admin"):
        world.catalog.people.add_group("hr", by=TESTER)
    for who in (ada, Principal(name="user:ada", id=ada.id)):
        with pytest.raises(NotPermitted), world.catalog.acting(who, "admin"):
            world.catalog.people.add_group("eng", by=TESTER)
    world.catalog.keys.revoke(str(root.key), by=TESTER)
    with pytest.raises(NotAuthenticated), world.catalog.acting(root, "admin"):
        world.catalog.people.add_group("eng", by=TESTER)
    assert list(world.catalog.people.groups()) == ["group:hr"]


def test_what_an_answer_rests_on_is_looked_at_again(world: World) -> None:
    who = signed_in(world)
    hits = world.searcher.search("letter soup", who, 5).hits
    rows = [hit.row for hit in hits]
    world.searcher.confirm(who, rows)
    world.put("letter", "a letter to ada", "user:ada")
    with pytest.raises(Withdrawn):
        world.searcher.confirm(who, rows)
    menu = [hit.row for hit in hits if hit.title == "menu"]
    world.searcher.confirm(who, menu)
    world.relabel("menu", "user:bob")
    for gone in (menu, [Row(10**9)]):  # hidden and absent look the same
        with pytest.raises(Withdrawn):
            world.searcher.confirm(who, gone)
    world.searcher.confirm(who)
