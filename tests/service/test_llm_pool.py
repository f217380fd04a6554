"""Several model servers: each question finds one that is well, and a caller never notices the
others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import GeneratorBroken, GeneratorUnavailable, NoSuchModel
from indexes.settings import Settings, load
from service.app import create_app
from service.llm import pool
from service.llm.port import CompletionPart, LanguageModel, Message, Prompt
from service.llm.vllm import VllmModel
from service.testing.model_server import FakeVllm
from service.testing.models import ScriptedModel

CHAT = Prompt((Message("user", "When do salaries rise?"),))
QUESTION = {"question": "When do salaries rise?"}
LIMITS = {
    "llm_connect_timeout_s": 0.5,
    "llm_first_token_timeout_s": 1.0,
    "llm_total_timeout_s": 8.0,
}


@pytest.fixture
def servers() -> Iterator[list[FakeVllm]]:
    """Two servers of one model; each answers with its own name."""
    with ExitStack() as stack:
        yield [stack.enter_context(FakeVllm(ScriptedModel(name))) for name in ("one", "two")]


def addresses(servers: Sequence[FakeVllm], between: str = ",") -> str:
    return between.join(server.url for server in servers)


@asynccontextmanager
async def client(servers: Sequence[FakeVllm], **settings: Any) -> AsyncIterator[VllmModel]:
    model = VllmModel(Settings.model_validate({"llm_url": addresses(servers)} | LIMITS | settings))
    try:
        yield model
    finally:
        await model.aclose()


async def said(model: LanguageModel, heard: list[CompletionPart] | None = None) -> str:
    pieces = [] if heard is None else heard
    async with aclosing(model.stream(CHAT, max_tokens=64, cache_salt="s")) as stream:
        async for piece in stream:
            pieces.append(piece)
    return "".join(piece.text for piece in pieces)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def completions(server: FakeVllm) -> int:
    return sum(route.endswith("completions") for route, _ in server.requests)


def test_questions_go_to_each_server_in_turn(servers: list[FakeVllm]) -> None:
    async def four() -> list[str]:
        async with client(servers) as model:
            answers = []
            for _ in range(4):
                await model.count(CHAT)
                answers.append(await said(model))
            return answers

    assert sorted(run(four())) == ["one", "one", "two", "two"]


@pytest.mark.parametrize("between", [",", " ", "\n", " , ", ",,"])
def test_addresses_may_be_listed_as_people_write_lists(
    servers: list[FakeVllm], between: str
) -> None:
    async def two() -> set[str]:
        settings = load({"CLEARANCE_LLM_URL": f" {addresses(servers, between)}/v1 "}, env_file=None)
        model = VllmModel(settings)
        async with aclosing(model):
            return {await said(model) for _ in range(2)}

    assert run(two()) == {"one", "two"}


def test_a_server_that_is_not_there_is_never_noticed(servers: list[FakeVllm]) -> None:
    with FakeVllm() as gone:
        pass

    async def ask() -> list[str]:
        async with client([gone, *servers]) as model:
            return [await said(model) for _ in range(6)]

    assert set(run(ask())) == {"one", "two"}


@pytest.mark.parametrize(
    "misbehaviour", ["overloaded", "dying at once", "closing", "html", "silent", "unknown key"]
)
def test_who_fails_before_the_first_token_is_passed_over_and_another_answers(
    servers: list[FakeVllm], misbehaviour: Any
) -> None:
    async def ask() -> list[str]:
        async with client(servers) as model:
            await said(model)
            await said(model)
            servers[0].misbehaviour = misbehaviour
            servers[0].requests.clear()
            return [await said(model) for _ in range(6)]

    assert run(ask()) == ["two"] * 6
    assert completions(servers[0]) <= 1


def test_a_server_that_recovers_is_asked_again(
    servers: list[FakeVllm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "REST_S", 0.2)

    async def ask() -> tuple[set[str], set[str]]:
        async with client(servers) as model:
            servers[0].misbehaviour = "overloaded"
            ill = {await said(model) for _ in range(4)}
            servers[0].misbehaviour = None
            await asyncio.sleep(0.3)
            await said(model)  # has the list fetched again, meanwhile
            await asyncio.sleep(0.3)
            return ill, {await said(model) for _ in range(4)}

    assert run(ask()) == ({"two"}, {"one", "two"})


def test_nothing_is_asked_of_another_server_after_the_first_token(servers: list[FakeVllm]) -> None:
    heard: list[CompletionPart] = []

    async def ask() -> None:
        async with client(servers) as model:
            await said(model, heard)

    for server in servers:
        server.misbehaviour = "dying"
    with pytest.raises(GeneratorUnavailable):
        run(ask())
    assert "".join(piece.text for piece in heard) == "Rise in "
    assert sum(completions(server) for server in servers) == 1


def test_where_all_are_ill_each_is_asked_once_and_the_end_comes_in_time(
    servers: list[FakeVllm],
) -> None:
    async def ask() -> None:
        async with client(servers) as model:
            await said(model)
            for server in servers:
                server.requests.clear()
                server.misbehaviour = "dying at once"
            await said(model)

    started = time.monotonic()
    with pytest.raises(GeneratorUnavailable):
        run(ask())
    assert sum(completions(server) for server in servers) <= 2
    assert time.monotonic() - started < 8


def test_a_request_that_one_server_refuses_is_not_taken_to_the_next(
    servers: list[FakeVllm],
) -> None:
    async def ask() -> set[str]:
        async with client(servers) as model:
            await said(model)
            for server in servers:
                server.requests.clear()
                server.misbehaviour = "rejecting"
            with pytest.raises(GeneratorBroken) as raised:
                await said(model)
            assert type(raised.value) is GeneratorBroken
            assert sum(completions(server) for server in servers) == 1
            for server in servers:
                server.misbehaviour = None
            # at once: whoever was passed over would still be
            return {await said(model) for _ in range(6)}

    assert run(ask()) == {"one", "two"}, "a server is passed over for a request that was at fault"


# --- which models -------------------------------------------------------------------------------


def test_offered_is_what_any_server_serves_and_the_smallest_window_counts(
    servers: list[FakeVllm],
) -> None:
    servers[0].model.window, servers[1].model.window = 8192, 2048

    async def offered(*more: FakeVllm) -> list[tuple[str, int]]:
        async with client([*servers, *more]) as model:
            return [(served.name, served.window) for served in await model.offered_models()]

    with FakeVllm(ScriptedModel("three", name="large", window=16384)) as third:
        assert run(offered(third)) == [("scripted", 2048), ("large", 16384)]


def test_a_named_model_is_asked_where_it_is_served(servers: list[FakeVllm]) -> None:
    async def ask() -> tuple[set[str], int]:
        async with client([*servers, third]) as model:
            large = model.select_model("large")
            return {await said(large) for _ in range(3)}, (await large.served_model()).window

    with FakeVllm(ScriptedModel("three", name="large", window=16384)) as third:
        assert run(ask()) == ({"three"}, 16384)


def test_the_configuration_chooses_and_orders_the_models(servers: list[FakeVllm]) -> None:
    async def names(**settings: Any) -> tuple[list[str], str]:
        async with client([*servers, third], **settings) as model:
            with pytest.raises(NoSuchModel):
                await model.select_model("nobody").served_model()
            return [served.name for served in await model.offered_models()], (
                await model.served_model()
            ).name

    with FakeVllm(ScriptedModel("three", name="large")) as third:
        assert run(names()) == (["scripted", "large"], "scripted")
        assert run(names(llm_model="large")) == (["large"], "large")
        assert run(names(llm_model="large, scripted")) == (["large", "scripted"], "large")


def test_an_adapter_is_offered_only_where_the_configuration_names_it(
    servers: list[FakeVllm],
) -> None:
    servers[0].adapters = ["trained-on-letters"]

    async def names(**settings: Any) -> list[str]:
        async with client(servers[:1], **settings) as model:
            return [served.name for served in await model.offered_models()]

    async def ask(**settings: Any) -> str:
        async with client(servers[:1], **settings) as model:
            return await said(model.select_model("trained-on-letters"))

    assert run(names()) == ["scripted"]
    with pytest.raises(NoSuchModel):
        run(ask())
    assert run(names(llm_model="scripted trained-on-letters")) == ["scripted", "trained-on-letters"]
    assert run(ask(llm_model="scripted trained-on-letters")) == "one"
    assert servers[0].requests[-1][1]["model"] == "trained-on-letters"


def test_a_model_whose_servers_are_away_is_away_and_not_unknown(servers: list[FakeVllm]) -> None:
    async def ask() -> None:
        async with client([servers[0], third]) as model:
            large = model.select_model("large")
            assert await said(large) == "three"
            third.misbehaviour = "overloaded"
            for _ in range(2):
                with pytest.raises(GeneratorUnavailable):
                    await said(large)
            assert await said(model) == "one"

    with FakeVllm(ScriptedModel("three", name="large")) as third:
        run(ask())


# --- through the service ------------------------------------------------------------------------


@pytest.fixture
def http(house: Any, servers: list[FakeVllm]) -> Iterator[TestClient]:
    settings = house.settings.model_copy(update={"llm_url": addresses(servers), **LIMITS})
    with TestClient(create_app(settings, embedder=house.embedder, catalog=house.catalog)) as made:
        yield made


def test_a_server_that_dies_in_the_middle_of_a_run_costs_at_most_the_answers_it_had_begun(
    house: Any, http: TestClient, servers: list[FakeVllm]
) -> None:
    def ask() -> tuple[int, str]:
        reply = http.post("/ask", json=QUESTION, headers=house.headers("ada"))
        said = reply.json().get("answer", "").partition("\n\n")[0]  # quotes stand below
        return reply.status_code, said

    assert {ask()[1] for _ in range(4)} == {"one", "two"}
    servers[0].misbehaviour = "dying"
    begun = [ask() for _ in range(6)]
    assert [status for status, _ in begun].count(503) <= 1
    assert {text for status, text in begun if status == 200} == {"two"}
    servers[0].__exit__()
    assert {ask() for _ in range(6)} == {(200, "two")}
    assert http.get("/readyz").json()["status"] == "ready"


def test_every_call_to_every_server_carries_the_salt_of_the_clearance(
    house: Any, http: TestClient, servers: list[FakeVllm]
) -> None:
    for name in ("ada", "bob") * 4:
        http.post("/ask", json=QUESTION, headers=house.headers(name))
    salts = [
        {body["cache_salt"] for route, body in server.requests if route.endswith("completions")}
        for server in servers
    ]
    assert all(completions(server) == 4 for server in servers)
    assert all(len(salt) == 64 for found in salts for salt in found)
    assert len(salts[0] | salts[1]) == 2


def test_a_model_is_chosen_by_its_name_and_an_unknown_one_is_refused(
    house: Any, http: TestClient
) -> None:
    def ask(**more: Any) -> Any:
        return http.post("/ask", json=QUESTION | more, headers=house.headers("ada"))

    assert ask(model="scripted").json()["model"] == "scripted"
    refused = [
        ask(model="gpt-4"),
        ask(model="gpt-4", stream=True),
        ask(model="gpt-4", question="zzz"),
    ]
    assert {reply.status_code for reply in refused} == {404}
    assert {reply.json()["type"] for reply in refused} == {"/problems/no-such-model"}
    assert "scripted" not in "".join(reply.text for reply in refused)
