"""Sources in the catalog: moves are one step and searches follow them, whichever database holds the
truth.
"""

import importlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.catalog.documents import Moved
from indexes.errors import AlreadyExists, BadInput, NotFound
from indexes.model import Readers
from tests.world import MODES, TESTER, World, as_bytes

HR, ENG = Readers(allow=frozenset({"group:hr"})), Readers(allow=frozenset({"group:eng"}))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.people(ada=["hr"], bob=["eng"])
    world.catalog.generations.ensure(
        world.embedder.name, world.embedder.fingerprint, world.embedder.dimension, by=TESTER
    )
    yield world
    world.close()


def moved(uri: str, readers: Readers) -> Moved:
    return Moved(uri=uri, path=uri, readers=readers, modified_at=None)


def test_a_move_changes_readers_and_path_at_once_and_nothing_else(world):
    document_id = world.put("source:1/a", "Salaries rise in May.", "group:hr")
    before = world.search("ada", "salaries").hits[0]
    assert world.catalog.documents.move("source:1/a", moved("source:1/b", ENG), by=TESTER)
    assert world.titles("ada", "salaries") == []
    (hit,) = world.search("bob", "salaries").hits
    assert (hit.id, hit.document_id, hit.path) == (before.id, document_id, "source:1/b")


def test_a_move_onto_another_document_or_of_none_is_not_done(world):
    world.put("source:1/a", "One.", "group:hr")
    world.put("source:1/b", "Two.", "group:eng")
    assert not world.catalog.documents.move("source:1/a", moved("source:1/b", HR), by=TESTER)
    assert not world.catalog.documents.move("source:1/c", moved("source:1/d", HR), by=TESTER)
    assert {uri: d.readers for uri, d in world.catalog.documents.stored("source:1/").items()} == {
        "source:1/a": HR,
        "source:1/b": ENG,
    }


def test_after_any_mix_of_moves_and_edits_searches_are_those_of_a_fresh_process(world):
    rng = random.Random(5)
    here: list[str] = []
    for batch in range(12):
        for number in range(rng.randint(1, 12)):
            deed = rng.choice(("put", "move", "relabel", "delete")) if here else "put"
            uri = rng.choice(here) if here else ""
            readers = rng.choice((HR, ENG, Readers(allow=HR.allow, deny=frozenset({"user:ada"}))))
            if deed == "put":
                here.append(f"source:1/{batch}-{number}")
                world.put(
                    here[-1],
                    [f"word{rng.randint(0, 9)} text {number}" for _ in range(rng.randint(1, 3))],
                    *readers.allow,
                )
            elif deed == "move":
                to = f"source:1/moved-{batch}-{number}"
                assert world.catalog.documents.move(uri, moved(to, readers), by=TESTER)
                here[here.index(uri)] = to
            elif deed == "relabel":
                world.relabel(uri, *readers.allow, deny=readers.deny)
            else:
                world.catalog.documents.delete(uri, by=TESTER)
                here.remove(uri)
        fresh, followed = world.new_searcher(), world.searcher
        for user in ("ada", "bob"):
            for mode in MODES:
                one = as_bytes(world.search(user, "word3 text", mode=mode))
                world.searcher = fresh
                assert as_bytes(world.search(user, "word3 text", mode=mode)) == one
                world.searcher = followed


def test_sources_are_added_found_renamed_moved_and_removed_with_their_documents(world):
    sources = world.catalog.sources
    hr = sources.add("hr", Path("/mnt/hr"), HR, by=TESTER)
    assert (hr.shown, hr.readers, hr.named) == ("hr", HR, True)
    assert sources.find(Path("/mnt/hr/pay"), is_folder=True) == hr
    assert sources.ensure(Path("/mnt/hr/pay/a.txt"), is_folder=False, by=TESTER) == hr
    assert sources.find(Path("/mnt/hrx"), is_folder=True) is None
    with pytest.raises(AlreadyExists):
        sources.add("HR", Path("/elsewhere"), by=TESTER)
    other = sources.add("other", Path("/other"), by=TESTER)
    with pytest.raises(BadInput, match="overlap"):
        sources.move(other.name, Path("/mnt"), by=TESTER)
    with pytest.raises(BadInput, match="no name"):
        sources.rename("hr", "a/b", by=TESTER)
    world.put(f"source:{hr.id}/a", "Salaries.", "group:hr", source_id=hr.id)
    sources.rename("hr", "personnel", by=TESTER)
    sources.move("personnel", Path("/new"), by=TESTER)
    assert sources.counts() == {hr.id: 1}
    assert world.titles("ada", "salaries")
    assert sources.remove("personnel", by=TESTER) == 1
    assert world.titles("ada", "salaries") == []
    with pytest.raises(NotFound):
        sources.get("personnel")


