"""`GET /documents`: what the caller may read, page by page, and not a byte that depends on anything
else.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from indexes.catalog.filters import Filters
from indexes.model import Principal
from indexes.search.document_list import DocumentList
from service.app import create_app
from service.leaktest.comparing import ObservedReply, make_comparable
from service.leaktest.doors import PLAIN_FILTERS
from tests.attack.hidden import CANARY, Change, hidden_batch
from tests.service.test_http_hostile import check
from tests.world import TESTER, World

Asking = Any


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    world = World(tmp_path_factory.mktemp("list"))
    for group in ("staff", "board", "vault", "cellar"):
        world.catalog.people.add_group(group, by=TESTER)
    world.people(eve=["staff"], nil=[], bob=["board"], kim=["vault"])
    for n in range(8):
        Change("put openly", n, n).made_in(world)
    keys = {
        user: world.catalog.keys.issue(user, by=TESTER).secret for user in ("eve", "nil", "bob")
    }
    app = create_app(world.settings, embedder=world.embedder, catalog=world.catalog)
    with TestClient(app) as http:

        def ask(who: str, **query: Any) -> Any:
            headers = {"Authorization": f"Bearer {keys[who]}"}
            return http.get("/documents", params=query, headers=headers)

        yield world, ask
    world.close()


def pages(ask: Asking, who: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """All documents, through all pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        reply = ask(who, limit=limit, **query, **cursor)
        assert reply.status_code == 200, reply.text
        found += reply.json()["documents"]
        if reply.json()["next"] is None:
            return found
        assert len(reply.json()["documents"]) == limit
        cursor = {"cursor": reply.json()["next"]}
    raise AssertionError("The list has no end.")


def everything_told(ask: Asking) -> list[bytes]:
    """Whole replies to both callers: several page sizes, all cursors, filters."""
    told: list[bytes] = []
    for who in ("eve", "nil"):
        for limit in (1, 3, 500):
            cursor: dict[str, str] = {}
            while True:
                reply = ask(who, limit=limit, **cursor)
                told.append(_plain(reply))
                if not reply.json()["next"]:
                    break
                cursor = {"cursor": reply.json()["next"]}
        told += [_plain(ask(who, filters=json.dumps(each), limit=2)) for each in PLAIN_FILTERS]
    return told


def _plain(reply: Any) -> bytes:
    return make_comparable(ObservedReply(reply.status_code, dict(reply.headers), reply.content))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_no_byte_depends_on_what_is_hidden(house: Any, seed: int) -> None:
    world, ask = house
    before = everything_told(ask)
    for change in hidden_batch(random.Random(seed)):
        change.made_in(world)
    after = everything_told(ask)
    assert after == before
    assert CANARY.encode() not in b"".join(after)


def test_pages_of_every_size_hold_the_same(house: Any) -> None:
    world, ask = house
    whole = pages(ask, "eve", 500)
    assert whole
    assert [one["path"] for one in whole] == sorted(one["path"] for one in whole)
    for limit in (1, 2, 3):
        assert pages(ask, "eve", limit) == whole
    readable = {str(path) for path in world.catalog.documents.paths(_principal("user:eve"))}
    assert {one["path"] for one in whole} == readable


def test_documents_of_one_path_beginning_are_all_listed(house: Any) -> None:
    world, ask = house
    long = "x" * 300
    for n in range(5):
        world.put(f"long{n}", "text", "user:bob", path=f"{long}/{n}.txt")
    found = [one["path"] for one in pages(ask, "bob", 2, filters=json.dumps({"path_prefix": long}))]
    assert sorted(found) == [f"{long}/{n}.txt" for n in range(5)]


def test_filters_are_those_of_a_search(house: Any) -> None:
    world, ask = house
    world.put("ann", "text", "user:nil", metadata={"author": "Zoe", "size": 3}, language="en")
    (found,) = pages(ask, "nil", 10, filters='{"metadata": {"author": "Zoe"}, "language": "en"}')
    assert (found["title"], found["metadata"]) == ("ann", {"author": "Zoe", "size": 3})
    assert pages(ask, "nil", 10, filters='{"metadata": {"author": "Yan"}}') == []
    for wrong in ("{", "[]", '{"readers": ["public"]}', '{"metadata": {"a": 9007199254740993}}'):
        check(ask("nil", filters=wrong), 422)


def test_a_cursor_is_good_for_one_caller_and_one_filter(house: Any) -> None:
    _, ask = house
    cursor = ask("eve", limit=1).json()["next"]
    assert cursor
    assert ask("eve", limit=5, cursor=cursor).status_code == 200
    check(ask("nil", limit=1, cursor=cursor), 422)
    check(ask("eve", limit=1, cursor=cursor, filters='{"language": "en"}'), 422)
    for forged in ("", "AAAA", "é", cursor[:-4], cursor + "AAAA"):
        check(ask("eve", limit=1, cursor=forged), 422)
    check(ask("eve", limit=0), 422)
    check(ask("eve", limit=501), 422)


def test_a_revoked_reader_loses_a_document_at_the_next_page(house: Any) -> None:
    world, ask = house
    for n in range(3):
        world.put(f"later{n}", "text", "user:bob", path=f"later/{n}.txt")
    asked = {"limit": 1, "filters": '{"path_prefix": "later/"}'}
    first = ask("bob", **asked).json()
    world.relabel("later1")
    second = ask("bob", **asked, cursor=first["next"]).json()
    assert [one["path"] for one in second["documents"]] == ["later/2.txt"]
    assert second["next"] is None


def _principal(name: str) -> Any:
    from indexes.model import Principal

    return Principal(name=name)


def test_counts_are_those_of_the_view_by_collection_and_source(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    world.people(eve=["staff"])
    book, shelf = (
        world.catalog.sources.add(name, tmp_path / name, by=TESTER) for name in ("book", "shelf")
    )
    for n in range(5):
        world.put(
            f"source:{shelf.id}/{n}", "Text.", "group:staff", source_id=shelf.id, collection="laws"
        )
        world.put(
            f"source:{book.id}/{n}", "Text.", "user:bob", source_id=book.id, collection="secret"
        )
    world.put(f"source:{book.id}/open", "Text.", "public", source_id=book.id)
    world.put("loose", "Text.", "public")
    documents, eve = DocumentList(world.catalog), Principal(name="user:eve")
    told = documents.summary(eve, Filters())
    assert told.documents == 7
    assert told.collections == (("laws", 5), ("default", 2))
    assert told.sources == ((shelf.shown, 5), (book.shown, 1))
    assert documents.summary(eve, Filters(collection="laws")).documents == 5
    assert documents.summary(Principal(name="user:nil"), Filters(collection="laws")).documents == 0
    world.close()
