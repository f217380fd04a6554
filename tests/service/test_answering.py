import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import (
    BadInput,
    GeneratorBroken,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
    NotFound,
    QuestionTooLong,
)
from indexes.model import Hit
from indexes.settings import Settings
from indexes.text.scripts import Writing, writing
from service.answering.answerer import Answerer
from service.answering.phrases import NOT_ANSWERED, NOTHING_FOUND, NOTICES
from service.answering.values import Answer, Ask, CitationFound, Event, Finished, Passages, Token
from service.llm.port import Prompt, ServedModel
from service.operating.threads import Threads
from service.testing.models import ScriptedModel, words_without_loop
from tests.service.given import ADA, Library, hit, hit_lists, texts

HARBOUR = hit("The harbour opens at six in summer. It closes at nine.", n=1, document="d1")
FEES = hit("A berth for one night costs twelve crowns.", n=2, document="d2", title="Fees")
QUESTION = "When does the harbour open in summer?"


def answerer(
    model: ScriptedModel | None = None, *hits: Hit, view_id: str = "view-1", **settings: object
) -> Answerer:
    library = Library(*(hits or (HARBOUR, FEES)), view_id=view_id)
    limiter = Threads(1)
    return Answerer(library, model, Settings.model_validate(settings), limiter, secret=b"test")


def answer(by: Answerer, question: str = QUESTION, **ask: object) -> Answer:
    return asyncio.run(by.answer(Ask(question=question, **ask), ADA))  # type: ignore[arg-type]


def events(by: Answerer, question: str = QUESTION) -> list[Event]:
    async def collected() -> list[Event]:
        return [event async for event in by.stream(Ask(question=question), ADA)]

    return asyncio.run(collected())


def told(prompt: Prompt) -> str:
    return prompt.text or "\n".join(message.content for message in prompt.messages or ())


def test_the_models_answer_comes_with_citations_budget_and_usage() -> None:
    model = ScriptedModel("The harbour opens at six [1].")
    given = answer(answerer(model))
    assert given.text == "The harbour opens at six [1]."
    assert [citation.quote for citation in given.citations] == [
        "The harbour opens at six in summer."
    ]
    assert [passage.id for passage in given.passages] == ["p1", "p2"]
    assert given.usage
    assert (
        given.usage.prompt_tokens == given.usage.counted_prompt_tokens == given.budget.prompt_tokens
    )
    assert (given.model, given.template, given.answerer) == ("scripted", "chat-en@1", "model")
    assert (given.abstained, given.notice, given.view_id) == (False, None, "view-1")
    assert 0 < given.timings.search_ms < given.timings.total_ms
    assert given.timings.first_token_ms


def test_the_stream_says_what_the_answer_says_and_ends_with_it() -> None:
    model = ScriptedModel("It opens at six [1]. A berth costs twelve crowns [2, 9].")
    seen = events(answerer(model))
    assert isinstance(seen[0], Passages)
    assert isinstance(seen[-1], Finished)
    final = seen[-1].answer
    assert "".join(event.text for event in seen if isinstance(event, Token)) == final.text
    assert (
        tuple(event.citation for event in seen if isinstance(event, CitationFound))
        == final.citations
    )
    assert (seen[0].passages, seen[0].answer_id) == (final.passages, final.answer_id)
    again = answer(answerer(model))
    assert (again.text, again.citations, again.passages) == (
        final.text,
        final.citations,
        final.passages,
    )


