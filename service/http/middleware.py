"""What surrounds every request: its id, its line in the log, its limits, and headers that keep a
browser harmless.
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexes.derived.precedence import Precedence
from service.http import problems
from service.http.scim import errors as scim_errors
from service.operating.metrics import Metrics

log = logging.getLogger("clearance.requests")

BODY_S = 30.0  # for a body to arrive
UNMATCHED = "unmatched"
CLIENT_LEFT = 499  # only in the log and in metrics: nobody is there to read it
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"})
SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_REQUEST_ID = b"x-request-id"


class Envelope:
    """Outermost: nothing leaves without a request id and safe headers, and no error leaves as it
    was raised. Meanwhile the request goes before the work in the background.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, precedence: Precedence) -> None:
        self._app = app
        self._metrics = metrics
        self._precedence = precedence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = os.urandom(16).hex()
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_safe_headers(message, request_id)
            await send(message)

        self._metrics.in_flight.inc()
        try:
            with self._precedence.request():
                await self._app(scope, receive, send_safely)
        except Exception as error:
            log_unexpected(error, request_id)
            if status == 0:
                await problems.Problem(problems.INTERNAL).response(request_id)(
                    scope, receive, send_safely
                )
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - started
            self._log_request(scope, CLIENT_LEFT if state.get("left") else status, seconds)
            if state.get("left"):
                self._metrics.callers_left.inc()

    def _log_request(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.count_request(route, method, status, seconds)
        fields = {
            "route": route,
            "method": method,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        log.info(
            "request", extra={"fields": {"request_id": scope["state"]["request_id"], **fields}}
        )


class BodyReader:
    """Reads the whole body before anything else does, up to a size and within a time, and takes
    nothing but JSON.
    """

    def __init__(self, app: ASGIApp, most: int, within_s: float = BODY_S) -> None:
        self._app = app
        self._most = most
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within_s):
                found = await self._read(scope, receive)
        except TimeoutError:
            found = problems.TOO_SLOW
        if found is None:
            scope["state"]["left"] = True
        elif isinstance(found, problems.ProblemKind):
            response = problems.Problem(found).response(
                scope["state"]["request_id"], {"Connection": "close"}
            )
            await response(scope, receive, send)
        else:
            await self._app(scope, _give_again(found, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | problems.ProblemKind | None:
        """The body, or what is wrong with it; None: the caller left."""
        headers = dict(scope["headers"])
        # the HTTP server lets only digits through
        if int(headers.get(b"content-length", b"0")) > self._most:
            return problems.TOO_LARGE
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                return problems.TOO_LARGE
        return bytes(body) if not body or _is_json(scope) else problems.NOT_JSON


def _is_json(scope: Scope) -> bool:
    kinds = _kinds_of(scope)
    if scope["path"].startswith(scim_errors.PREFIX) and len(kinds) == 1:
        return kinds <= {b"application/json", scim_errors.MEDIA_TYPE.encode()}
    return kinds == {b"application/json"}


def _kinds_of(scope: Scope) -> set[bytes]:
    """What the body is said to be: more than one, if a request says it twice and differently."""
    return {
        value.split(b";")[0].strip().lower()
        for name, value in scope["headers"]
        if name == b"content-type"
    }


def _give_again(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body first."""
    given = False

    async def receive_body_first() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body_first


def _add_safe_headers(message: MutableMapping[str, Any], request_id: str) -> None:
    """Those that the response does not have yet, and the id of the request."""
    own = [(name, value) for name, value in message.get("headers", ()) if name != _REQUEST_ID]
    there = {name for name, _ in own}
    missing = [header for header in _SAFE if header[0] not in there]
    message["headers"] = [*own, *missing, (_REQUEST_ID, request_id.encode())]


def log_unexpected(error: Exception, request_id: str) -> None:
    """Where an unexpected error happened.

    Its message may hold a question or a document's text, so it stays out.
    """
    places = "".join(traceback.format_tb(error.__traceback__)[-12:])
    fields = {"request_id": request_id, "error": type(error).__qualname__, "at": places}
    log.error("unexpected error", extra={"fields": fields})
