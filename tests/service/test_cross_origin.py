"""Pages of other origins: those that the settings name may use the service with a key, and no page
with a cookie.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes import settings as configuration
from indexes.errors import BadConfiguration
from service.app import create_app
from service.http.cookies import SESSION
from tests.service.conftest import House

INTRANET = "https://intranet.example.org"
EVIL = "https://evil.example"
GOOD = {"question": "When do salaries rise?"}
ADDRESSES = (
    "/search",
    "/ask",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/documents",
    "/admin/keys",
)


@pytest.fixture
def shared(house: House) -> Iterator[TestClient]:
    """The service, with one page that may use it."""
    origins = (INTRANET, "http://localhost:3000")
    settings = house.settings.model_copy(update={"cors_origins": origins})
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    with TestClient(app) as client:
        yield client


def preflight(http: TestClient, at: str, origin: str, method: str = "POST") -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    }
    return http.options(at, headers=headers)


@pytest.mark.parametrize("at", ADDRESSES)
def test_what_a_browser_asks_before_it_sends_is_answered_without_a_key(
    shared: TestClient, at: str
) -> None:
    reply = preflight(shared, at, INTRANET)
    assert reply.status_code == 200
    allowed = reply.headers
    assert allowed["access-control-allow-origin"] == INTRANET
    assert "POST" in allowed["access-control-allow-methods"]
    assert "authorization" in allowed["access-control-allow-headers"]
    assert "Origin" in allowed["vary"]
    assert "access-control-allow-credentials" not in allowed


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "*",
        f"{INTRANET}.evil.example",
        f"{INTRANET}:444",
        "http://intranet.example.org",
    ],
)
def test_no_other_origin_is_allowed_anything(house: House, shared: TestClient, origin: str) -> None:
    assert "access-control-allow-origin" not in preflight(shared, "/search", origin).headers
    headers = house.headers("ada") | {"Origin": origin}
    reply = shared.post("/search", json=GOOD, headers=headers)
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("at", ["/search", "/ask", "/search?", "/ask?"])
def test_replies_can_be_read_by_such_a_page_with_the_headers_it_needs(
    house: House, shared: TestClient, at: str
) -> None:
    """On the short way to a route and on the long one."""
    headers = house.headers("ada") | {"Origin": INTRANET}
    reply = shared.post(at, json=GOOD, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == INTRANET
    assert "Origin" in reply.headers["vary"].split(", ")
    shown = reply.headers["access-control-expose-headers"]
    for name in ("ETag", "Retry-After", "RateLimit", "Clearance-Position", "X-Request-Id"):
        assert name in shown.split(", ")
    assert "heliotrope" in reply.text
    without = shared.post(at, json=GOOD, headers=house.headers("ada"))
    assert "access-control-allow-origin" not in without.headers
    assert "Origin" in without.headers["vary"].split(", ")


def test_a_search_still_varies_by_who_asks(house: House, shared: TestClient) -> None:
    headers = house.headers("ada") | {"Origin": INTRANET}
    vary = shared.post("/search", json=GOOD, headers=headers).headers["vary"].split(", ")
    assert {"Authorization", "Clearance-At-Least", "Origin"} <= set(vary)


def test_streams_and_errors_can_be_read_too(house: House, shared: TestClient) -> None:
    headers = house.headers("ada") | {"Origin": INTRANET}
    stream = shared.post("/ask", json=GOOD | {"stream": True}, headers=headers)
    assert stream.headers["content-type"].startswith("text/event-stream")
    for reply, status in (
        (stream, 200),
        (shared.post("/ask", json={}, headers=headers), 422),
        (shared.post("/ask", json=GOOD, headers={"Origin": INTRANET}), 401),
        (shared.get("/nothing", headers=headers), 404),
        (shared.get("/admin/keys", headers=headers), 403),
    ):
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == INTRANET


def test_a_cookie_of_another_origin_is_no_key(
    house: House, shared: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the page and the browser say."""
    looked_up: list[str] = []
    catalog = shared.app.state.runtime.catalog  # type: ignore[attr-defined]
    monkeypatch.setattr(catalog, "find_session", looked_up.append, raising=False)
    for site in ("cross-site", "same-site", "none"):
        reply = shared.post(
            "/ask",
            json=GOOD,
            headers={"Origin": INTRANET, "Cookie": f"{SESSION}=secret", "Sec-Fetch-Site": site},
        )
        assert reply.status_code == 401
        assert "access-control-allow-credentials" not in reply.headers
    assert looked_up == []


def test_assistants_on_such_a_page_may_use_their_address(house: House, shared: TestClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = house.headers("ada") | {"Accept": "application/json, text/event-stream"}
    for origin, status in ((INTRANET, 200), (EVIL, 403)):
        reply = shared.post("/mcp", json=body, headers=headers | {"Origin": origin})
        assert reply.status_code == status


def test_without_the_setting_nothing_is_said_of_origins(house: House, http: TestClient) -> None:
    assert preflight(http, "/search", INTRANET).status_code in (401, 405)
    headers = house.headers("ada") | {"Origin": INTRANET}
    reply = http.post("/search", json=GOOD, headers=headers)
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "given",
    [
        "*", "https://*.example.org", "null", "intranet.example.org", f"{INTRANET}/", f"{INTRANET}:443",
        "http://a.example:80", "HTTPS://a.example", "https://a.example/path", "https://user@a.example",
        "https://a.example:port", "https://a.example?x", "https://", "file:///x",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_by_the_setting(given: str) -> None:
    with pytest.raises(BadConfiguration, match="CORS_ORIGINS"):
        configuration.load({"CLEARANCE_CORS_ORIGINS": given}, None)


def test_several_origins_stand_in_one_setting() -> None:
    given = f"{INTRANET}, http://localhost:3000 http://[::1]:8000"
    found = configuration.load({"CLEARANCE_CORS_ORIGINS": given}, None).cors_origins
    assert found == (INTRANET, "http://localhost:3000", "http://[::1]:8000")
    assert configuration.load({}, None).cors_origins == ()
