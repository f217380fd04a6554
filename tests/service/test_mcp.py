"""The unmodified MCP client against the service on a real connection; and what comes before it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from starlette.testclient import TestClient

from indexes.catalog.audit.books import Books
from indexes.settings import IdentityProvider, Settings
from service.app import create_app
from service.http.mcp.resource_metadata import ResourceMetadataReply, issuers_of
from service.testing.loopback import Loopback
from tests.service.conftest import REPLY, readers
from tests.world import TESTER

QUESTION = "When do salaries rise?"
ERAS = ("legacy", "2026-07-28", "auto")


@pytest.fixture
def served(house: Any) -> Iterator[str]:
    with Loopback(house.app, "on") as server:
        yield server.url


@asynccontextmanager
async def connected(url: str, key: str, mode: str = "auto"):
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode=mode, cache=None) as client:
            yield client


def with_client(url: str, key: str, work: Callable[[Client], Awaitable[Any]], mode: str = "auto"):
    async def run() -> Any:
        async with connected(url, key, mode) as client:
            try:
                return await work(client)
            except MCPError as error:  # raised outside, where it is not one of a group
                return error

    found = asyncio.run(run())
    if isinstance(found, MCPError):
        raise found
    return found


def call(url: str, key: str, tool: str, mode: str = "auto", **arguments: Any) -> Any:
    return with_client(url, key, lambda client: client.call_tool(tool, arguments), mode)


def titles(result: Any) -> list[str]:
    return [found["title"] for found in result.structured_content["results"]]


# --- tools --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ERAS)
def test_two_keys_find_different_documents(house: Any, served: str, mode: str) -> None:
    found = {
        who: titles(call(served, house.keys[who], "search", mode, query=QUESTION))
        for who in ("ada", "bob")
    }
    assert found["ada"][0] == "Salaries"
    assert "Salaries" not in found["bob"]
    assert "Roadmap" in found["bob"]
    assert "Roadmap" not in found["ada"]


def test_a_found_document_can_be_fetched_in_the_form_of_connectors(house: Any, served: str) -> None:
    found = call(served, house.keys["ada"], "search", query=QUESTION)
    assert json.loads(found.content[0].text) == found.structured_content
    first = found.structured_content["results"][0]
    assert set(first) == {"id", "title", "url", "text"}
    assert first["url"].startswith(f"{served}/#passage=")
    fetched = call(served, house.keys["ada"], "fetch", id=first["id"])
    assert len(fetched.content) == 1
    whole = json.loads(fetched.content[0].text)
    assert set(whole) == {"id", "title", "text", "url", "metadata"}
    assert "heliotrope" in whole["text"]
    assert whole["metadata"]["complete"] is True


def test_what_is_hidden_is_fetched_exactly_like_what_does_not_exist(
    house: Any, served: str
) -> None:
    hidden = call(served, house.keys["bob"], "fetch", id=house.ids["salaries"])
    absent = call(served, house.keys["bob"], "fetch", id="zzzzzzzzzzzzzzzzzzzzzz")
    assert hidden.is_error
    assert hidden.content == absent.content
    assert "There is nothing here." in hidden.content[0].text


def test_a_question_is_answered_with_citations(house: Any, served: str) -> None:
    answered = call(served, house.keys["ada"], "ask", question=QUESTION)
    assert not answered.is_error
    said = answered.structured_content
    assert said["answer"] == REPLY
    assert said["citations"][0]["id"] == house.ids["salaries"]
    assert said["answer_id"]
    assert answered.content[0].text.startswith(f"{REPLY}\n\n[1] Salaries {served}/#passage=")


def test_an_assistant_hears_which_part_of_an_answer_nothing_supports(
    house: Any, served: str
) -> None:
    house.model.reply = "Salaries rise in May by nine per cent [1]."
    answered = call(served, house.keys["ada"], "ask", question=QUESTION)
    notice = "The documents do not support 1 of the 1 sentences of this answer."
    assert answered.structured_content["notice"] == notice
    assert f"\n({notice})\n" in answered.content[0].text


def test_somebody_else_gets_an_answer_from_other_documents(house: Any, served: str) -> None:
    answered = call(served, house.keys["bob"], "ask", question=QUESTION)
    assert house.ids["salaries"] not in str(answered)
    assert "heliotrope" not in str(house.model.calls)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {}, "/query"),
        ("search", {"query": " "}, "/query"),
        ("search", {"query": "a", "readers": ["public"]}, "/readers"),
        ("search", {"query": "a" * 9_000}, "at most 8000"),
        ("ask", {"question": 1}, "/question"),
        ("fetch", {"id": "../etc"}, "There is nothing here."),
    ],
)
def test_wrong_arguments_are_told_to_the_assistant(
    house: Any, served: str, tool: str, arguments: dict[str, Any], said: str
) -> None:
    refused = call(served, house.keys["ada"], tool, **arguments)
    assert refused.is_error
    assert said in refused.content[0].text


def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(house: Any, served: str) -> None:
    with pytest.raises(MCPError) as raised:
        call(served, house.keys["ada"], "delete_everything")
    assert raised.value.code == INVALID_PARAMS


def test_the_tools_are_described_and_only_read(house: Any, served: str) -> None:
    listed = with_client(served, house.keys["ada"], lambda client: client.list_tools())
    assert [tool.name for tool in listed.tools] == ["search", "fetch", "ask"]
    assert all(tool.annotations.read_only_hint for tool in listed.tools)
    assert all(tool.output_schema["type"] == "object" for tool in listed.tools)


def test_what_goes_wrong_inside_is_not_told(
    house: Any, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("heliotrope")

    monkeypatch.setattr("indexes.search.searcher.Searcher.search", broken)
    monkeypatch.setattr("indexes.search.document_list.DocumentList.page", broken)
    refused = call(served, house.keys["ada"], "search", query=QUESTION)
    assert refused.is_error
    assert "heliotrope" not in str(refused)
    with pytest.raises(MCPError) as raised:
        with_client(served, house.keys["ada"], lambda client: client.list_resources())
    assert "heliotrope" not in str(raised.value)


# --- documents as resources ---------------------------------------------------------------------


async def every_resource(client: Client) -> list[Any]:
    found, cursor = [], None
    while True:
        part = await client.list_resources(cursor=cursor)
        found += part.resources
        cursor = part.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("mode", ERAS)
def test_everybody_is_listed_their_own_documents(house: Any, served: str, mode: str) -> None:
    own = {
        who: {each.title for each in with_client(served, house.keys[who], every_resource, mode)}
        for who in ("ada", "bob", "root")
    }
    assert own == {"ada": {"Salaries", "Menu"}, "bob": {"Roadmap", "Menu"}, "root": {"Menu"}}


def test_a_long_list_comes_in_parts_each_document_once(house: Any, served: str) -> None:
    for number in range(230):
        house.put(f"note{number}", f"Note {number}.", readers("group:hr"))
        house.put(f"plan{number}", f"Plan {number}.", readers("group:eng"))
    found = [each.title for each in with_client(served, house.keys["ada"], every_resource)]
    assert len(found) == len(set(found)) == 232
    assert not [title for title in found if title.startswith("Plan")]


def test_a_resource_is_read_by_whoever_may_and_hidden_from_everybody_else(
    house: Any, served: str
) -> None:
    uri = f"clearance://documents/{house.ids['salaries']}"
    read = with_client(served, house.keys["ada"], lambda client: client.read_resource(uri))
    assert "heliotrope" in read.contents[0].text
    assert read.contents[0].meta["title"] == "Salaries"

    def refusal(name: str) -> tuple[int, str]:
        with pytest.raises(MCPError) as raised:
            with_client(served, house.keys["bob"], lambda client: client.read_resource(name))
        return raised.value.code, raised.value.message

    absent = refusal("clearance://documents/zzzzzzzzzzzzzzzzzzzzzz")
    assert refusal(uri) == absent
    assert refusal("file:///etc/passwd") == absent
    assert refusal("clearance://documents/") == absent


# --- who may come -------------------------------------------------------------------------------


def test_a_revoked_key_is_refused_at_the_next_call(house: Any, served: str) -> None:
    issued = house.catalog.keys.issue("ada", by=TESTER)

    async def before_and_after(client: Client) -> Any:
        assert not (await client.call_tool("search", {"query": QUESTION})).is_error
        house.catalog.keys.revoke(issued.id, by=TESTER)
        return await client.call_tool("search", {"query": QUESTION})

    with pytest.raises(MCPError):
        with_client(served, issued.secret, before_and_after)
    headers = {"Authorization": f"Bearer {issued.secret}"}
    assert httpx2.post(f"{served}/mcp", json=SEARCH, headers=headers).status_code == 401


def test_a_right_taken_away_is_gone_at_the_next_call(house: Any, served: str) -> None:
    assert "Salaries" in titles(call(served, house.keys["ada"], "search", query=QUESTION))
    house.catalog.people.remove_member("hr", "user:ada", by=TESTER)
    assert "Salaries" not in titles(call(served, house.keys["ada"], "search", query=QUESTION))
    gone = call(served, house.keys["ada"], "fetch", id=house.ids["salaries"])
    assert gone.is_error


def test_without_a_key_a_client_is_pointed_at_the_metadata(http: TestClient) -> None:
    refused = http.post("/mcp", json={})
    assert refused.status_code == 401
    where = "http://testserver/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
    for path in (
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    ):
        told = http.get(path)
        assert told.status_code == 200
        assert told.json()["resource"] == "http://testserver/mcp"
        assert told.json()["bearer_methods_supported"] == ["header"]
    assert "resource_metadata" not in http.post("/ask", json={}).headers["www-authenticate"]


def test_the_metadata_name_the_public_address(house: Any) -> None:
    settings = house.settings.model_copy(update={"public_url": "https://ask.example.org/"})
    app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
    with TestClient(app) as http:
        told = http.get("/.well-known/oauth-protected-resource/mcp").json()
        assert told["resource"] == "https://ask.example.org/mcp"
        challenge = http.post("/mcp", json={}).headers["www-authenticate"]
        assert "https://ask.example.org/.well-known/oauth-protected-resource/mcp" in challenge


def test_the_metadata_name_the_identity_providers() -> None:
    corp = IdentityProvider(name="corp", issuer="https://id.example.org", audience="clearance")
    told = ResourceMetadataReply.of(
        "https://ask.example.org", issuers_of(Settings(identity_providers=(corp,)))
    )
    assert told.authorization_servers == ("https://id.example.org",)
    assert told.resource == "https://ask.example.org/mcp"


def test_whatever_an_assistant_is_shown_is_recorded(house: Any, served: str) -> None:
    found = call(served, house.keys["ada"], "search", query=QUESTION)
    call(served, house.keys["ada"], "fetch", id=house.ids["salaries"])
    call(served, house.keys["bob"], "fetch", id=house.ids["salaries"])
    call(served, house.keys["ada"], "ask", question=QUESTION)
    with_client(served, house.keys["bob"], lambda client: client.list_resources())
    trail = house.app.state.runtime.trail
    records = Books(house.catalog._database, trail).records()
    told = [each.body for each in records if "who" in each.body]
    assert [(each["kind"], each["who"]) for each in told] == [
        ("searched", "user:ada"),
        ("opened", "user:ada"),
        ("asked", "user:ada"),
        ("answered", "user:ada"),
        ("listed", "user:bob"),
    ]
    listed = next(each for each in told if each["kind"] == "listed")
    assert set(listed["documents"]) == {house.ids["menu"], house.ids["roadmap"]}
    assert found.structured_content["results"][0]["text"] not in str(told)


def test_a_key_without_the_scope_ask_is_refused(house: Any, http: TestClient) -> None:
    key = house.catalog.keys.issue("ada", scopes=["people"], by=TESTER).secret
    assert http.post("/mcp", json={}, headers={"Authorization": f"Bearer {key}"}).status_code == 403


# --- browsers, bodies and methods ----------------------------------------------------------------

SEARCH = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "search", "arguments": {"query": QUESTION}},
}


@pytest.mark.parametrize(
    ("public_url", "origin", "status"),
    [
        (None, None, 200),
        (None, "http://localhost:6274", 200),
        (None, "http://127.0.0.1:8080", 200),
        (None, "http://evil.example", 403),
        (None, "http://localhost.evil.example", 403),
        (None, "http://testserver", 403),
        (None, "null", 403),
        (None, "http://[", 403),
        ("https://ask.example.org", "https://ask.example.org", 200),
        ("https://ask.example.org", "http://ask.example.org", 403),
        ("https://ask.example.org", "http://localhost:6274", 403),
    ],
)
def test_pages_of_other_origins_are_refused(
    house: Any, public_url: str | None, origin: str | None, status: int
) -> None:
    settings = house.settings.model_copy(update={"public_url": public_url})
    app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
    with TestClient(app) as http:
        headers = house.headers("ada") | ({"Origin": origin} if origin else {})
        assert http.post("/mcp", json=SEARCH, headers=headers).status_code == status


def test_bodies_are_limited_as_everywhere(house: Any, http: TestClient) -> None:
    big = SEARCH | {"padding": "a" * (house.settings.max_body_kb * 1024)}
    assert http.post("/mcp", json=big, headers=house.headers("ada")).status_code == 413
    plain = house.headers("ada") | {"Content-Type": "text/plain"}
    assert http.post("/mcp", content=b"{}", headers=plain).status_code == 415
    as_json = house.headers("ada") | {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b"1", b"[" * 50_000):
        assert http.post("/mcp", content=content, headers=as_json).status_code == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_sessions_and_no_streams(house: Any, http: TestClient, method: str) -> None:
    refused = http.request(method, "/mcp", headers=house.headers("ada"))
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