@pytest.mark.parametrize("model", [None, ScriptedModel("never asked")], ids=["quotes", "model"])
def test_nothing_found_is_a_fixed_answer_without_a_call(model: ScriptedModel | None) -> None:
    by = Answerer(Library(), model, Settings(), Threads(1))
    given = answer(by, "Who was paid what?")
    assert given.text == "Nothing about this was found in the documents that you may read."
    assert (given.abstained, given.passages, given.citations, given.usage) == (True, (), (), None)
    assert answer(by, "谁的工资是多少？").text == "在您可以阅读的文档中没有找到相关内容。"
    assert answer(by, "誰的工資是多少？").text == "在您可以閱讀的文件中沒有找到相關內容。"
    assert model is None or (model.calls, model.count_calls) == ([], 0)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            "The documents do not answer this question.",
            "The documents do not answer this question.",
        ),
        ("the documents do not answer this question", "The documents do not answer this question."),
        (
            "The documents do not answer this question. But [1] says more!",
            "The documents do not answer this question.",
        ),
        (
            "I am sorry, the passages do not mention that.",
            "I am sorry, the passages do not mention that.",
        ),
        ("资料中没有提到这一点。", "资料中没有提到这一点。"),
        ("資料中沒有提到這一點。", "資料中沒有提到這一點。"),
    ],
)
def test_a_model_that_finds_no_answer_is_understood(reply: str, text: str) -> None:
    seen = events(answerer(ScriptedModel(reply)))
    final = seen[-1]
    assert isinstance(final, Finished)
    assert (final.answer.abstained, final.answer.text, final.answer.citations) == (True, text, ())
    assert "".join(event.text for event in seen if isinstance(event, Token)) == text
    assert not [event for event in seen if isinstance(event, CitationFound)]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("港口什么时候开放？", "文档没有回答这个问题。"),
        ("港口什麼時候開放？", "文件沒有回答這個問題。"),
    ],
)
@pytest.mark.parametrize("reply", ["文档没有回答这个问题。", "文檔沒有回答這個問題"])
def test_that_there_is_no_answer_is_written_as_the_question_is(
    question: str, text: str, reply: str
) -> None:
    given = answer(answerer(ScriptedModel(reply)), question)
    assert (given.text, given.abstained) == (text, True)
    quotes = answer(answerer(), question)
    assert (quotes.text, quotes.abstained) == (text, True)


@pytest.mark.parametrize("phrase", [NOTHING_FOUND, NOT_ANSWERED, *NOTICES])
def test_every_sentence_of_the_service_is_there_in_every_way_of_writing(
    phrase: Mapping[Writing, str],
) -> None:
    assert {way: writing(text) for way, text in phrase.items()} == {
        way: way for way in get_args(Writing)
    }


@pytest.mark.parametrize(
    "reply", ["The", "The documents do not exclude dogs [1].", "The documents do"]
)
def test_an_answer_that_begins_like_an_abstention_is_still_an_answer(reply: str) -> None:
    given = answer(answerer(ScriptedModel(reply)))
    assert given.support is not None
    assert given.support.quotes_from is not None, "it claims nothing that the passages support"
    assert (given.text.split("\n\n")[0], given.abstained) == (reply, False)


def test_without_a_model_the_documents_are_quoted() -> None:
    given = answer(answerer())
    assert given.text == "“The harbour opens at six in summer.” [1]"
    assert (given.answerer, given.model, given.usage, given.template, given.notice) == (
        "quotes",
        None,
        None,
        None,
        None,
    )
    assert answer(answerer(), "Who painted the ceiling of the chapel?").abstained


def test_quotes_can_be_asked_for_and_a_model_that_is_not_there_cannot() -> None:
    model = ScriptedModel("never asked")
    assert answer(answerer(model), answerer="quotes").answerer == "quotes"
    assert model.calls == []
    with pytest.raises(BadInput, match="No language model"):
        answer(answerer(), answerer="model")


@pytest.mark.parametrize(("setting", "wish", "quoted"), [
    ("none", None, False), ("quotes", None, True), ("none", "quotes", True), ("quotes", "none", False),
])  # fmt: skip
def test_a_model_that_fails_before_its_first_word_is_replaced_by_quotes_where_allowed(
    setting: str, wish: str | None, quoted: bool
) -> None:
    by = answerer(ScriptedModel(failure=GeneratorUnavailable("Gone.")), fallback=setting)
    if not quoted:
        with pytest.raises(GeneratorUnavailable):
            answer(by, fallback=wish)
        return
    given = answer(by, fallback=wish)
    assert (given.answerer, given.notice) == (
        "quotes", "The language model did not answer; these are quotes from the documents.",
    )  # fmt: skip
    assert given.citations


class FailsLate(ScriptedModel):
    """Counts, and fails when it should speak, or after some words."""

    async def served_model(self) -> ServedModel:
        failure, self.failure = self.failure, None
        try:
            return await super().served_model()
        finally:
            self.failure = failure


def test_passages_are_announced_once_even_when_quotes_take_over() -> None:
    seen = events(answerer(FailsLate(failure=GeneratorTimeout("Slow.")), fallback="quotes"))
    assert [type(event) for event in seen] == [Passages, Token, CitationFound, Finished]
    final = seen[-1]
    assert isinstance(final, Finished)
    assert final.answer.budget.window == 4096, "the ledger is that of the passages that were shown"


def test_an_answer_that_has_begun_is_never_replaced() -> None:
    by = answerer(
        ScriptedModel("It opens at six [1].", failure=GeneratorBroken("Cut."), fail_after=4),
        fallback="quotes",
    )
    with pytest.raises(GeneratorBroken):
        events(by)


