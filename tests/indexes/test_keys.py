"""Keys of programs: what they may do, until when, when they were used, and how they are exchanged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexes.catalog import Catalog
from indexes.catalog.keys import USE_IS_WRITTEN_EVERY, KeyInfo
from indexes.errors import BadInput, NotAuthenticated, NotFound, NotPermitted
from indexes.model import MAINTENANCE
from tests.world import TESTER, World
from tests.writes import watched_writes

WEEK = timedelta(days=7)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = World(tmp_path)
    for user in ("bot", "root"):
        made.catalog.people.add_user(user, by=TESTER)
    yield made.catalog
    made.close()


def info(catalog: Catalog, key_id: str) -> KeyInfo:
    (found,) = [key for key in catalog.keys.list() if key.id == key_id]
    return found


def test_a_key_asks_and_does_nothing_else_unless_it_is_said(catalog: Catalog) -> None:
    made = catalog.keys.issue("bot", by=TESTER)
    assert info(catalog, made.id).scopes == ("ask",)
    for wrong in ([], ["all"], ["ask", "Admin"]):
        with pytest.raises(BadInput):
            catalog.keys.issue("bot", scopes=wrong, by=TESTER)


def test_a_rotated_key_and_its_successor_hold_together_for_the_overlap(catalog: Catalog) -> None:
    keys = catalog.keys
    old = keys.issue("bot", scopes=["ask", "ingest"], label="nightly", by=TESTER)
    new = keys.rotate(old.id, overlap=WEEK, by=TESTER)
    for key in (old, new):
        assert keys.authenticate(key.secret).scopes == {"ask", "ingest"}
    first, second = info(catalog, old.id), info(catalog, new.id)
    assert (first.replaced_by, second.label, second.expires_at) == (new.id, "nightly", None)
    assert first.expires_at is not None
    assert timedelta(0) < WEEK - (first.expires_at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(BadInput, match=new.id):
        keys.rotate(old.id, overlap=WEEK, by=TESTER)
    at_once = keys.rotate(new.id, overlap=timedelta(0), by=TESTER)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(new.secret)
    assert keys.authenticate(at_once.secret).name == "user:bot"


def test_a_rotation_makes_no_key_hold_longer_than_it_was_to(catalog: Catalog) -> None:
    keys, soon = catalog.keys, datetime.now(UTC) + timedelta(hours=1)
    old = keys.issue("bot", expires_at=soon, by=TESTER)
    new = keys.rotate(old.id, overlap=WEEK, by=TESTER)
    assert info(catalog, old.id).expires_at == soon
    its_end = info(catalog, new.id).expires_at
    assert its_end is not None
    assert its_end - datetime.now(UTC) <= timedelta(hours=1)


def test_a_key_that_does_not_hold_is_not_rotated(catalog: Catalog) -> None:
    keys = catalog.keys
    revoked, past = keys.issue("bot", by=TESTER), datetime.now(UTC) - timedelta(seconds=1)
    keys.revoke(revoked.id, by=TESTER)
    expired = keys.issue("bot", expires_at=past, by=TESTER)
    for key in (revoked, expired):
        with pytest.raises(BadInput):
            keys.rotate(key.id, overlap=WEEK, by=TESTER)
    with pytest.raises(NotFound):
        keys.rotate("nosuchkey000", overlap=WEEK, by=TESTER)


@pytest.mark.parametrize(
    ("held", "wanted", "given"),
    [
        (["people"], ["people"], True),
        (["people"], ["ask"], False),
        (["people", "ask"], ["ask"], True),
        (["people", "ask"], ["ask", "operate"], False),
        (["admin"], ["operate", "ingest", "audit", "people", "admin"], True),
        (["admin"], ["ask"], False),
        (["admin", "ask", "act-as"], ["act-as"], False),
        (["people"], ["admin"], False),
    ],
)
def test_nobody_gives_a_scope_that_they_lack(
    catalog: Catalog, held: list[str], wanted: list[str], given: bool
) -> None:
    keys = catalog.keys
    giver = keys.authenticate(keys.issue("root", scopes=held, by=TESTER).secret)
    there = keys.issue("bot", scopes=wanted, by=TESTER)
    before = len(keys.list())
    for make in (
        lambda: keys.issue("bot", scopes=wanted, by=TESTER, giver=giver),
        lambda: keys.rotate(there.id, overlap=WEEK, by=TESTER, giver=giver),
    ):
        if given:
            assert make().secret
        else:
            with pytest.raises(NotPermitted):
                make()
    assert len(keys.list()) == before + 2 * given


def test_uses_are_noted_in_memory_and_written_now_and_then(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = catalog.keys.issue("bot", by=TESTER)
    with watched_writes() as seen:
        catalog.keys.authenticate(key.secret)
        catalog.note_key_use(key.id)
        assert seen == {}
        catalog.keys.write_uses(by=MAINTENANCE)
        assert seen == {"api_keys": {"system:maintenance"}}, "no change number moves"
    first = info(catalog, key.id).used_at
    assert first is not None
    assert datetime.now(UTC) - first < timedelta(minutes=1)
    with watched_writes() as seen:
        catalog.note_key_use(key.id)
        catalog.keys.write_uses(by=MAINTENANCE)
        assert seen == {}, "a moment ago is near enough"
    catalog.keys._uses[key.id] = first + USE_IS_WRITTEN_EVERY
    catalog.keys.write_uses(by=MAINTENANCE)
    assert info(catalog, key.id).used_at == first + USE_IS_WRITTEN_EVERY
