import asyncio
from contextlib import aclosing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.errors import QuestionTooLong
from indexes.model import Hit
from indexes.settings import Settings
from service.answering.budget import FittedPrompt, PackingRequest, apportion, fit_prompt
from service.answering.prompt import Turn
from service.llm.vllm import VllmModel
from service.templates.template import BUILT_IN, CHAT_EN, Template
from service.testing.models import ScriptedModel
from tests.service.given import chunked, hit, hit_lists, selected, texts

SENTENCE = "The harbour opens at six in the morning and closes at nine in the evening, Sundays and holidays excepted. "
CHINESE = "港口早上六点开放，晚上九点关闭，星期日和节假日除外。"


def request(
    *hits: Hit,
    question: str = "When does it open?",
    history: tuple[Turn, ...] = (),
    answer: int = 128,
    per_document: int = 100,
    template: Template = CHAT_EN,
) -> PackingRequest:
    kept, left = selected(hits, per_document)
    return PackingRequest(
        template=template, question=question, hits=kept, left_out=left, history=history, answer_tokens=answer,
        view_id="view", secret=b"secret",
    )  # fmt: skip


def fitted(wanted: PackingRequest, window: int, model: ScriptedModel | None = None) -> FittedPrompt:
    return asyncio.run(fit_prompt(wanted, model or ScriptedModel(), window))


def adds_up(result: FittedPrompt, window: int) -> bool:
    budget = result.budget
    shares = sum(share.tokens for share in budget.passages)
    parts = (
        budget.answer + budget.template + budget.question + budget.history + shares + budget.unused
    )
    small = min(
        budget.template,
        budget.question,
        budget.history,
        budget.unused,
        *(s.tokens for s in budget.passages),
        0,
    )
    return parts == window == budget.window and small >= 0 and budget.prompt_tokens == result.tokens


def many(count: int, sentences: int = 8, text: str = SENTENCE) -> list[Hit]:
    return [
        hit(
            "".join(f"{chr(97 + n % 26)}{n} {text}" for _ in range(sentences)),
            n=n,
            document=f"d{n}",
        )
        for n in range(1, count + 1)
    ]


def test_one_count_is_enough_where_everything_fits() -> None:
    model = ScriptedModel()
    result = fitted(request(*many(8)), 8192, model)
    assert (model.count_calls, len(result.passages), result.budget.left_out) == (1, 8, ())
    assert adds_up(result, 8192)


@pytest.mark.parametrize("text", [SENTENCE, CHINESE], ids=["en", "zh"])
def test_a_full_window_is_filled_best_first_and_cut_at_a_sentence(text: str) -> None:
    model = ScriptedModel()
    result = fitted(request(*many(20, text=text)), 2048, model)
    assert result.tokens <= 2048 - 128
    assert result.tokens >= 0.9 * (2048 - 128)
    assert model.count_calls <= 8
    assert [passage.id for passage in result.passages] == [
        f"p{n}" for n in range(1, len(result.passages) + 1)
    ]
    reasons = {left.passage_id: left.reason for left in result.budget.left_out}
    assert set(reasons.values()) <= {"cut", "budget"}
    assert [n for n in range(1, 21) if reasons.get(f"p{n}") == "budget"] == list(
        range(len(result.passages) + 1, 21)
    )
    assert all(passage.text.rstrip().endswith((".", "。")) for passage in result.passages)
    assert adds_up(result, 2048)


def test_a_cut_passage_says_how_much_is_missing() -> None:
    long = hit(SENTENCE * 100)
    result = fitted(request(long), 1024)
    (left,) = result.budget.left_out
    (passage,) = result.passages
    assert (left.reason, passage.cut) == ("cut", True)
    assert left.characters == len(long.text) - (passage.end - passage.start)


def test_what_was_left_out_says_why() -> None:
    hits = [*chunked("d1", SENTENCE * 4, len(SENTENCE) + 7), hit(SENTENCE, n=50, document="d2")]
    result = fitted(request(*hits, per_document=2), 4096)
    assert {left.reason for left in result.budget.left_out} == {"duplicate"}
    apart = [hit(f"{chr(96 + n) * 60} news", n=n, start=1000 * n) for n in range(1, 5)]
    result = fitted(request(*apart, per_document=2), 4096)
    assert [left.reason for left in result.budget.left_out] == ["document_cap", "document_cap"]


