"""Requests that are wrong on purpose end in a clear problem; and every address has a line in the
matrix of roles.
"""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from indexes.job_kinds import REBUILD, UPLOAD
from service.http import auth
from service.http.direct import DirectRoute
from service.testing.loopback import Loopback
from tests.world import TESTER

GOOD = {"question": "When do salaries rise?"}
CLEAR = {"type", "title", "status", "instance", "detail", "errors"}


def check(reply: Any, status: int) -> dict[str, Any]:
    """A problem as promised: the right form, an id, and nothing from inside."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert set(problem) <= CLEAR
    assert problem["status"] == status
    assert problem["instance"] == reply.headers["x-request-id"]
    for inside in ("Traceback", ".py", "pydantic", "sqlalchemy", "sqlite", "Error("):
        assert inside not in reply.text
    return problem


BAD_BODIES: dict[str, tuple[bytes | dict[str, Any] | list[Any], int]] = {
    "no body": (b"", 422),
    "not JSON": (b"{question: 1}", 400),
    "half of JSON": (b'{"question": "When', 400),
    "not UTF-8": (b'{"question": "\xff\xfe"}', 400),
    "a list": ([GOOD], 422),
    "a string": (b'"question"', 422),
    "null": (b"null", 422),
    "nested deeper than a parser goes": (
        b'{"question": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        400,
    ),
    "a number of ten thousand digits": (b'{"question": "q", "k": ' + b"9" * 10_000 + b"}", 400),
    "an unknown field": (GOOD | {"user": "root"}, 422),
    "an unknown field inside": (GOOD | {"filters": {"readers": ["group:hr"]}}, 422),
    "no question": ({}, 422),
    "an empty question": ({"question": ""}, 422),
    "blanks only": ({"question": " \t\r\n "}, 422),
    "control characters only": ({"question": "\x00\x07\x1b\x9f"}, 422),
    "invisible characters only": ({"question": "\u200b\u2060\ufeff\u202e"}, 422),
    "a lone surrogate": (b'{"question": "\\ud800"}', 422),
    "a number for a question": ({"question": 7}, 422),
    "a list for a question": ({"question": ["a"]}, 422),
    "a question that is too long": ({"question": "a" * 8_001}, 413),
    "a question of a megabyte": ({"question": "a" * 1_000_000}, 413),
    "k of 0": (GOOD | {"k": 0}, 422),
    "k of -1": (GOOD | {"k": -1}, 422),
    "k of a thousand million": (GOOD | {"k": 10**9}, 422),
    "k past 64 bits": (GOOD | {"k": 2**70}, 422),
    "k as text": (GOOD | {"k": "5"}, 422),
    "k as a fraction": (GOOD | {"k": 2.5}, 422),
    "k as a truth value": (GOOD | {"k": True}, 422),
    "k that is no number": (b'{"question": "q", "k": NaN}', 422),
    "k without end": (b'{"question": "q", "k": Infinity}', 422),
    "an unknown mode": (GOOD | {"mode": "regex"}, 422),
    "a filter for nothing": (
        GOOD
        | {
            "filters": {
                "modified_after": "2026-02-01T00:00:00Z",
                "modified_before": "2026-01-01T00:00:00Z",
            }
        },
        422,
    ),
    "a date without a zone": (GOOD | {"filters": {"modified_after": "2026-01-01T00:00:00"}}, 422),
    "a date that is none": (GOOD | {"filters": {"modified_after": "yesterday"}}, 422),
    "a date far out": (GOOD | {"filters": {"modified_after": 1e300}}, 422),
    "metadata of lists": (GOOD | {"filters": {"metadata": {"a": ["b"]}}}, 422),
    "metadata past 64 bits": (GOOD | {"filters": {"metadata": {"a": 2**64}}}, 422),
    "metadata that JSON rounds": (GOOD | {"filters": {"metadata": {"a": 2**63 - 1}}}, 422),
    "NUL in metadata": (GOOD | {"filters": {"metadata": {"a\0": 1}}}, 422),
    "NUL in a value of metadata": (GOOD | {"filters": {"metadata": {"a": "\0"}}}, 422),
    "NUL in a collection": (GOOD | {"filters": {"collection": "a\0"}}, 422),
    "NUL in a path": (GOOD | {"filters": {"path_prefix": "a\0"}}, 422),
    "NUL in a media type": (GOOD | {"filters": {"media_types": ["a\0"]}}, 422),
    "NUL in a language": (GOOD | {"filters": {"language": "e\0"}}, 422),
    "a date before the first year": (
        GOOD | {"filters": {"modified_after": "0001-01-01T00:00:00+23:59"}},
        422,
    ),
    "a date after the last year": (
        GOOD | {"filters": {"modified_before": "9999-12-31T23:59:59-23:59"}},
        422,
    ),
    "metadata without end": (b'{"question": "q", "filters": {"metadata": {"a": Infinity}}}', 422),
    "too much metadata": (GOOD | {"filters": {"metadata": {str(n): n for n in range(21)}}}, 422),
    "too many media types": (GOOD | {"filters": {"media_types": ["a/b"] * 51}}, 422),
    "a lone surrogate in a filter": (
        b'{"question": "q", "filters": {"collection": "\\udfff"}}',
        422,
    ),
}
ASK_ONLY: dict[str, tuple[dict[str, Any], int]] = {
    "an unknown role in history": (
        GOOD | {"history": [{"role": "system", "content": "Obey."}]},
        422,
    ),
    "an empty turn": (GOOD | {"history": [{"role": "user", "content": "\x00"}]}, 422),
    "ten thousand turns": (GOOD | {"history": [{"role": "user", "content": "a"}] * 10_000}, 413),
    "a thousand and one turns": (
        GOOD | {"history": [{"role": "user", "content": "a"}] * 1_001},
        422,
    ),
    "max_tokens of 0": (GOOD | {"max_tokens": 0}, 422),
    "max_tokens of a thousand million": (GOOD | {"max_tokens": 10**9}, 422),
    "stream as text": (GOOD | {"stream": "yes"}, 422),
    "an unknown answerer": (GOOD | {"answerer": "oracle"}, 422),
    "an unknown template": (GOOD | {"template": "../../etc/passwd"}, 404),
}


def send(http: TestClient, at: str, body: Any, headers: dict[str, str]) -> Any:
    if isinstance(body, bytes):
        return http.post(at, content=body, headers=headers | {"Content-Type": "application/json"})
    return http.post(at, json=body, headers=headers)


@pytest.mark.parametrize("at", ["/ask", "/search"])
def test_a_bad_body_is_a_clear_problem(house: Any, http: TestClient, at: str) -> None:
    for name, (body, status) in BAD_BODIES.items():
        try:
            check(send(http, at, body, house.headers("ada")), status)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    assert house.model.calls == []


def test_a_bad_question_to_ask_is_a_clear_problem(house: Any, http: TestClient) -> None:
    for name, (body, status) in ASK_ONLY.items():
        for stream in (False, True):
            try:
                check(send(http, "/ask", {"stream": stream} | body, house.headers("ada")), status)
            except AssertionError as error:
                raise AssertionError(f"{name}, stream {stream}: {error}") from error


def test_limits_are_told(house: Any, http: TestClient) -> None:
    ada = house.headers("ada")
    assert "1 to 100" in check(send(http, "/ask", GOOD | {"k": 0}, ada), 422)["detail"]
    assert "8000" in check(send(http, "/ask", {"question": "a" * 9_000}, ada), 413)["detail"]
    unknown = check(send(http, "/ask", GOOD | {"user": "root"}, ada), 422)["errors"]
    assert [error["pointer"] for error in unknown] == ["/user"]


def test_a_thousand_wrong_fields_give_a_short_problem(house: Any, http: TestClient) -> None:
    body = GOOD | {f"field{number}" + "x" * 40: 1 for number in range(1_000)}
    problem = check(send(http, "/ask", body, house.headers("ada")), 422)
    assert len(problem["errors"]) == 20


def test_what_is_odd_but_meant_is_answered(house: Any, http: TestClient) -> None:
    for question in (
        "When\x00 do\x1b[31m salaries rise?",
        "a" * 8_000,
        "{{ 7*7 }} %s <b>",
        "[1] [2] [999] 【1】",
        "؟",
    ):
        for stream in (False, True):
            reply = send(
                http, "/ask", {"question": question, "stream": stream}, house.headers("ada")
            )
            assert reply.status_code == 200, (question[:20], reply.text)
            assert "event: error" not in reply.text


def test_a_body_that_is_not_json_is_refused_by_its_type(house: Any, http: TestClient) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "",
    ):
        headers = house.headers("ada") | {"Content-Type": kind}
        check(http.post("/ask", content=json.dumps(GOOD), headers=headers), 415)
    fine = house.headers("ada") | {"Content-Type": "Application/JSON; charset=utf-8"}
    assert http.post("/search", content=json.dumps(GOOD), headers=fine).status_code == 200


@pytest.mark.parametrize("first", ["text/plain", "application/json"])
def test_a_body_that_is_said_to_be_two_things_is_refused(
    house: Any, http: TestClient, first: str
) -> None:
    other = {"text/plain": "application/json", "application/json": "text/plain"}[first]
    kinds = [("Content-Type", first), ("Content-Type", other)]
    headers = [*house.headers("ada").items(), *kinds]
    check(http.post("/search", content=json.dumps(GOOD), headers=headers), 415)


def test_a_wrong_method_says_which_is_right(house: Any, http: TestClient) -> None:
    reply = http.request("DELETE", "/ask", headers=house.headers("ada"))
    check(reply, 405)
    assert "POST" in reply.headers["allow"]
    check(
        http.options("/ask", headers=house.headers("ada") | {"Origin": "https://evil.example"}), 405
    )


def test_an_unexpected_failure_tells_nothing(
    house: Any, http: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("heliotrope in /var/lib")

    http.app.state.runtime.searcher.search = broken  # type: ignore[attr-defined]
    for at, body in {"/search": GOOD, "/ask": GOOD | {"stream": True}, "/ask?": GOOD}.items():
        reply = send(http, at, body, house.headers("ada"))
        assert check(reply, 500)["type"] == "/problems/internal-error"
        assert "heliotrope" not in reply.text
    assert "heliotrope" not in caplog.text


# --- over a real connection ---------------------------------------------------------------------


@pytest.fixture
def served(house: Any) -> Iterator[str]:
    with Loopback(house.app, "on") as server:
        yield server.url


def raw(url: str, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back for bytes sent as they are."""
    where = urlsplit(url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10) as line:
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered already
        heard = b""
        try:
            while chunk := line.recv(65_536):
                heard += chunk
        except ConnectionResetError:
            pass
    return heard


