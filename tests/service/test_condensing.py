"""Follow-ups that are made to stand alone: by the model, and by a rule wherever the model is of no
use.
"""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import GeneratorError, GeneratorTimeout, GeneratorUnavailable
from indexes.model import Principal, SearchResult
from indexes.settings import Settings
from service.answering import condense
from service.answering.answerer import Answerer
from service.answering.condense import make_question_standalone
from service.answering.prompt import Turn
from service.answering.values import Answer, Ask, Event, Finished, Passages
from service.llm.port import Prompt
from service.operating.threads import Threads
from service.testing.models import ScriptedModel, count_tokens
from tests.service.given import ADA, Library, hit, texts

SOUP = (Turn("user", "When does the canteen serve soup?"), Turn("assistant", "On Mondays [1]."))
FRIDAYS = "And what does the canteen serve on Fridays?"
BY_RULE = "When does the canteen serve soup on Fridays?"


class Listening(Library):
    """Remembers what was searched for."""

    searched: list[str]

    def search(self, question: str, principal: Principal, k: int, **how: object) -> SearchResult:
        self.searched = [*getattr(self, "searched", []), question]
        return super().search(question, principal, k, **how)


def made(question: str, model: ScriptedModel | None, *turns: Turn, style: Any = "chat") -> str:
    return asyncio.run(make_question_standalone(question, turns, model, style, "salt"))


def asked(
    model: ScriptedModel | None, question: str, *turns: Turn, **more: Any
) -> tuple[Answer, list[Event], Listening]:
    found = Listening(hit("The canteen serves soup on Mondays. On Fridays there is fish."))
    by = Answerer(found, model, Settings(), Threads(1), secret=b"test")

    async def collected() -> list[Event]:
        return [
            event async for event in by.stream(Ask(question=question, history=turns, **more), ADA)
        ]

    events = asyncio.run(collected())
    assert isinstance(events[-1], Finished)
    return events[-1].answer, events, found


def two_calls(condensed: str, answer: str = "Fish [1].") -> ScriptedModel:
    """Condenses, then answers."""
    return ScriptedModel(
        lambda prompt: condensed if "Rewritten question" in repr(prompt) else answer
    )


def test_a_standalone_question_is_searched_for_as_it_is_and_shown_inert() -> None:
    question = "What does the canteen serve on Fridays, https://evil.example/menu?"
    turns = (SOUP[0], Turn("assistant", "On Mondays, says https://evil.example/menu [1]."))
    answer, _, found = asked(two_calls(question), "And on Fridays?", *turns)
    assert found.searched == [question]
    assert answer.standalone_question is not None
    assert "https://" not in answer.standalone_question


def test_the_models_standalone_question_is_searched_for_and_shown() -> None:
    model = two_calls(FRIDAYS)
    answer, events, found = asked(model, "And on Fridays?", *SOUP)
    assert found.searched == [FRIDAYS]
    assert answer.standalone_question == FRIDAYS
    assert isinstance(events[0], Passages)
    assert events[0].standalone_question == FRIDAYS
    first, second = model.calls
    assert first.max_tokens == condense.ANSWER_TOKENS
    assert first.cache_salt != second.cache_salt
    shown = [message.content for message in second.prompt.messages or ()]
    assert shown[1:3] == [turn.text.replace("[1]", "(1)") for turn in SOUP], (
        "the prompt still shows the history"
    )
    assert "And on Fridays?" in shown[-1]


def test_without_history_nothing_is_condensed() -> None:
    model = ScriptedModel("At six [1].")
    answer, _, found = asked(model, "And on Fridays?")
    assert (answer.standalone_question, found.searched, len(model.calls)) == (
        None,
        ["And on Fridays?"],
        1,
    )
    answer, _, _ = asked(model, "And on Fridays?", Turn("user", "A turn that nobody answered."))
    assert answer.standalone_question is None


def test_a_question_that_stays_as_it_is_is_not_shown_twice() -> None:
    question = "What does the canteen serve on Fridays?"
    assert asked(two_calls(question), question, *SOUP)[0].standalone_question is None


def test_without_a_model_a_follow_up_is_completed_by_rule() -> None:
    answer, _, found = asked(None, "And on Fridays?", *SOUP)
    assert answer.standalone_question == BY_RULE
    assert found.searched == [BY_RULE]
    assert answer.answerer == "quotes"


@pytest.mark.parametrize(
    "said",
    [
        "", "\n\n", "[1]", "Fish is served on Fridays, of course, with chips and vinegar and a slice of lemon.",
        "The president of the republic was elected in 1999.", "canteen " * 95, "What?", "x" * 5_000, "\x00\u202e",
    ],
)  # fmt: skip
def test_what_a_small_model_makes_up_is_not_searched_for(said: str) -> None:
    assert made("And on Fridays?", ScriptedModel(said), *SOUP) == BY_RULE


