"""A session of the page ends with its token, at the sign-out, and with the person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexes.catalog import Catalog
from indexes.errors import NotAuthenticated
from indexes.model import Principal
from tests.databases import only_sqlite
from tests.world import TESTER, World

CORP, SOON = "https://corp.test", timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.catalog.people.add_user("ada", by=TESTER)
    made.catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    yield made
    made.close()


def person(catalog: Catalog) -> Principal:
    found = catalog.subjects.find(CORP, "1")
    assert found is not None
    return replace(found, groups=frozenset({"group:corp/staff"}), told_by="corp")


def start(catalog: Catalog, ends: timedelta = SOON) -> str:
    return catalog.sessions.start(
        person(catalog), CORP, "an id token", datetime.now(UTC) + ends, by=TESTER
    )


def test_it_gives_back_who_signed_in_with_what_the_token_said(world: World) -> None:
    catalog = world.catalog
    assert catalog.sessions.find(start(catalog)) == person(catalog)
    catalog.subjects.grant("ada", "operate", by=TESTER)
    assert catalog.find_session(start(catalog)).scopes == {"ask", "operate"}


def test_it_ends(world: World) -> None:
    catalog = world.catalog
    over, kept, left = start(catalog, timedelta(seconds=-1)), start(catalog), start(catalog)
    ended = catalog.sessions.end(left, by=TESTER)
    assert ended is not None
    assert (ended.issuer, ended.id_token) == (CORP, "an id token")
    assert catalog.sessions.end(left, by=TESTER) is None
    for secret in (over, left, "", "x", kept[:-1]):
        with pytest.raises(NotAuthenticated):
            catalog.sessions.find(secret)
    catalog.people.disable_user("ada", by=TESTER)
    with pytest.raises(NotAuthenticated):
        catalog.sessions.find(kept)
    catalog.people.enable_user("ada", by=TESTER)
    assert catalog.sessions.find(kept).name == "user:ada"
    catalog.subjects.unlink("ada", by=TESTER)
    with pytest.raises(NotAuthenticated):
        catalog.sessions.find(kept)


def test_it_ends_with_the_person(world: World) -> None:
    secret = start(world.catalog)
    world.catalog.people.remove_user("ada", by=TESTER)
    world.catalog.people.add_user("ada", by=TESTER)
    with pytest.raises(NotAuthenticated):
        world.catalog.sessions.find(secret)


@only_sqlite
def test_no_usable_secret_lies_in_the_database(world: World) -> None:
    secret = start(world.catalog)
    files = [path.read_bytes() for path in world.home.glob("catalog.sqlite*")]
    assert not any(secret.encode() in content for content in files)
