"""A model that somebody may not use does not exist for them: not in lists, not by name, not as the
default.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from indexes.catalog import Catalog
from indexes.model import Principal, Readers
from service.app import create_app
from service.cli.models import app
from service.llm.rights import PermittedModels
from service.llm.vllm import VllmModel
from service.testing.model_server import FakeVllm
from service.testing.models import ScriptedModel
from tests.world import TESTER

QUESTION = {"question": "When do salaries rise?"}
CHAT = {"messages": [{"role": "user", "content": "When do salaries rise?"}]}
HR = Readers(allow=frozenset({"group:hr"}))
NOBODY = Readers(allow=frozenset())
Serve = Callable[..., TestClient]


@pytest.fixture
def servers() -> Iterator[list[FakeVllm]]:
    """Two servers; each answers with the name of its model."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(FakeVllm(ScriptedModel(name, name=name)))
            for name in ("vault", "plain")
        ]


@pytest.fixture
def serve(house: Any, servers: Sequence[FakeVllm]) -> Iterator[Serve]:
    """The service in front of these servers, with the settings given."""
    with ExitStack() as stack:

        def served(**settings: Any) -> TestClient:
            given = {
                "llm_url": " ".join(server.url for server in servers),
                "llm_first_token_timeout_s": 5.0,
            } | settings
            configured = house.settings.model_copy(update=given)
            return stack.enter_context(
                TestClient(create_app(configured, embedder=house.embedder, catalog=house.catalog))
            )

        yield served


def listed(house: Any, http: TestClient, user: str) -> list[str]:
    reply = http.get("/v1/models", headers=house.headers(user))
    return [card["id"] for card in reply.json()["data"]]


def ask(house: Any, http: TestClient, user: str, **more: Any) -> Any:
    return http.post("/ask", json=QUESTION | more, headers=house.headers(user))


def told(reply: Any) -> tuple[Any, ...]:
    """Everything of a reply but what is new in each."""
    body = {
        name: value
        for name, value in reply.json().items()
        if name not in ("instance", "answer_id", "timings")
    }
    return reply.status_code, body, sorted(set(reply.headers) - {"x-request-id"})


def test_without_a_rule_everybody_who_may_ask_may_use_a_model(house: Any, serve: Serve) -> None:
    http = serve()
    for user in ("ada", "bob"):
        assert sorted(listed(house, http, user)) == ["clearance-quotes", "plain", "vault"]
        assert ask(house, http, user, model="vault").json()["model"] == "vault"


def test_an_administrator_says_over_http_who_may_use_a_model(house: Any, serve: Serve) -> None:
    http, root = serve(llm_model="vault plain"), house.headers("root")
    rule = {"model": "vault", "readers": {"allow": ["group:hr"], "deny": ["user:bob"]}}
    changed = http.put("/admin/models/readers", json=rule, headers=root)
    assert changed.json() == http.get("/admin/models", headers=root).json()
    assert changed.json()["models"] == [
        {
            "model": "vault",
            "served": True,
            "readers": {"allow": ["group:hr"], "deny": ["user:bob"]},
        },
        {"model": "plain", "served": True, "readers": None},
    ]
    assert listed(house, http, "bob") == ["plain", "clearance-quotes"]
    assert (
        http.post("/admin/models/clear", json={"model": "vault"}, headers=root).status_code == 200
    )
    assert listed(house, http, "bob") == ["vault", "plain", "clearance-quotes"]
    assert (
        http.post("/admin/models/clear", json={"model": "vault"}, headers=root).status_code == 404
    )
    readers: Any
    for model, readers in (
        ("vault", {"allow": ["somebody"]}),
        ("vault", {"deny": []}),
        ("vault", {"allow": [], "more": 1}),
        ("clearance-quotes", {"allow": ["public"]}),
        ("\n", {"allow": ["public"]}),
    ):
        refused = http.put(
            "/admin/models/readers", json={"model": model, "readers": readers}, headers=root
        )
        assert refused.status_code == 422, refused.text
    assert listed(house, http, "bob") == ["vault", "plain", "clearance-quotes"], (
        "nothing was half done"
    )