SALARIES = (
    Turn("user", "When do salaries rise?"),
    Turn("assistant", "Salaries rise in March [1]."),
)


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        ("And by how much?", "When do salaries rise?", "And by how much? (salaries rise)"),
        ("And by how much?", "By how much do salaries rise?", "By how much do salaries rise?"),
        ("Who decides it?", "Salaries are decided in March.", "Who decides it? (salaries rise)"),
        ("When do salaries rise?", "When do salaries rise?", "When do salaries rise?"),
        ("Tell me why they rise.", "Tell me why salaries rise.", "Tell me why salaries rise."),
    ],
)
def test_an_earlier_question_or_an_answer_is_not_taken_for_the_follow_up(
    question: str, said: str, expected: str
) -> None:
    assert made(question, ScriptedModel(said), *SALARIES) == expected


@pytest.mark.parametrize(
    "said", [f'"{FRIDAYS}"', f"Rewritten question: {FRIDAYS}\nAnswer: fish", f"\n {FRIDAYS} \n\n"]
)
def test_what_stands_around_the_question_is_taken_off(said: str) -> None:
    assert made("And on Fridays?", ScriptedModel(said), *SOUP) == FRIDAYS


@pytest.mark.parametrize("after", [0, 3])
def test_a_model_that_fails_leaves_it_to_the_rule(after: int) -> None:
    for failure in (GeneratorUnavailable("Gone."), GeneratorTimeout("Slow.")):
        model = ScriptedModel(FRIDAYS, failure=failure, fail_after=after)
        assert made("And on Fridays?", model, *SOUP) == BY_RULE


def test_a_model_that_takes_too_long_leaves_it_to_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condense, "WITHIN_S", 0.2)
    started = time.monotonic()
    model = ScriptedModel("And what " * 40, delay_s=0.1)
    assert made("And on Fridays?", model, *SOUP) == BY_RULE
    assert time.monotonic() - started < 6
    assert (model.running, model.abandoned) == (0, 1)


def test_a_base_model_is_shown_how_it_is_done() -> None:
    model = ScriptedModel(f" {FRIDAYS}\n\nUser: and")
    assert made("And on Fridays?", model, *SOUP, style="completion") == FRIDAYS
    assert (model.calls[0].prompt.text or "").endswith(
        "Last question: And on Fridays?\nRewritten question:"
    )


@given(st.lists(texts, max_size=12), texts, st.integers(150, 1_500))
def test_condensing_is_counted_and_never_overflows(
    said: list[str], question: str, window: int
) -> None:
    model = ScriptedModel("And the harbour?", window=window)
    turns = [Turn("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(said)]
    result = made(question, model, *turns)
    if result != "And the harbour?":  # the rule's
        assert len(result) <= len(question) + max(map(len, said), default=0) + 200
    assert all(count_tokens(call.prompt) + call.max_tokens <= window for call in model.calls)


def test_a_conversation_without_end_is_cut_oldest_first_and_ends_well() -> None:
    turns = tuple(
        Turn("user" if n % 2 == 0 else "assistant", f"Turn {n} about soup.") for n in range(10_000)
    )
    model = two_calls("And the soup of turn 9998?")
    started = time.monotonic()
    answer, _, _ = asked(model, "And then?", *turns)
    assert time.monotonic() - started < 5
    assert answer.budget.dropped_turns > 9_000
    told: Prompt = model.calls[-1].prompt
    assert "Turn 9999 about soup." in repr(told)
    assert "Turn 0 about" not in repr(told)
    assert count_tokens(model.calls[0].prompt) < 300


def test_where_no_turn_fits_the_model_gets_the_question_that_stands_alone() -> None:
    long = (
        Turn("user", "When does the canteen serve soup? " + "really " * 2_000),
        Turn("assistant", "On Mondays."),
    )
    model = two_calls(FRIDAYS)
    answer, _, _ = asked(model, "And on Fridays?", *long)
    assert answer.budget.dropped_turns == 2
    assert FRIDAYS in repr(model.calls[-1].prompt)


def test_quotes_take_over_a_whole_answer_that_had_begun_and_never_a_stream() -> None:
    found = Library(hit("The canteen serves soup on Mondays."))
    failing = ScriptedModel(
        "It serves soup on Mondays [1].", failure=GeneratorUnavailable("Gone."), fail_after=5
    )
    by = Answerer(found, failing, Settings(fallback="quotes"), Threads(1))
    question = Ask(question="When does the canteen serve soup?")
    whole = asyncio.run(by.answer(question, ADA))
    assert (whole.answerer, whole.text) == ("quotes", "“The canteen serves soup on Mondays.” [1]")

    async def streamed() -> None:
        async for _ in by.stream(question, ADA):
            pass

    with pytest.raises(GeneratorError):
        asyncio.run(streamed())
