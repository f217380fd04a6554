"""Every LanguageModel keeps the same contract, and a server that misbehaves is named for what it
did.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from indexes.errors import BadConfiguration, GeneratorBroken, GeneratorTimeout, GeneratorUnavailable
from indexes.settings import Settings
from service.llm.port import CompletionPart, LanguageModel, Message, Prompt, TokenCounts
from service.llm.vllm import VllmModel
from service.testing.model_server import FakeVllm, Misbehaviour
from service.testing.models import ScriptedModel, count_tokens

CHAT = Prompt(
    (
        Message("system", "Answer briefly."),
        Message("user", "When do salaries rise? 工资何时上涨？ 🙂"),
    )
)
PLAIN = Prompt(text="Q: When do salaries rise?\nA:")
REPLY = "They rise in March, by 3 per cent. 三月上涨。 🙂"
QUICK = {"llm_connect_timeout_s": 0.5, "llm_first_token_timeout_s": 0.4, "llm_total_timeout_s": 2.0}


@pytest.fixture(scope="module")
def house() -> Iterator[FakeVllm]:
    with FakeVllm() as server:
        yield server


@pytest.fixture
def server(house: FakeVllm) -> FakeVllm:
    """The fake server, as new."""
    house.model, house.misbehaviour = ScriptedModel(REPLY), None
    house.requests.clear()
    return house


Made = Callable[[ScriptedModel], LanguageModel]


@pytest.fixture(params=["scripted", "over http"])
def made(request: pytest.FixtureRequest, server: FakeVllm) -> Made:
    """Puts a script behind either kind of LanguageModel."""

    def over_http(script: ScriptedModel) -> LanguageModel:
        server.model = script
        return VllmModel(Settings(llm_url=server.url))

    return over_http if request.param == "over http" else lambda script: script


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


async def answer(
    model: LanguageModel, prompt: Prompt = CHAT, *, max_tokens: int = 64, stop: Sequence[str] = ()
) -> list[CompletionPart]:
    async with aclosing(
        model.stream(prompt, max_tokens=max_tokens, cache_salt="s", stop=stop)
    ) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[CompletionPart]) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("prompt", [CHAT, PLAIN])
def test_an_answer_grows_to_the_whole_text_and_ends_once(made: Made, prompt: Prompt) -> None:
    model = made(ScriptedModel(REPLY))
    pieces = run(answer(model, prompt))
    assert text(pieces) == REPLY
    assert [piece.finish for piece in pieces if piece.finish] == ["stop"]
    assert len(pieces) > 5


@pytest.mark.parametrize("prompt", [CHAT, PLAIN])
def test_the_count_before_is_the_usage_after(made: Made, prompt: Prompt) -> None:
    async def both_counts(model: LanguageModel) -> tuple[int, TokenCounts | None]:
        return await model.count(prompt), (await answer(model, prompt))[-1].usage

    model = made(ScriptedModel(REPLY))
    counted, usage = run(both_counts(model))
    assert usage is not None
    assert counted == usage.prompt_tokens


def test_the_server_says_what_it_serves_and_how_much_that_holds(made: Made) -> None:
    model = made(ScriptedModel(name="smol", window=2048))
    served = run(model.served_model())
    assert (served.name, served.window) == ("smol", 2048)


def test_max_tokens_cuts_and_says_so(made: Made) -> None:
    model = made(ScriptedModel(REPLY))
    pieces = run(answer(model, max_tokens=3))
    assert pieces[-1].finish == "length"
    assert REPLY.startswith(text(pieces))
    assert text(pieces) != REPLY


def test_a_stop_sequence_ends_the_answer_before_it(made: Made) -> None:
    model = made(ScriptedModel("March.\nQ: And then?"))
    pieces = run(answer(model, stop=["\nQ:"]))
    assert text(pieces) == "March."
    assert pieces[-1].finish == "stop"


def test_a_prompt_that_leaves_no_room_is_refused(made: Made) -> None:
    model = made(ScriptedModel(window=count_tokens(CHAT) + 10))
    with pytest.raises(GeneratorBroken):
        run(answer(model, max_tokens=11))


def test_closing_the_stream_stops_the_model(made: Made) -> None:
    script = ScriptedModel("word " * 50, delay_s=0.02)

    async def leave_early(model: LanguageModel) -> float:
        async with aclosing(model.stream(CHAT, max_tokens=60, cache_salt="s")) as pieces:
            await anext(pieces)
        return await _until(lambda: script.running == 0 and script.abandoned == 1)

    model = made(script)
    assert run(leave_early(model)) < 0.5


def test_cancelling_the_caller_stops_the_model(made: Made) -> None:
    script = ScriptedModel("word " * 50, delay_s=0.02)

    async def give_up(model: LanguageModel) -> float:
        asking = asyncio.create_task(answer(model))
        await _until(lambda: script.running == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return await _until(lambda: script.running == 0 and script.abandoned == 1)

    model = made(script)
    assert run(give_up(model)) < 0.5


async def _until(true: Callable[[], bool], limit_s: float = 5.0) -> float:
    """Seconds until it is true."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < limit_s
        await asyncio.sleep(0.01)
    return time.monotonic() - started