def test_the_folder_around_two_sources_takes_them_in_with_ids_kept(world):
    sources, documents = world.catalog.sources, world.catalog.documents
    inner = sources.ensure(Path("/srv/docs/sub"), is_folder=True, by=TESTER)
    loose = sources.ensure(Path("/srv/docs/b.txt"), is_folder=False, by=TESTER)
    assert loose.loose
    world.put(inner.uri(("x y.txt",)), "One.", "group:hr", source_id=inner.id)
    world.put(loose.uri(("b.txt",)), "Two.", "group:hr", source_id=loose.id)
    outer = sources.ensure(Path("/srv/docs"), is_folder=True, by=TESTER)
    assert set(documents.stored(outer.prefix)) == {
        outer.uri(("sub", "x y.txt")),
        outer.uri(("b.txt",)),
    }
    assert [source.name for source in sources.list()] == ["docs"]
    assert sources.counts() == {outer.id: 2}


def test_what_operators_see_names_what_failed_and_holds_no_text(world):
    hr = world.catalog.sources.add("hr", Path("/mnt/hr"), by=TESTER)
    world.catalog.people.add_user("eve", by=TESTER)
    one = world.put(
        hr.uri(("a",)), "Secret words.", "group:hr", source_id=hr.id, path="hr/a", deny=["user:eve"]
    )
    failure = {"status": "failed", "reason": "It is damaged.", "remedy": None}
    world.catalog.failures.note(hr.uri(("a",)), path="hr/a", **failure, by=TESTER)
    world.catalog.failures.note(hr.uri(("b",)), path="hr/b", **failure, by=TESTER)
    found = world.catalog.listing.documents(source="hr")
    assert [(each.id, each.state, each.chunks) for each in found] == [
        (one, "stale", 1),
        (None, "failed", 0),
    ]
    assert (found[0].allow, found[0].deny) == (("group:hr",), ("user:eve",))
    assert "Secret" not in repr(found)
    assert world.catalog.listing.get(one) == found[0]
    with pytest.raises(NotFound):
        world.catalog.listing.remove([one, "nothing"], by=TESTER)
    assert world.catalog.listing.get(one)
    assert world.catalog.listing.remove([one], by=TESTER) == 1
    assert [each.path for each in world.catalog.listing.documents()] == ["hr/b"]


def test_documents_of_old_catalogs_get_sources(world):
    for place in ("docs/a.txt", "docs/sub/b.txt"):
        world.put(f"file:///srv/{place}", "Text.", "group:hr", path=place)
    world.put("file:///srv/c.txt", "Text.", "group:hr", path="c.txt")
    world.put("set:s/1", "Text.", "group:hr", path="1")
    migration = importlib.import_module("indexes.catalog.migrations.versions.m0008_sources")
    with world.catalog._database.writing(TESTER) as connection:
        migration._give_sources(connection)
    found = {source.name: source for source in world.catalog.sources.list()}
    assert {name: (str(one.root), one.shown, one.loose) for name, one in found.items()} == {
        "docs": ("/srv/docs", "docs", False),
        "srv-files": ("/srv", "", True),
    }
    docs, files = found["docs"], found["srv-files"]
    uris = {docs.uri(("a.txt",)), docs.uri(("sub", "b.txt")), files.uri(("c.txt",)), "set:s/1"}
    assert set(world.catalog.documents.stored("")) == uris
    assert world.catalog.sources.add("new", Path("/new"), by=TESTER).id not in (docs.id, files.id)
