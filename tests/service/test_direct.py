"""The short way to an address refuses what FastAPI refuses, in the same words."""

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from indexes.model import Principal
from indexes.scopes import OPERATE
from service.http import problems
from service.http.auth import needs_key, needs_scope
from service.http.bodies import AskBody
from service.http.direct import DirectRoute, DirectWay

BODIES = [
    b"",
    b" ",
    b"{",
    b"null",
    b"[]",
    b"1",
    b'"question"',
    b"{}",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b'{"question": "\\ud800"}',
    b'{"question": 1, "k": "2", "more": NaN}',
    b'{"question": "soup", "k": 1.0}',
    b'{"question": "soup", "k": ' + b"9" * 5_000 + b"}",
    b'{"question": "soup", "filters": {"modified_after": "2026-01-01", "collection": ""}}',
    b'{"question": "soup", "history": [{"role": "system", "content": "\\u0000"}], "a/b~c": 1}',
    b"[" * 100_000,
    b'{"question": "soup", "question": "fish", "k": 3}',
]


class LetIn:
    """The gate: it lets everybody in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"request_id": "1", "principal": Principal(name="user:ada")}
        await self._app(scope, receive, send)


def served(route: type[APIRoute], gate: bool = True) -> TestClient:
    router = APIRouter(route_class=route, dependencies=needs_key)

    @router.post("/ask")
    async def ask(body: AskBody, request: Request) -> Response:
        return Response(body.model_dump_json())

    app = FastAPI(
        exception_handlers={
            RequestValidationError: problems.on_validation_error,
            HTTPException: problems.on_http_error,
        }
    )
    app.include_router(router)
    return TestClient(LetIn(app) if gate else app, raise_server_exceptions=False)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_a_body_is_answered_to_the_byte_as_by_an_ordinary_route(body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    ordinary, direct = (
        served(route).post("/ask", content=body, headers=kind) for route in (APIRoute, DirectRoute)
    )
    assert (direct.status_code, direct.content) == (ordinary.status_code, ordinary.content)


def test_what_nobody_was_let_in_to_answers_nothing() -> None:
    body: dict[str, Any] = {"question": "soup"}
    assert served(DirectRoute, gate=False).post("/ask", json=body).status_code == 500


@pytest.mark.parametrize(
    "dependencies",
    [[], needs_scope(OPERATE), [*needs_key, Depends(lambda: None)]],
    ids=["none", "administrator", "one more"],
)
def test_a_direct_route_with_any_other_dependency_is_not_made(dependencies: list[Any]) -> None:
    async def ask(body: AskBody, request: Request) -> Response:
        raise AssertionError

    router = APIRouter(route_class=DirectRoute, dependencies=dependencies)
    with pytest.raises(TypeError):
        router.add_api_route("/ask", ask, methods=["POST"])


def test_a_direct_route_with_any_other_parameter_is_not_made() -> None:
    async def ask(body: AskBody, request: Request, k: int) -> Response:
        raise AssertionError

    router = APIRouter(route_class=DirectRoute, dependencies=needs_key)
    with pytest.raises(TypeError):
        router.add_api_route("/ask", ask, methods=["POST"])


def test_what_is_not_asked_for_as_a_direct_route_is_goes_the_ordinary_way() -> None:
    asked: list[str] = []

    async def ordinary(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(f"{scope['method']} {scope['path']}")

    async def ask(body: AskBody, request: Request) -> Response:
        return Response(body.question)

    router = APIRouter(route_class=DirectRoute, dependencies=needs_key)
    router.add_api_route("/ask", ask, methods=["POST"])
    router.add_api_route("/other", ask, methods=["POST"], route_class_override=APIRoute)
    http = TestClient(LetIn(DirectWay(ordinary, router.routes, {})))
    assert http.post("/ask", json={"question": "soup"}).text == "soup"
    for method, path in (("GET", "/ask"), ("POST", "/ask/"), ("POST", "/other"), ("PUT", "/ask")):
        with pytest.raises(AssertionError):  # it answers nothing
            http.request(method, path)
        assert asked.pop() == f"{method} {path}"


class Late(Exception):
    pass


class VeryLate(Late):
    pass


def test_an_error_on_the_direct_way_becomes_what_the_applications_handler_makes_of_it() -> None:
    async def ask(body: AskBody, request: Request) -> Response:
        raise VeryLate if body.k else KeyError

    async def on_late(request: Request, error: Exception) -> Response:
        return Response("late", 503)

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    router = APIRouter(route_class=DirectRoute, dependencies=needs_key)
    router.add_api_route("/ask", ask, methods=["POST"])
    http = TestClient(LetIn(DirectWay(nothing, router.routes, {Late: on_late})))
    reply = http.post("/ask", json={"question": "soup", "k": 1})
    assert (reply.status_code, reply.text) == (503, "late")
    with pytest.raises(KeyError):
        http.post("/ask", json={"question": "soup"})