def test_a_model_that_says_nothing_is_broken() -> None:
    with pytest.raises(GeneratorBroken, match="empty"):
        answer(answerer(ScriptedModel("  \n [9] ")))
    assert answer(answerer(ScriptedModel("")), fallback="quotes").answerer == "quotes"


def test_the_prefix_cache_is_shared_by_equal_views_only() -> None:
    model = ScriptedModel("Six [1].")
    for view in ("view-1", "view-1", "view-2"):
        answer(answerer(model, view_id=view))
    one, same, other = (call.cache_salt for call in model.calls)
    assert one == same != other
    assert "view" not in one


def test_the_same_question_to_the_same_view_is_the_same_prompt() -> None:
    model = ScriptedModel("Six [1].")
    answer(answerer(model))
    answer(answerer(model))
    assert model.calls[0] == model.calls[1]


def test_a_different_count_by_the_server_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    class Miscounting(ScriptedModel):
        async def count(self, prompt: Prompt) -> int:
            return await super().count(prompt) + 1

    with caplog.at_level(logging.ERROR):
        given = answer(answerer(Miscounting("Six [1].")))
    assert given.usage
    assert given.usage.counted_prompt_tokens == given.usage.prompt_tokens + 1
    assert "counted" in caplog.text
    assert "harbour" not in caplog.text


def test_a_limited_or_cut_answer_says_so() -> None:
    long = ScriptedModel(" ".join(f"six{n}" for n in range(500)), window=700)
    assert (answer(answerer(long), max_tokens=20).notice or "").startswith(
        "The answer was cut off at 20 tokens."
    )
    short = ScriptedModel("Six [1].", window=700)
    assert "limited to 350 tokens" in (answer(answerer(short), max_tokens=5000).notice or "")
    assert short.calls[0].max_tokens == 350


def test_a_base_model_gets_one_text_and_the_stop_sequences() -> None:
    model = ScriptedModel(" It opens at six [1].\nQuestion: and?")
    given = answer(answerer(model, llm_style="completion", llm_stop=("###",)))
    assert given.text == "It opens at six [1]."
    assert (model.calls[0].prompt.messages, model.calls[0].stop) == (None, ("\n", "###"))
    assert given.template == "base-en@1"


def test_a_chinese_question_gets_chinese_instructions() -> None:
    model = ScriptedModel("六点[1]。")
    assert answer(answerer(model), "港口什么时候开放？").template == "chat-zh@1"
    assert "段落" in told(model.calls[0].prompt)


def test_an_unknown_template_and_a_question_too_long_are_refused_and_never_quoted_around() -> None:
    by = answerer(ScriptedModel(window=512), fallback="quotes")
    with pytest.raises(NotFound):
        answer(by, template="nobody's")
    with pytest.raises(QuestionTooLong):
        answer(by, "word " * 3000)


def test_who_leaves_stops_the_model() -> None:
    model = ScriptedModel(words_without_loop(500))

    async def leave() -> None:
        stream = answerer(model).stream(Ask(question=QUESTION), ADA)
        async for event in stream:
            if isinstance(event, Token):
                break
        await stream.aclose()

    asyncio.run(leave())
    assert (model.running, model.abandoned) == (0, 1)


@given(
    hit_lists().filter(bool),
    texts,
    st.lists(st.sampled_from(("[1]", "[2]", "[9]", "Six. ", "[1")) | texts, max_size=9).map(
        "".join
    ),
)
def test_citations_are_among_passages_and_passages_among_hits(
    hits: Sequence[Hit], question: str, reply: str
) -> None:
    by = answerer(ScriptedModel(reply, window=2048), *hits, fallback="quotes", llm_answer_tokens=64)
    try:
        given = answer(by, question, k=100)
    except (QuestionTooLong, GeneratorError):
        return
    hit_ids = {one.id for one in hits}
    assert {one for passage in given.passages for one in passage.hits} <= hit_ids
    shown = {passage.n: passage for passage in given.passages}
    for citation in given.citations:
        passage = shown[citation.n]
        assert (citation.passage_id, citation.document_id) == (passage.id, passage.document_id)
        assert any(citation.quote in span.text for span in passage.spans)
        assert given.text[slice(*citation.span)] == f"[{citation.n}]"


def test_answer_ids_are_random() -> None:
    by = answerer()
    assert len({answer(by).answer_id for _ in range(5)}) == 5


def test_two_answers_of_one_model_differ_in_nothing_but_id_and_time() -> None:
    by = answerer(ScriptedModel("It opens at six [1]."))
    one, two = answer(by), answer(by)
    assert replace(one, answer_id="", timings=two.timings) == replace(two, answer_id="")
