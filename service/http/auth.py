"""Who is asking.

A request passes the gate before anything else looks at it; what is open is listed here, by name.
"""

import asyncio
import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Protocol, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from indexes.catalog import Catalog
from indexes.errors import ClearanceError, NotAuthenticated, NotPermitted
from indexes.model import Actor, Principal
from service.http import problems
from service.http.wrong_keys import MAX_WAITING, WrongKeys, address_group

OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/version", "/docs", "/openapi.json"})
OPEN_PREFIXES = ("/page/", "/problems/")
ADMIN_PREFIX = "/admin/"
METRICS = "/metrics"
ADMIN = "admin"
MAX_KEY_CHARS = 512


class Authenticator(Protocol):
    """Tells who asks. API keys do (`indexes.catalog.keys`); an identity provider would."""

    def authenticate(self, credentials: str, /) -> Principal:
        """Whose credentials these are: what stands behind `Bearer`. Blocking, at every request.

        Raises NotAuthenticated, whatever is wrong with them.
        """
        ...


def make_authenticator(catalog: Catalog) -> Authenticator:
    """What this installation accepts. An identity provider is put into place here, beside the keys."""
    return catalog.keys


ActAs = Callable[[Principal, str], AbstractContextManager[None]]
"""Every transaction inside the block confirms that the key still holds and carries the scope: a
body may come late.
"""


class Gate:
    """Lets a request through only with a valid key, and to the admin's routes only with the admin's
    scope.

    Stands before the router and before the body is read: without a key, nothing can be learned from
    routes or bodies.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Callable[[], Authenticator],
        act_as: ActAs,
        limiter: CapacityLimiter,
        metrics_token: SecretStr | None = None,
    ) -> None:
        """authenticator: is there once the service is open. act_as: around everything that is for
        administrators. metrics_token: opens `/metrics` and nothing else.
        """
        self._app = app
        self._authenticator = authenticator
        self._act_as = act_as
        self._limiter = limiter
        self._metrics_token = metrics_token
        self._wrong_keys = WrongKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        key = None
        try:
            key = _key_of(scope)
            if self._is_metrics_token(scope, key):
                scope["state"]["may_measure"] = True
                await self._app(scope, receive, send)
                return
            principal = scope["state"]["principal"] = await self._find_principal(scope, key)
        except NotAuthenticated:
            await self._refuse(scope, receive, send, tried=key is not None)
        except ClearanceError as error:
            problems.log_problem(error, scope["state"]["request_id"])
            await problems.problem_of(error).response(scope["state"]["request_id"])(
                scope, receive, send
            )
        else:
            if not _is_for_administrators(scope["path"]):
                await self._app(scope, receive, send)
                return
            with self._act_as(principal, ADMIN):
                await self._app(scope, receive, send)

    async def _find_principal(self, scope: Scope, key: str) -> Principal:
        found = await to_thread.run_sync(
            self._authenticator().authenticate, key, limiter=self._limiter
        )
        if _is_for_administrators(scope["path"]) and ADMIN not in found.scopes:
            raise NotPermitted
        return found

    def _is_metrics_token(self, scope: Scope, key: str) -> bool:
        if scope["path"] != METRICS or self._metrics_token is None:
            return False
        return hmac.compare_digest(key.encode(), self._metrics_token.get_secret_value().encode())

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, tried: bool) -> None:
        """Later and later, for an address that many wrong keys come from. tried: there was a key to
        look up.
        """
        kind = problems.UNAUTHENTICATED
        wait_s = self._wrong_keys.delay(_address_of(scope)) if tried else 0.0
        if wait_s and self._wrong_keys.waiting >= MAX_WAITING:
            kind = problems.TOO_MANY_WRONG_KEYS
        elif wait_s:
            self._wrong_keys.waiting += 1
            try:
                await asyncio.sleep(wait_s)
            finally:
                self._wrong_keys.waiting -= 1
        await problems.Problem(kind).response(scope["state"]["request_id"])(scope, receive, send)


def _address_of(scope: Scope) -> str:
    return address_group(scope["client"][0] if scope.get("client") else "")


def _is_for_administrators(path: str) -> bool:
    return path.startswith(ADMIN_PREFIX) or path == METRICS


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _key_of(scope: Scope) -> str:
    """The key in the one Authorization header. Raises NotAuthenticated."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1 or len(given[0]) > MAX_KEY_CHARS:
        raise NotAuthenticated
    scheme, _, key = str(given[0], "latin-1").partition(" ")
    if scheme.lower() != "bearer" or not key.isascii():
        raise NotAuthenticated
    return key.strip()


# Below, what FastAPI asks for is `async`, though it waits for nothing: anything else goes through a thread.


def principal_of(request: Request) -> Principal:
    """Who the gate let in. A route that is open by mistake has no principal and fails."""
    return cast(Principal, request.state.principal)


async def _caller_of(request: Request) -> Principal:
    return principal_of(request)


async def _actor_of(request: Request) -> Actor:
    """Whoever the gate let in acts under its own name."""
    return Actor.of(principal_of(request))


async def _require_administrator(request: Request) -> None:
    """The gate has seen to this by the address; here it belongs to the route, whatever its address."""
    _check_administrator(request)


async def _require_metrics_right(request: Request) -> None:
    """Who measures reads no document: the token for it is enough, and the scope `admin`."""
    if not getattr(request.state, "may_measure", False):
        _check_administrator(request)


def _check_administrator(request: Request) -> None:
    """Raises NotPermitted."""
    if ADMIN not in principal_of(request).scopes:
        raise NotPermitted


_scheme = HTTPBearer(
    auto_error=False, description="An API key: `clr_…`. `clearance keys issue` makes one."
)
Caller = Annotated[Principal, Depends(_caller_of)]
ActingCaller = Annotated[Actor, Depends(_actor_of)]
needs_key = [Security(_scheme), Depends(_caller_of)]  # the first is for OpenAPI
needs_admin = [*needs_key, Depends(_require_administrator)]
needs_metrics_token = [Security(_scheme), Depends(_require_metrics_right)]
