"""The answer scorer of a service: used if it is there, prepared beside the service if it is not."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexes.embedder.answer_scorer import PACKAGED, WORDS
from indexes.settings import Settings
from service.answering.answer_check.verdict import AnswerCheck
from service.operating import scorer as preparing
from service.operating.scorer import prepare_scorer
from service.runtime import open_runtime
from tests.service.given import hit, shown

CANTEEN = shown(hit("The canteen opens at half past eleven. It closes at two.", title="Canteen"))


class _Sure:
    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        return [0.99 for _ in texts]


def test_words_decide_until_the_scorer_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "PREPARE", "this")  # a program that ends well
    monkeypatch.setattr(preparing, "load_answer_scorer", lambda settings: _Sure())
    check, question = AnswerCheck(None, PACKAGED), "When does the canteen open?"
    before = check.judge(question, CANTEEN)
    asyncio.run(prepare_scorer(Settings(home=tmp_path), check.use))
    after = check.judge(question, CANTEEN)
    assert (before.checked_by, after.checked_by) == (WORDS, PACKAGED)
    assert before.strength != after.strength
    assert before.least_strength != after.least_strength


def test_a_scorer_that_cannot_be_prepared_is_told_and_words_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preparing, "PREPARE", "no_such_module")
    check = AnswerCheck(None, PACKAGED)
    with caplog.at_level(logging.WARNING):
        asyncio.run(prepare_scorer(Settings(home=tmp_path), check.use))
    assert check.name == WORDS
    assert "no_such_module" in caplog.text


def test_a_service_that_ends_ends_the_preparing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "PREPARE", "http.server")  # a program that does not end
    monkeypatch.setattr(preparing, "ANSWERS_ONLY", "--bind=127.0.0.1")

    async def leave() -> None:
        async with preparing.preparing_scorer(Settings(home=tmp_path), lambda scorer: None):
            await asyncio.sleep(0.3)

    asyncio.run(asyncio.wait_for(leave(), 30))


@pytest.mark.slow
def test_a_service_uses_the_packaged_scorer_that_is_there(tmp_path: Path, models: Path) -> None:
    (tmp_path / "models").symlink_to(models)

    async def open_and_judge() -> tuple[str, float, float]:
        async with open_runtime(Settings(home=tmp_path)) as runtime:
            opens, costs = (
                runtime.check.judge(question, CANTEEN)
                for question in (
                    "When does the canteen open?",
                    "What does the canteen cost a year?",
                )
            )
            return opens.checked_by, opens.strength, costs.strength

    checked_by, opens, costs = asyncio.run(open_and_judge())
    assert checked_by == PACKAGED
    assert opens > costs
