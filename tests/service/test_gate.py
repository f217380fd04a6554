"""What becomes of an answer whose sentences the passages do not support."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.settings import Settings
from service.answering.answerer import Answerer
from service.answering.json_form import JsonForm, make_json_form
from service.answering.values import (
    Answer,
    Ask,
    CitationFound,
    ClaimChecked,
    Event,
    Finished,
    Token,
)
from service.http.replies import AskReply
from service.operating.threads import Threads
from service.testing.models import ScriptedModel
from tests.service.given import ADA, Library, hit

HARBOUR = hit("The harbour opens at six in summer. It closes at nine.", n=1, document="d1")
FEES = hit("A berth for one night costs twelve crowns.", n=2, document="d2", title="Fees")
QUESTION = "When does the harbour open in summer?"
QUOTE = "“The harbour opens at six in summer.” [1]"
WRONG = "The harbour opens at seven in summer [1]."


def events(
    reply: str | ScriptedModel,
    question: str = QUESTION,
    form: JsonForm | None = None,
    **settings: object,
) -> list[Event]:
    model = ScriptedModel(reply) if isinstance(reply, str) else reply
    given = Settings.model_validate(settings)
    by = Answerer(Library(HARBOUR, FEES), model, given, Threads(1), secret=b"test")

    async def collected() -> list[Event]:
        return [event async for event in by.stream(Ask(question=question, form=form), ADA)]

    return asyncio.run(collected())


def final(seen: list[Event]) -> Answer:
    assert isinstance(seen[-1], Finished)
    return seen[-1].answer


def text_of(seen: list[Event]) -> str:
    return "".join(event.text for event in seen if isinstance(event, Token))


def marked(answer: Answer) -> list[tuple[str, bool]]:
    assert answer.support
    return [
        (answer.text[slice(*claim.span)], claim.supported) for claim in answer.support.sentences
    ]


def test_each_sentence_is_marked_where_it_stands_in_the_answer() -> None:
    answer = final(
        events(
            "Hello! It opens at six in summer [1]. A berth costs 15 crowns. [2] It closes at nine [1]."
        )
    )
    assert marked(answer) == [
        ("It opens at six in summer [1].", True),
        ("A berth costs 15 crowns.", False),
        ("It closes at nine [1].", True),
    ]
    assert answer.support
    assert answer.support.share == pytest.approx(2 / 3)
    assert answer.support.quotes_from is None
    assert answer.notice == "The documents do not support 1 of the 3 sentences of this answer."


def test_a_supported_answer_says_so_and_nothing_more() -> None:
    answer = final(events("The harbour opens at six in summer [1]."))
    assert (answer.text, answer.notice, answer.caveat) == (
        "The harbour opens at six in summer [1].",
        None,
        False,
    )
    assert answer.support
    assert answer.support.share == 1.0


def test_marks_follow_the_text_of_their_sentences() -> None:
    seen = events("It opens at six in summer [1]. A berth costs 15 crowns.")
    said = ""
    marks = []
    for event in seen:
        if isinstance(event, Token):
            said += event.text
        elif isinstance(event, ClaimChecked):
            assert len(said) >= event.claim.span[1]
            marks.append(event.claim)
    answer = final(seen)
    assert answer.support
    assert tuple(marks) == answer.support.sentences


def test_below_an_answer_without_support_stand_the_quotes_that_answer() -> None:
    seen = events(WRONG)
    answer = final(seen)
    assert answer.text == f"{WRONG}\n\nThe documents say:\n{QUOTE}"
    assert answer.support
    assert answer.text[answer.support.quotes_from :] == QUOTE
    assert (text_of(seen), answer.answerer, answer.abstained) == (answer.text, "model", False)
    assert tuple(e.citation for e in seen if isinstance(e, CitationFound)) == answer.citations
    assert all(answer.text[slice(*each.span)] == f"[{each.n}]" for each in answer.citations)
    assert answer.citations[-1].quote == "The harbour opens at six in summer."


def test_what_claims_nothing_answers_nothing() -> None:
    answer = final(events("Sure, I can help you with that."))
    assert answer.support
    assert (answer.support.share, answer.support.sentences) == (None, ())
    assert answer.text.endswith(QUOTE)


def test_quotes_stand_in_the_place_of_an_answer_without_support() -> None:
    seen = events(WRONG, unsupported="quotes")
    answer = final(seen)
    assert (answer.text, text_of(seen), answer.answerer) == (QUOTE, QUOTE, "quotes")
    assert answer.notice == (
        "The documents do not support what the language model answered; these are quotes from them."
    )
    assert (answer.support, answer.model) == (None, "scripted")
    assert answer.usage is not None
    assert not [event for event in seen if isinstance(event, ClaimChecked)]


def test_an_answer_without_support_can_be_refused() -> None:
    seen = events(WRONG, unsupported="refuse")
    answer = final(seen)
    assert answer.text == text_of(seen) == "The documents do not answer this question."
    assert (answer.abstained, answer.citations, answer.support) == (True, (), None)
    assert "not shown" in (answer.notice or "")
    assert not any("seven" in str(event) for event in seen)


@pytest.mark.parametrize("unsupported", ["quotes", "refuse"])
def test_a_supported_answer_is_the_same_whether_or_not_it_was_held_back(unsupported: str) -> None:
    reply = "The harbour opens at six in summer [1]. A berth costs 15 crowns."
    at_once, held = final(events(reply)), final(events(reply, unsupported=unsupported))
    assert replace(held, answer_id="", timings=at_once.timings) == replace(at_once, answer_id="")


@pytest.mark.parametrize("unsupported", ["quotes", "refuse"])
def test_json_is_held_against_the_passages_value_by_value(unsupported: str) -> None:
    form = make_json_form({"type": "object"})
    right, wrong = '{"opens": "six", "season": "summer"}', '{"opens": "seven", "berth": 15}'
    told = final(events(right, unsupported=unsupported, form=form))
    assert (told.text, told.abstained, told.support) == (right, False, None)
    seen = events(wrong, unsupported=unsupported, form=form)
    assert final(seen).abstained
    assert "seven" not in text_of(seen)
    assert final(events(wrong, form=form)).text == wrong, "the caller is told where values stand"


def test_nothing_is_told_of_an_answer_that_is_held_back_before_it_is_checked() -> None:
    model = ScriptedModel("The harbour opens at six in summer [1].")

    async def first_token() -> int:
        settings = Settings.model_validate({"unsupported": "quotes"})
        by = Answerer(Library(HARBOUR, FEES), model, settings, Threads(1), secret=b"test")
        async for event in by.stream(Ask(question=QUESTION), ADA):
            if isinstance(event, Token):
                return model.running
        return -1

    assert asyncio.run(first_token()) == 0


def test_a_model_that_repeats_itself_is_stopped_and_the_reply_says_so() -> None:
    model = ScriptedModel("The harbour opens at six in summer [1]. " * 50)
    answer = final(events(model))
    assert (model.running, model.abandoned) == (0, 1)
    assert answer.text.count("six") == 3
    assert answer.notice == "The answer was stopped, because the model began to repeat itself."
    assert answer.caveat
    assert answer.usage
    assert answer.usage.completion_tokens > 0
    assert "重复" in (final(events("一。" * 50 + "港口六点。" * 9, "港口几点开放？")).notice or "")


def test_who_says_that_nothing_answers_is_not_checked() -> None:
    for reply in (
        "The documents do not answer this question.",
        "Sorry. The passages do not mention it [1].",
    ):
        answer = final(events(reply))
        assert (answer.abstained, answer.support, answer.citations) == (True, None, ())


def test_the_reply_tells_it_in_plain_fields() -> None:
    told = AskReply.of(final(events(WRONG))).model_dump(mode="json")["support"]
    assert told == {
        "share": 0.0,
        "sentences": [
            {"span": [0, len(WRONG)], "supported": False, "reason": "numbers", "passages": []}
        ],
        "quotes_from": len(f"{WRONG}\n\nThe documents say:\n"),
    }


@given(
    st.lists(
        st.sampled_from(
            (
                "It opens at six",
                " [1]",
                ". ",
                "A berth costs 15 crowns",
                "\n- ",
                "| a | b |\n",
                "。",
                "六点",
            )
        ),
        min_size=1,
        max_size=12,
    ).map("".join)
)
def test_marks_lie_in_the_answer_one_behind_the_other(reply: str) -> None:
    if not reply.strip(" \n[]1."):
        return
    answer = final(events(reply))
    at = 0
    for claim in answer.support.sentences if answer.support else ():
        assert at <= claim.span[0] < claim.span[1] <= len(answer.text)
        at = claim.span[1]
