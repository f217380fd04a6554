"""What a search left out is named in the reply, and guarded like what the reply shows."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import Withdrawn
from indexes.model import Principal
from service.answering.answerer import Answerer
from service.answering.evidence import SETTING, EvidenceJudge
from service.answering.permission import Permission
from service.answering.values import Answer, Ask
from service.operating.threads import Threads
from service.testing.models import ScriptedModel
from tests.world import TESTER, World

ADA = Principal(name="user:ada")
FOX = "the quick brown fox jumps over the lazy dog near the river bank"
QUESTION = Ask(question="the quick brown fox, alpha gamma", k=6)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.people(ada=["hr"], bob=["eng"])
    world.put("long", [f"alpha gamma number {n} of many words {n * 7}" for n in range(6)], "public")
    world.put("copy one", FOX, "group:hr")
    world.put("copy two", FOX.upper(), "group:hr")
    world.put("other", "a letter", "public")  # takes the last place
    world.put("hidden copy", FOX, "group:eng")
    yield world
    world.close()


def answerer(world: World, model: ScriptedModel | None = None) -> Answerer:
    judge = EvidenceJudge(world.searcher.corpus)
    cpu = Threads(1)
    return Answerer(world.searcher, model, world.settings, cpu, judge=judge, secret=b"test")


def named(answer: Answer) -> list[tuple[str, str]]:
    return sorted((left.title.split()[0], left.reason) for left in answer.budget.left_out)


@pytest.mark.parametrize("model", [None, ScriptedModel("The fox [1].")], ids=["quotes", "model"])
def test_near_copies_and_what_exceeds_the_share_of_a_document_are_named(
    world: World, model: ScriptedModel | None
) -> None:
    answer = asyncio.run(answerer(world, model).answer(QUESTION, ADA))
    assert named(answer) == [("copy", "duplicate"), *2 * [("long", "document_cap")]]


def test_what_was_left_out_keeps_its_reason_if_the_evidence_is_weak(world: World) -> None:
    found = world.catalog.generations.in_force()
    assert found
    always = {"threshold": 2.0}
    kept = {"hybrid": {"en": always, "zh": always}}
    world.catalog.generations.keep_setting(found[0], SETTING, kept, by=TESTER)
    answer = asyncio.run(answerer(world).answer(QUESTION, ADA))
    weak = [("copy", "weak_evidence"), *4 * [("long", "weak_evidence")], ("other", "weak_evidence")]
    assert named(answer) == sorted([("copy", "duplicate"), *2 * [("long", "document_cap")], *weak])


def test_an_answer_ends_if_something_that_it_names_may_not_be_read_any_more(world: World) -> None:
    by = answerer(world)
    permission = Permission(world.searcher, ADA)
    answer = asyncio.run(by.answer(QUESTION, ADA, permission))
    (left,) = [left for left in answer.budget.left_out if left.reason == "duplicate"]
    asyncio.run(permission.confirm())
    world.relabel("hidden copy", "group:board")
    asyncio.run(permission.confirm())
    world.relabel(left.title, "group:eng")
    with pytest.raises(Withdrawn):
        asyncio.run(permission.confirm())