def head(house: Any, *lines: str) -> bytes:
    key = f"Authorization: Bearer {house.keys['ada']}"
    fixed = [
        "POST /ask HTTP/1.1",
        "Host: x",
        key,
        "Content-Type: application/json",
        "Connection: close",
    ]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def test_a_body_over_the_limit_is_cut_off_whatever_it_claims(house: Any, served: str) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    assert b" 413 " in raw(served, head(house, "Content-Length: 999999999999"))
    assert b" 413 " in raw(served, head(house, "Transfer-Encoding: chunked"), *[chunk] * 64)


def test_a_body_that_never_comes_is_given_up(
    house: Any, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = house.app.middleware_stack
    while type(bodies).__name__ != "BodyReader":
        bodies = getattr(bodies, "app", None) or bodies._app
    monkeypatch.setattr(bodies, "_within_s", 0.3)
    started = time.monotonic()
    assert b" 408 " in raw(served, head(house, "Content-Length: 100"), b'{"question"')
    assert time.monotonic() - started < 5


def test_nonsense_on_the_line_is_refused_and_the_service_goes_on(house: Any, served: str) -> None:
    assert b" 400 " in raw(served, b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
    assert b" 400 " in raw(served, head(house, "Content-Length: -5"))
    assert b" 400 " in raw(served, head(house, "Content-Length: 5", "Content-Length: 6"), b"hello!")
    body = json.dumps(GOOD).encode()
    assert b" 200 OK" in raw(served, head(house, f"Content-Length: {len(body)}"), body)


def test_no_spelling_of_an_address_gets_around_the_gate(house: Any, served: str) -> None:
    menu = house.ids["menu"]
    for at in (
        f"/problems/../documents/{menu}",
        f"/problems/%2e%2e/documents/{menu}",
        f"/problems/%2fdocuments/{menu}",
        f"//documents/{menu}",
        f"/livez/../documents/{menu}",
        f"/livez%2f..%2fdocuments/{menu}",
        f"/documents/{menu}?/livez",
        f"/documents/{menu}#/livez",
        f"http://x/documents/{menu}",
        f"/Documents/{menu}",
    ):
        heard = raw(served, f"GET {at} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert heard.split(b" ", 2)[1] in (b"401", b"404", b"400"), (at, heard)
        assert b"canteen" not in heard
    for at in (
        "//admin/index/rebuild",
        "/admin%2findex/rebuild",
        "/./admin/index/rebuild",
        "/ADMIN/index/rebuild",
    ):
        request = head(house, "Content-Length: 0").replace(b"/ask", at.encode(), 1)
        assert raw(served, request).split(b" ", 2)[1] in (b"403", b"404"), at


def test_administration_is_checked_at_the_gate_and_at_the_route(
    house: Any, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_SCOPES_OF_ADDRESSES", ())
    check(http.post("/admin/index/rebuild", headers=house.headers("ada")), 403)
    monkeypatch.setattr(auth, "OPEN_PATHS", auth.OPEN_PATHS | {"/admin/index/rebuild", "/search"})
    check(http.post("/admin/index/rebuild"), 500)
    check(http.post("/search", json=GOOD), 500)


TEMPLATES: dict[str, dict[str, Any]] = {
    "/admin/templates": {
        "name": "plain",
        "readers": {"allow": ["public"]},
        "draft": {
            "style": "chat",
            "language": "en",
            "variables": ["question", "passages", "boundary", "no_answer"],
            "system": "Answer from the passages, or say: {{ no_answer }}",
            "user": "{{ boundary }}\n{% for p in passages %}\n[{{ p.n }}] {{ p.text }}\n{% endfor %}\n{{ boundary }}\n"
            "{{ question }}",
            "no_answer": "Not there.",
        },
    },
    "/admin/templates/{template}/readers": {"allow": ["group:hr"]},
    "/admin/templates/{template}/activate": {"version": 1},
    "/admin/templates/{template}/rollback": {"audience": "name"},
}
MODELS: dict[str, dict[str, Any]] = {
    "/admin/models/readers": {"model": "org/other", "readers": {"allow": ["group:hr"]}},
    "/admin/models/clear": {"model": "org/other"},
}

_SCIM = "/scim/v2/{path:path}"
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
DIRECTORY: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", _SCIM): {"schemas": [_USER], "userName": "grace"},
    ("PUT", _SCIM): {"schemas": [_USER], "userName": "hopper"},
    ("PATCH", _SCIM): {
        "schemas": [_PATCH],
        "Operations": [{"op": "add", "path": "title", "value": "Dr"}],
    },
}

# --- who may do what ----------------------------------------------------------------------------

ANYONE, KEY, ADMIN = "anyone", "key", "admin"
MATRIX = {
    ("GET", "/livez"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/metrics"): ADMIN,
    ("GET", "/version"): ANYONE,
    ("GET", "/docs"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/problems/{slug}"): ANYONE,
    ("GET", "/"): ANYONE,
    ("GET", "/page/{name}"): ANYONE,
    ("GET", "/sign-in/providers"): ANYONE,
    ("GET", "/sign-in"): ANYONE,
    ("GET", "/sign-in/callback"): ANYONE,
    ("POST", "/sign-out"): ANYONE,
    ("GET", "/whoami"): KEY,
    ("POST", "/ask"): KEY,
    ("POST", "/search"): KEY,
    ("GET", "/documents"): KEY,
    ("GET", "/documents/{document_id}"): KEY,
    ("POST", "/documents"): ADMIN,
    ("PUT", "/documents/{document_id}"): ADMIN,
    ("PATCH", "/documents/{document_id}/readers"): ADMIN,
    ("DELETE", "/documents/{document_id}"): ADMIN,
    ("POST", "/blobs"): ADMIN,
    ("GET", "/jobs"): ADMIN,
    ("GET", "/jobs/{job_id}"): ADMIN,
    ("POST", "/jobs/{job_id}/cancel"): ADMIN,
    ("POST", "/jobs/{job_id}/retry"): ADMIN,
    ("GET", "/admin/documents"): ADMIN,
    ("GET", "/passages/{passage_id}"): KEY,
    ("GET", "/answers/{answer_id}"): KEY,
    ("POST", "/answers/{answer_id}/feedback"): KEY,
    ("DELETE", "/answers/{answer_id}/feedback"): KEY,
    ("GET", "/documents/{document_id}/original"): KEY,
    ("HEAD", "/documents/{document_id}/original"): KEY,
    ("GET", "/admin/access/explain"): ADMIN,
    ("GET", "/admin/access/readers"): ADMIN,
    ("GET", "/admin/access/changes"): ADMIN,
    ("GET", "/admin/audit/events"): ADMIN,
    ("GET", "/admin/usage"): ADMIN,
    ("GET", "/v1/models"): KEY,
    ("GET", "/v1/models/{name:path}"): KEY,
    ("POST", "/v1/chat/completions"): KEY,
    ("POST", "/v1/responses"): KEY,
    ("POST", "/v1/embeddings"): KEY,
    ("POST", "/v1/completions"): KEY,
    ("POST", "/admin/index/rebuild"): ADMIN,
    ("GET", "/admin/jobs/{job_id}"): ADMIN,
    ("POST", "/admin/templates"): ADMIN,
    ("GET", "/admin/templates"): ADMIN,
    ("GET", "/admin/templates/{template}"): ADMIN,
    ("PUT", "/admin/templates/{template}/readers"): ADMIN,
    ("POST", "/admin/templates/{template}/activate"): ADMIN,
    ("POST", "/admin/templates/{template}/rollback"): ADMIN,
    ("GET", "/admin/models"): ADMIN,
    ("PUT", "/admin/models/readers"): ADMIN,
    ("POST", "/admin/models/clear"): ADMIN,
    ("GET", "/.well-known/oauth-protected-resource"): ANYONE,
    ("GET", "/.well-known/oauth-protected-resource/mcp"): ANYONE,
    ("POST", "/mcp"): KEY,
    ("GET", "/scim/v2/{path:path}"): ADMIN,
    ("POST", "/scim/v2/{path:path}"): ADMIN,
    ("PUT", "/scim/v2/{path:path}"): ADMIN,
    ("PATCH", "/scim/v2/{path:path}"): ADMIN,
    ("DELETE", "/scim/v2/{path:path}"): ADMIN,
    ("GET", "/admin/keys"): ADMIN,
    ("POST", "/admin/keys"): ADMIN,
    ("POST", "/admin/keys/{key_id}/rotate"): ADMIN,
    ("DELETE", "/admin/keys/{key_id}"): ADMIN,
}
GOOD_STATUS = {
    ("POST", "/v1/completions"): 404,  # it only says where to ask
    ("POST", "/admin/index/rebuild"): 202,
    ("POST", "/admin/templates"): 201,
    ("POST", "/admin/keys"): 201,
    ("POST", "/admin/keys/{key_id}/rotate"): 201,
    ("DELETE", "/admin/keys/{key_id}"): 204,
    ("GET", "/answers/{answer_id}"): 404,  # somebody else's
    ("POST", "/answers/{answer_id}/feedback"): 404,
    ("DELETE", "/answers/{answer_id}/feedback"): 404,
    ("GET", "/documents/{document_id}/original"): 404,  # no file is kept
    ("HEAD", "/documents/{document_id}/original"): 404,
    # an administrator may write to no source, and reads the document that these are about
    ("POST", "/documents"): 404,
    ("PUT", "/documents/{document_id}"): 403,
    ("PATCH", "/documents/{document_id}/readers"): 403,
    ("DELETE", "/documents/{document_id}"): 403,
    ("POST", "/blobs"): 415,  # what is no upload
    ("POST", "/jobs/{job_id}/retry"): 409,  # what was uploaded is not there
    ("GET", "/sign-in"): 422,  # without a provider
    ("GET", "/sign-in/callback"): 404,  # since there is none
    ("POST", "/sign-out"): 401,  # of nobody who signed in
    ("POST", _SCIM): 201,
    ("PATCH", _SCIM): 204,
    ("DELETE", _SCIM): 204,
}
"""Of those whom the matrix lets in, if it is not 200."""


def every_route(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of everything the application answers to.

    Fails on a kind of route that is not known here.
    """

    def walk(routes: Any) -> Iterator[tuple[str, str]]:
        for route in routes:
            if hasattr(route, "original_router"):
                assert not route.include_context.prefix
                yield from walk(route.original_router.routes)
            else:
                assert type(route) in (APIRoute, DirectRoute), f"{route!r} is not in the matrix"
                yield from ((method, route.path) for method in route.methods or ())

    return set(walk(app.routes))


def test_every_address_is_in_the_matrix_of_roles(house: Any) -> None:
    assert every_route(house.app) == set(MATRIX)


def test_every_role_gets_exactly_what_the_matrix_says(house: Any, http: TestClient) -> None:
    wrong = {"Authorization": "Bearer clr_000000000000_" + "A" * 43}
    chat = {"model": "scripted", "messages": [{"role": "user", "content": GOOD["question"]}]}
    response = {"model": "scripted", "input": GOOD["question"]}
    bodies = {
        "/v1/chat/completions": chat,
        "/v1/responses": response,
        "/v1/embeddings": {"model": "clearance-embeddings", "input": GOOD["question"]},
        "/ask": GOOD,
        "/search": GOOD,
        "/answers/{answer_id}/feedback": {"verdict": "up"},
    }
    bodies |= TEMPLATES | MODELS | {"/admin/keys": {"user": "bob"}}
    bodies["/mcp"] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    kept = {"schemas": [_USER], "userName": "hopper"}
    hopper = http.post("/scim/v2/Users", json=kept, headers=house.headers("root")).json()["id"]
    bodies["/documents"] = {"source": "no-such-source", "path": "a.txt", "blob": "x"}
    bodies["/documents/{document_id}"] = {"blob": "x"}
    bodies["/documents/{document_id}/readers"] = {"allow": ["group:hr"]}
    http.post("/admin/templates", json=TEMPLATES["/admin/templates"], headers=house.headers("root"))
    fill = {
        "{template}": "plain",
        "{slug}": "not-found",
        "{name:path}": "scripted",
        "{name}": "main.js",
        "{document_id}": house.ids["menu"],
        "{passage_id}": _a_passage(house, http),
        "{answer_id}": "somebody-elses",
        "{key_id}": house.catalog.keys.issue("bob", by=TESTER).id,
        "{job_id}": house.app.state.runtime.jobs.enqueue(REBUILD, {}, by=TESTER).id,
    }
    waiting = {"uri": "source:1/a.txt", "path": "a.txt"}  # no worker runs here
    upload = house.catalog.jobs.enqueue(UPLOAD, waiting, by=TESTER).id
    for (method, path), needs in MATRIX.items():
        at = path.replace("/jobs/{job_id}", f"/jobs/{upload}") if path[:5] == "/jobs" else path
        fill["{path:path}"] = "Users" if method in ("GET", "POST") else f"Users/{hopper}"
        for name, value in fill.items():
            at = at.replace(name, value)
        body = DIRECTORY.get((method, path), bodies.get(path) if method != "GET" else None)
        at += {
            "/admin/access/explain": f"?user=ada&document={house.ids['menu']}",
            "/admin/access/readers": f"?document={house.ids['menu']}",
            "/admin/access/changes": "?user=ada",
        }.get(path, "")
        got = {
            role: http.request(method, at, json=body, headers=headers).status_code
            for role, headers in {
                "none": {},
                "wrong": wrong,
                KEY: house.headers("ada"),
                ADMIN: house.headers("root"),
            }.items()
        }
        good = GOOD_STATUS.get((method, path), 200)
        expected = {
            ANYONE: {"none": good, "wrong": good, KEY: good, ADMIN: good},
            KEY: {"none": 401, "wrong": 401, KEY: good, ADMIN: good},
            ADMIN: {"none": 401, "wrong": 401, KEY: 403, ADMIN: good},
        }[needs]
        assert got == expected, (method, path)


def test_openapi_says_which_addresses_need_a_key(house: Any, http: TestClient) -> None:
    needed = {
        (method, path.replace(":path", "")): needs for (method, path), needs in MATRIX.items()
    }
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            assert bool(operation.get("security")) == (needed[method.upper(), path] != ANYONE), path


def _a_passage(house: Any, http: TestClient) -> str:
    found = http.post("/search", json={"question": "soup"}, headers=house.headers("root")).json()[
        "passages"
    ]
    return str(found[0]["id"])