# --- the server's side of it --------------------------------------------------------------------


@asynccontextmanager
async def client(server: FakeVllm, **settings: Any) -> AsyncIterator[VllmModel]:
    model = VllmModel(Settings.model_validate({"llm_url": server.url} | QUICK | settings))
    try:
        yield model
    finally:
        await model.aclose()


async def ask(server: FakeVllm, heard: list[CompletionPart], **settings: Any) -> None:
    async with (
        client(server, **settings) as model,
        aclosing(model.stream(CHAT, max_tokens=64, cache_salt="s")) as it,
    ):
        async for piece in it:
            heard.append(piece)


@pytest.mark.parametrize(
    ("misbehaviour", "error", "said"),
    [
        ("overloaded", GeneratorUnavailable, ""),
        ("rejecting", GeneratorBroken, ""),
        ("unknown key", GeneratorUnavailable, ""),
        ("html", GeneratorBroken, ""),
        ("silent", GeneratorTimeout, ""),
        ("stalling", GeneratorTimeout, "Rise in "),
        ("dying", GeneratorUnavailable, "Rise in "),
        ("dying at once", GeneratorUnavailable, ""),
        ("breaking off", GeneratorBroken, "Rise in "),
        ("closing", GeneratorUnavailable, ""),
        ("garbage", GeneratorBroken, "Rise in "),
        ("wrong shape", GeneratorBroken, "Rise in "),
        ("half a character", GeneratorBroken, "Rise in "),
        ("endless", GeneratorBroken, "".join(f"Rise in {n}. " for n in range(80))),
        ("endless line", GeneratorBroken, ""),
        ("error event", GeneratorBroken, "Rise in "),
        ("aborting", GeneratorBroken, "Rise in "),
        ("no window", GeneratorBroken, ""),
    ],
)
def test_a_server_that_misbehaves_is_named_for_it(
    misbehaviour: Misbehaviour, error: type[Exception], said: str
) -> None:
    heard: list[CompletionPart] = []
    started = time.monotonic()
    with FakeVllm(misbehaviour=misbehaviour) as server, pytest.raises(error) as raised:
        run(ask(server, heard))
    assert type(raised.value) is error
    assert text(heard) == said
    assert time.monotonic() - started < 15


def test_a_busy_server_is_asked_once_more_before_the_first_token(server: FakeVllm) -> None:
    heard: list[CompletionPart] = []
    server.misbehaviour = "overloaded once"
    run(ask(server, heard))
    assert [route for route, _ in server.requests] == ["/v1/chat/completions"] * 2
    assert text(heard) == REPLY


def test_nothing_is_asked_again_after_the_first_token(server: FakeVllm) -> None:
    server.misbehaviour = "dying"
    with pytest.raises(GeneratorUnavailable):
        run(ask(server, []))
    assert len(server.requests) == 1


def test_a_character_in_two_pieces_arrives_whole(server: FakeVllm) -> None:
    heard: list[CompletionPart] = []
    server.model, server.misbehaviour = ScriptedModel("!"), "split character"
    run(ask(server, heard))
    assert [piece.text for piece in heard] == ["🙂", "!", ""]


def test_a_slow_answer_ends_at_the_total_limit(server: FakeVllm) -> None:
    heard: list[CompletionPart] = []
    started = time.monotonic()
    server.model = ScriptedModel("word " * 600, delay_s=0.1)
    with pytest.raises(GeneratorTimeout):
        run(ask(server, heard, llm_total_timeout_s=0.6))
    assert heard
    assert time.monotonic() - started < 20