def test_a_model_with_a_rule_is_there_only_for_its_readers(house: Any, serve: Serve) -> None:
    http = serve(llm_model="vault plain")
    house.catalog.models.set("vault", HR, by=TESTER)
    assert listed(house, http, "ada") == ["vault", "plain", "clearance-quotes"]
    assert listed(house, http, "bob") == ["plain", "clearance-quotes"]
    assert ask(house, http, "ada").json()["model"] == "vault"
    assert ask(house, http, "bob").json()["model"] == "plain", (
        "the default of all is hidden, the next one takes over"
    )
    assert ask(house, http, "ada", model="vault").json()["answer"].startswith("vault\n\n")


@pytest.mark.parametrize("names", ["vault plain", None])
def test_a_forbidden_name_and_an_unknown_one_get_the_same_reply(
    house: Any, serve: Serve, names: str | None
) -> None:
    http = serve(llm_model=names)
    house.catalog.models.set("vault", HR, by=TESTER)
    bob = house.headers("bob")
    for stream in (False, True):
        hidden, absent = (
            [
                ask(house, http, "bob", model=name, stream=stream),
                ask(house, http, "bob", model=name, answerer="model", stream=stream),
                http.post(
                    "/v1/chat/completions",
                    json=CHAT | {"model": name, "stream": stream},
                    headers=bob,
                ),
                http.post(
                    "/v1/responses",
                    json={"model": name, "input": "Hi", "stream": stream},
                    headers=bob,
                ),
                http.get(f"/v1/models/{name}", headers=bob),
            ]
            for name in ("vault", "nowhere")
        )
        assert [told(reply) for reply in hidden] == [told(reply) for reply in absent]
        assert {reply.status_code for reply in hidden} == {404}


def test_a_deny_beats_every_allow_and_groups_count(house: Any, serve: Serve) -> None:
    http = serve(llm_model="plain vault")
    for allow, deny, may in (
        ({"public"}, set(), {"ada", "bob", "root"}),
        ({"group:hr"}, set(), {"ada"}),
        ({"public"}, {"group:hr"}, {"bob", "root"}),
        ({"user:ada", "group:hr"}, {"user:ada"}, set()),
        (set(), set(), set()),
    ):
        house.catalog.models.set(
            "vault", Readers(allow=frozenset(allow), deny=frozenset(deny)), by=TESTER
        )
        assert {
            user for user in ("ada", "bob", "root") if "vault" in listed(house, http, user)
        } == may


def test_a_change_holds_at_the_next_request_in_every_process(house: Any, serve: Serve) -> None:
    one, two = serve(), serve()
    elsewhere = Catalog.open(house.settings.catalog_url)
    try:
        for _ in range(2):
            elsewhere.models.set("vault", HR, by=TESTER)
            assert [ask(house, http, "bob", model="vault").status_code for http in (one, two)] == [
                404,
                404,
            ]
            house.catalog.people.add_member("hr", "user:bob", by=TESTER)
            assert [ask(house, http, "bob", model="vault").status_code for http in (one, two)] == [
                200,
                200,
            ]
            house.catalog.people.remove_member("hr", "user:bob", by=TESTER)
            assert "vault" not in listed(house, two, "bob")
            elsewhere.models.clear("vault", by=TESTER)
            assert "vault" in listed(house, two, "bob")
    finally:
        elsewhere.close()


@pytest.mark.parametrize("names", ["vault plain", None])
def test_who_may_use_no_model_is_answered_as_if_none_were_configured(
    house: Any, serve: Serve, names: str | None
) -> None:
    http, bare = serve(llm_model=names), serve(llm_url=None)
    for name in ("vault", "plain"):
        house.catalog.models.set(name, NOBODY, by=TESTER)
    asked: list[dict[str, Any]] = [
        {}, {"answerer": "model"}, {"answerer": "quotes"}, {"model": "vault"}, {"model": "nowhere"},
        {"fallback": "quotes"}, {"question": "zzz", "mode": "keyword"},
        {"history": [{"role": "user", "content": "Salaries?"}, {"role": "assistant", "content": "In March."}]},
    ]  # fmt: skip
    for more in asked:
        assert told(ask(house, http, "ada", **more)) == told(ask(house, bare, "ada", **more))
    assert ask(house, http, "ada").json()["answerer"] == "quotes"
    assert listed(house, http, "ada") == listed(house, bare, "ada") == ["clearance-quotes"]