def test_old_turns_give_way_first() -> None:
    history = tuple(
        Turn(role, f"turn {n} {SENTENCE}") for n in range(40) for role in ("user", "assistant")
    )  # fmt: skip
    result = fitted(request(*many(2), history=history), 2048)
    messages = result.prompt.messages or ()
    kept = [message.content for message in messages[1:-1]]
    assert 0 < len(kept) < 80
    assert kept == [turn.text.strip() for turn in history[-len(kept) :]]
    assert result.budget.dropped_turns == 80 - len(kept)
    assert result.budget.history <= 0.4 * 2048
    assert adds_up(result, 2048)


def test_ten_thousand_turns_are_no_trouble() -> None:
    history = tuple(Turn(role, "again") for _ in range(5000) for role in ("user", "assistant"))
    assert adds_up(fitted(request(*many(2), history=history), 1024), 1024)


def test_the_answer_gets_shorter_before_the_question_is_refused() -> None:
    question = "word " * 290
    result = fitted(request(*many(1), question=question, answer=250), 700)
    assert result.answer_tokens == 64
    assert result.passages
    assert adds_up(result, 700)


def test_at_most_half_of_the_window_is_kept_for_the_answer() -> None:
    result = fitted(request(*many(1), answer=100_000), 1024)
    assert result.answer_tokens == 512


def test_a_question_that_fits_with_nothing_beside_it_is_refused_with_the_numbers() -> None:
    with pytest.raises(QuestionTooLong, match=r"takes \d+ tokens.*window holds 512") as refusal:
        fitted(request(*many(1), question="word " * 4000), 512)
    assert refusal.value.remedy


def test_a_sentence_longer_than_the_room_is_cut_rather_than_left_out() -> None:
    result = fitted(request(hit("word " * 5000)), 512)
    assert result.passages[0].cut
    assert adds_up(result, 512)


@given(
    hits=hit_lists(),
    window=st.integers(512, 131_072) | st.integers(512, 1500),
    question=texts,
    turns=st.lists(st.tuples(st.sampled_from(("user", "assistant")), texts), max_size=6),
    answer=st.integers(1, 4096),
    template=st.sampled_from(BUILT_IN),
)
def test_no_prompt_ever_exceeds_the_window_and_every_ledger_adds_up(
    hits: list[Hit],
    window: int,
    question: str,
    turns: list[tuple[str, str]],
    answer: int,
    template: Template,
) -> None:
    model = ScriptedModel()
    history = tuple(Turn("user" if role == "user" else "assistant", text) for role, text in turns)
    wanted = request(
        *hits, question=question, history=history, answer=answer, per_document=4, template=template
    )
    try:
        result = fitted(wanted, window, model)
    except QuestionTooLong:
        assert window < 3000
        return
    assert asyncio.run(model.count(result.prompt)) == result.tokens
    assert result.tokens + result.answer_tokens <= window
    assert adds_up(result, window)
    assert model.count_calls <= 60
    shown = {one for passage in result.passages for one in passage.hits}
    assert shown <= {one.id for one in hits}
    gone = {left.passage_id for left in result.budget.left_out if left.reason != "cut"}
    assert shown | gone == {one.id for one in hits}
    assert not shown & gone


@given(
    st.integers(0, 10**6), st.lists(st.just(0.0) | st.floats(0.01, 1e6), min_size=1, max_size=30)
)
def test_shares_add_up_to_the_whole(total: int, weights: list[float]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    assert min(parts) >= 0
    assert len(parts) == len(weights)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    hits=hit_lists(),
    window=st.integers(450, 700),  # of a server that reads about a hundred tokens a second here
    question=texts,
    turns=st.lists(texts, max_size=4),
    template=st.sampled_from(BUILT_IN),
)
def test_a_real_server_counts_what_we_counted(
    model_server: str,
    hits: list[Hit],
    window: int,
    question: str,
    turns: list[str],
    template: Template,
) -> None:
    """Chinese, emoji, control characters and control tokens included, as chat and as completion."""

    async def counts() -> tuple[int, int] | None:
        model = VllmModel(Settings(llm_url=model_server))
        try:
            assert (await model.served_model()).window >= window
            history = tuple(
                Turn("assistant" if place % 2 else "user", text) for place, text in enumerate(turns)
            )
            wanted = request(
                *hits, question=question, history=history, answer=64, template=template
            )
            try:
                ours = await fit_prompt(wanted, model, window)
            except QuestionTooLong:
                return None
            assert ours.tokens + ours.answer_tokens <= window
            assert adds_up(ours, window)
            async with aclosing(
                model.stream(ours.prompt, max_tokens=1, cache_salt="test")
            ) as pieces:
                usage = [piece.usage async for piece in pieces][-1]
            assert usage is not None
            return ours.tokens, usage.prompt_tokens
        finally:
            await model.aclose()

    both = asyncio.run(counts())
    assert both is None or both[0] == both[1]