def test_no_server_at_all_is_unavailable_at_once() -> None:
    with FakeVllm() as server:
        pass
    started = time.monotonic()
    with pytest.raises(GeneratorUnavailable):
        run(ask(server, []))
    assert time.monotonic() - started < 15


def test_an_empty_answer_is_an_answer(server: FakeVllm) -> None:
    heard: list[CompletionPart] = []
    server.model = ScriptedModel("")
    run(ask(server, heard))
    assert [(piece.text, piece.finish) for piece in heard] == [("", "stop")]


def test_every_request_carries_the_salt_and_the_settings(server: FakeVllm) -> None:
    run(ask(server, [], llm_temperature=0.5, llm_stop=("\nQ:",)))
    body = server.requests[0][1]
    assert body["cache_salt"] == "s"
    assert (body["temperature"], body["stop"], body["max_tokens"]) == (0.5, ["\nQ:"], 64)


def test_the_configured_model_must_be_served(server: FakeVllm) -> None:
    with pytest.raises(GeneratorUnavailable, match="serves that model") as refused:
        run(ask(server, [], llm_model="other"))
    assert "CLEARANCE_LLM_MODEL" in (refused.value.remedy or "")


def test_a_hundred_callers_ask_once_what_is_served(server: FakeVllm) -> None:
    async def crowd() -> int:
        server.misbehaviour = "overloaded"
        async with client(server) as model:
            outcomes = await asyncio.gather(
                *(model.served_model() for _ in range(100)), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {GeneratorUnavailable}
            server.misbehaviour = None
            return (await model.served_model()).window

    assert run(crowd()) == 4096


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host", "http://", "http://[::1", "nonsense"]
)
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadConfiguration, match="CLEARANCE_LLM_URL"):
        VllmModel(Settings(llm_url=url))


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_the_address_may_end_as_people_write_it(server: FakeVllm, ending: str) -> None:
    async def name() -> str:
        return (await VllmModel(Settings(llm_url=server.url + ending)).served_model()).name

    assert run(name()) == "scripted"


async def count(server: FakeVllm, prompt: Prompt, **settings: Any) -> int:
    async with client(server, **settings) as model:
        return await model.count(prompt)


def test_a_server_that_cannot_count_needs_a_tokenizer(server: FakeVllm) -> None:
    server.misbehaviour = "no tokenize"
    with pytest.raises(GeneratorBroken) as raised:
        run(count(server, CHAT))
    assert "CLEARANCE_LLM_TOKENIZER" in str(raised.value.remedy)


def test_a_local_tokenizer_counts_with_the_chat_template(server: FakeVllm, tmp_path: Path) -> None:
    server.misbehaviour = "no tokenize"
    words = {
        word: number
        for number, word in enumerate(["[UNK]", "<s>", "<turn>", "rise", "salaries", "user"])
    }
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.enable_truncation(4)  # must not hide what does not fit
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    template = (
        "{{ bos_token }} {% for message in messages %}<turn> {{ message.role }} {{ message.content }} {% endfor %}"
        "{% if add_generation_prompt %}<turn> assistant{% endif %}"
    )
    config = {"bos_token": {"content": "<s>"}, "chat_template": template}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))

    turns = Prompt(
        (
            Message("user", "salaries rise"),
            Message("assistant", "rise"),
            Message("user", "salaries"),
        )
    )
    assert run(count(server, turns, llm_tokenizer=str(tmp_path))) == 1 + 4 + 3 + 3 + 2
    assert run(count(server, Prompt(text="salaries rise " * 5), llm_tokenizer=str(tmp_path))) == 11


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [CHAT, PLAIN])
def test_a_real_server_uses_as_many_prompt_tokens_as_we_counted(
    model_server: str, prompt: Prompt
) -> None:
    async def both_counts() -> tuple[int, list[CompletionPart]]:
        model = VllmModel(Settings(llm_url=model_server))
        counted, pieces = await model.count(prompt), await answer(model, prompt, max_tokens=8)
        await model.aclose()
        return counted, pieces

    counted, pieces = asyncio.run(both_counts())
    usage = pieces[-1].usage
    assert usage is not None
    assert usage.prompt_tokens == counted
    assert 1 <= usage.completion_tokens <= 8