def test_a_hidden_model_is_asked_nothing_by_who_may_not_use_it(
    house: Any, serve: Serve, servers: Sequence[FakeVllm]
) -> None:
    http = serve()
    house.catalog.models.set("vault", HR, by=TESTER)
    history = [
        {"role": "user", "content": "Salaries?"},
        {"role": "assistant", "content": "In March."},
    ]
    for more in ({}, {"model": "vault"}, {"history": history}, {"stream": True}):
        for _ in range(2):
            ask(house, http, "bob", **more)
    vault, plain = servers
    assert not vault.model.calls
    assert not [route for route, _ in vault.requests]
    assert plain.model.calls


def test_while_the_only_model_left_is_away_it_is_away_and_no_hidden_one_steps_in(
    house: Any, serve: Serve, servers: Sequence[FakeVllm]
) -> None:
    http = serve()
    house.catalog.models.set("vault", HR, by=TESTER)
    assert ask(house, http, "bob").json()["model"] == "plain"
    servers[1].misbehaviour = "overloaded"
    assert ask(house, http, "bob").status_code == 503
    assert ask(house, http, "bob", fallback="quotes").json()["answerer"] == "quotes"
    assert ask(house, http, "ada", model="vault").status_code == 200
    assert servers[0].model.calls
    assert all(
        "vault" not in ask(house, http, "bob", model=name).text for name in ("plain", "vault")
    )


def test_who_is_no_known_user_may_use_no_model_that_has_a_rule(house: Any) -> None:
    house.catalog.models.set("vault", Readers(allow=frozenset({"public"})), by=TESTER)
    assert house.catalog.models.hidden_from(Principal(name="user:ada")) == frozenset()
    assert house.catalog.models.hidden_from(Principal(name="user:stranger")) == {"vault"}
    house.catalog.people.remove_user("ada", by=TESTER)
    assert house.catalog.models.hidden_from(Principal(name="user:ada")) == {"vault"}


def test_rights_that_cannot_be_read_give_no_model_to_anybody(
    house: Any, servers: Sequence[FakeVllm]
) -> None:
    class Broken:
        def hidden_from(self, principal: Principal) -> frozenset[str]:
            raise OSError("The catalog is away.")

    async def offered() -> object:
        model = VllmModel(house.settings.model_copy(update={"llm_url": servers[0].url}))
        return await PermittedModels(model, Broken()).models_for(Principal(name="user:ada"))

    with pytest.raises(OSError, match="away"):
        anyio.run(offered)


def test_the_command_line_lists_allows_and_clears(
    house: Any, servers: Sequence[FakeVllm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(house.settings.home))
    monkeypatch.setenv("CLEARANCE_LLM_URL", " ".join(server.url for server in servers))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "vault  everybody who may ask" in run("list")
    assert (
        run("allow", "vault", "--allow", "group:hr", "--deny", "user:bob")
        == "vault: group:hr, not user:bob\n"
    )
    assert "vault: nobody" in run("allow", "vault")
    assert "no model of that name is served now" in run("allow", "valut", "--allow", "public")
    assert "valut  public  (not served now)" in run("list")
    entries = {entry["name"]: entry for entry in json.loads(run("list", "--json"))}
    assert entries["vault"] == {
        "name": "vault",
        "served": True,
        "readers": {"allow": [], "deny": []},
    }
    assert entries["plain"]["readers"] is None
    assert "everybody" in run("clear", "vault")
    for server in servers:
        server.misbehaviour = "overloaded"
    assert "No model server answers now" in run("list")
    for wrong in (
        ["allow", "x", "--allow", "hr"],
        ["clear", "nowhere"],
        ["allow", "clearance-quotes"],
        ["allow", " "],
    ):
        assert CliRunner().invoke(app, wrong).exit_code == 1
