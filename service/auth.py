"""Who is asking. A request passes the gate before anything else looks at it; what is open is listed here, by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from indexes.errors import ClearanceError, NotAuthenticated, NotPermitted
from indexes.model import Principal
from service import problems

OPEN = frozenset({"/", "/livez", "/readyz", "/metrics", "/version", "/docs", "/openapi.json"})
OPEN_UNDER = ("/page/", "/problems/")
ADMIN_UNDER = "/admin/"
ADMIN = "admin"
MAX_KEY_CHARS = 512

Authenticate = Callable[[str], Principal]
"""Whose key it is. Blocking. Raises NotAuthenticated."""
Acting = Callable[[Principal, str], AbstractContextManager[None]]
"""Every transaction inside the block confirms that the key still holds and carries the scope: a body may come late."""


class Gate:
    """Lets a request through only with a valid key, and to the admin's routes only with the admin's scope.

    Stands before the router and before the body is read: without a key, nothing can be learned from routes or bodies.
    """

    def __init__(self, app: ASGIApp, authenticate: Authenticate, acting: Acting, limiter: CapacityLimiter) -> None:
        """acting: around everything below `ADMIN_UNDER`."""
        self._app = app
        self._acting = acting
        self._authenticate = authenticate
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            principal = scope["state"]["principal"] = await self._principal(scope)
        except ClearanceError as error:
            response = problems.of(error).response(scope["state"]["request_id"])
            await response(scope, receive, send)
            return
        if not scope["path"].startswith(ADMIN_UNDER):
            await self._app(scope, receive, send)
            return
        with self._acting(principal, ADMIN):
            await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        key = _bearer(scope)
        found = await to_thread.run_sync(self._authenticate, key, limiter=self._limiter)
        if scope["path"].startswith(ADMIN_UNDER) and ADMIN not in found.scopes:
            raise NotPermitted
        return found


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_UNDER)


def _bearer(scope: Scope) -> str:
    """The key in the one Authorization header. Raises NotAuthenticated."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1 or len(given[0]) > MAX_KEY_CHARS:
        raise NotAuthenticated
    scheme, _, key = str(given[0], "latin-1").partition(" ")
    if scheme.lower() != "bearer" or not key.isascii():
        raise NotAuthenticated
    return key.strip()


def _caller(request: Request) -> Principal:
    """Who the gate let in. A route that is open by mistake has no principal and fails."""
    return cast(Principal, request.state.principal)


def _administrator(request: Request) -> None:
    """The gate has seen to this by the address; here it belongs to the route, whatever its address."""
    if ADMIN not in _caller(request).scopes:
        raise NotPermitted


_scheme = HTTPBearer(auto_error=False, description="An API key: `clr_…`. `clearance keys issue` makes one.")
Caller = Annotated[Principal, Depends(_caller)]
needs_key = [Security(_scheme), Depends(_caller)]  # the first is for OpenAPI
needs_admin = [*needs_key, Depends(_administrator)]
