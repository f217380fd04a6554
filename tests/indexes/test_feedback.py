"""Opinions on answers, as the catalog keeps them."""

from datetime import UTC, datetime, timedelta

import pytest

from indexes.catalog.feedback import Opinion
from indexes.errors import NotAuthenticated
from indexes.model import Actor, Principal
from tests.world import TESTER, World

ADA = Actor("user:ada")
BEFORE = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_last_opinion_of_an_answer_counts_and_is_told_in_order(world: World):
    world.people(ada=[])
    give, ada = world.catalog.feedback.give, Principal(name="user:ada")
    give("first", BEFORE, Opinion(verdict="up", question="薪資何時調整？"), ada, by=ADA)
    give("second", BEFORE, Opinion(verdict="up"), ada, by=ADA)
    give("first", BEFORE, Opinion(verdict="down", reason="No."), ada, by=ADA)
    found = world.catalog.feedback.read(by=TESTER)
    assert [(each.answer_id, each.verdict) for each in found] == [
        ("second", "up"),
        ("first", "down"),
    ]
    assert found[1].question is None
    assert found[1].answered_at == BEFORE
    assert world.catalog.feedback.read(datetime.now(UTC) + timedelta(days=1), by=TESTER) == []


def test_who_may_not_ask_any_more_says_nothing(world: World):
    world.people(ada=[])
    key = world.catalog.keys.issue("ada", by=TESTER)
    ada = world.catalog.keys.authenticate(key.secret)
    world.catalog.keys.revoke(key.id, by=TESTER)
    with pytest.raises(NotAuthenticated):
        world.catalog.feedback.give("first", BEFORE, Opinion(verdict="up"), ada, by=ADA)
    with pytest.raises(NotAuthenticated):
        world.catalog.feedback.withdraw("first", ada, by=ADA)
    assert world.catalog.feedback.read(by=TESTER) == []
