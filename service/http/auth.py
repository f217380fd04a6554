"""Who is asking.

A request passes the gate before anything else looks at it; what is open is listed here, by name.

A search reads in a transaction that confirms the key, so the gate need not look up a key for it
that it has looked up before. Whatever else becomes of such a request than what that transaction
read, it is told only after a look-up.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Annotated, Any, Protocol, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexes.errors import ClearanceError, NotAuthenticated, NotPermitted
from indexes.model import Actor, Principal
from indexes.scopes import ACT_AS, ASK, AUDIT, INGEST, OPERATE, PEOPLE, includes
from service.http import problems
from service.http.cookies import SessionSecret, comes_from_the_page, session_of
from service.http.known_keys import KnownKeys
from service.http.refusals import Refusals
from service.http.wrong_keys import MAX_WAITING, WrongKeys, address_group
from service.operating.threads import Threads

OPEN_PATHS = frozenset(
    {
        "/",
        "/livez",
        "/readyz",
        "/version",
        "/docs",
        "/openapi.json",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/sign-in",
        "/sign-in/callback",
        "/sign-in/providers",
        "/sign-out",
    }
)
OPEN_PREFIXES = ("/page/", "/problems/")
METRICS = "/metrics"
MAX_KEY_CHARS = 24_576  # of a token; the whole head of a request has room for a third more
CONFIRMED_WHERE_READ = frozenset({"/search"})
"""Addresses from which no reply below 400 leaves but what was read in a transaction that confirmed
the key.
"""
ACT_AS_HEADER = b"clearance-act-as"
BAD_REQUEST = 400  # from here on a status tells of an error
_ANY_METHOD: frozenset[str] = frozenset()
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SCOPES_OF_ADDRESSES = (
    ("/admin/people", _ANY_METHOD, PEOPLE),
    ("/admin/keys", _ANY_METHOD, PEOPLE),
    ("/admin/access", _ANY_METHOD, PEOPLE),
    ("/scim/", _ANY_METHOD, PEOPLE),
    ("/admin/audit", _ANY_METHOD, AUDIT),
    ("/admin/", _ANY_METHOD, OPERATE),
    (METRICS, _ANY_METHOD, OPERATE),
    ("/documents", _WRITING, INGEST),
    ("/ingest", _ANY_METHOD, INGEST),
    ("/jobs", _ANY_METHOD, INGEST),
)
"""What an address begins with, the methods, and the scope that they need. The first that fits
counts; any other address needs `ask`.
"""


def required_scope(method: str, path: str) -> str:
    """The scope without which nobody gets to this address."""
    for beginning, methods, scope in _SCOPES_OF_ADDRESSES:
        if path.startswith(beginning) and (not methods or method in methods):
            return scope
    return ASK


class Authenticator(Protocol):
    """Tells who asks: by API keys (`indexes.catalog.keys`), and by tokens of identity providers
    (`service.http.oidc`).
    """

    def authenticate(self, credentials: str, /) -> Principal:
        """Whose credentials these are: what stands behind `Bearer`. Blocking, at every request.

        Raises NotAuthenticated, whatever is wrong with them, and ProviderUnavailable.
        """
        ...


class Principals(Protocol):
    """What the gate has to know from the catalog."""

    def acting(self, principal: Principal, scope: str, /) -> AbstractContextManager[None]:
        """Every transaction inside the block confirms that the key still holds and carries the
        scope: a body may come late.
        """
        ...

    def find_session(self, secret: str, /) -> Principal:
        """Whose session of the page it is. Blocking. Raises NotAuthenticated."""
        ...

    def note_key_use(self, key: str, /) -> None:
        """The key is used now. Writes nothing."""
        ...

    def find_asker(self, given: str, /) -> Principal:
        """The user by present name, or by id as `#ID`. Blocking. Raises NotPermitted for nobody."""
        ...


class Gate:
    """Lets a request through only with a valid key that carries the scope which the address needs.

    Stands before the router and before the body is read: without a key, nothing can be learned from
    routes or bodies.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Callable[[], Authenticator],
        principals: Callable[[], Principals],
        threads: Threads,
        metrics_token: SecretStr | None = None,
        page_origin: str | None = None,
        refusals: Refusals | None = None,
        challenge: Callable[[Scope], Mapping[str, str]] = lambda scope: {},
    ) -> None:
        """authenticator, principals: are there once the service is open. threads: for look-ups.
        metrics_token: opens `/metrics` and nothing else. page_origin: of the page, if people sign
        in on it; their sessions count only for what it sends. refusals: records of them; if None,
        there are none. challenge: headers for whoever is refused.
        """
        self._app = app
        self._authenticator = authenticator
        self._principals = principals
        self._threads = threads
        self._metrics_token = metrics_token
        self._challenge = challenge
        self._page_origin = page_origin
        self._refusals = refusals
        self._wrong_keys = WrongKeys()
        self._known_keys = KnownKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        key = None
        try:
            key = self._credentials_of(scope)
            if self._is_metrics_token(scope, key):
                scope["state"]["may_measure"] = True
                await self._app(scope, receive, send)
                return
            known = _is_confirmed_where_read(scope) and self._known_keys.recall(key)
            principal = known or await self._find_principal(scope, key)
        except NotAuthenticated:
            await self._refuse(scope, receive, send, tried=key is not None)
        except ClearanceError as error:
            await self._tell_problem(error, scope, receive, send)
        else:
            scope["state"]["principal"] = principal
            if principal.key is not None:
                self._principals().note_key_use(principal.key)
            if known:
                send = self._look_up_before_errors(scope, receive, send, key)
            needed = required_scope(scope["method"], scope["path"])
            if needed == ASK:  # whatever reads confirms it by itself
                await self._app(scope, receive, send)
                return
            with self._principals().acting(principal, needed):
                await self._app(scope, receive, send)

    async def _find_principal(self, scope: Scope, key: str) -> Principal:
        is_session = isinstance(key, SessionSecret)
        look_up = (
            self._principals().find_session if is_session else self._authenticator().authenticate
        )
        try:
            found = await self._threads.run(look_up, key)
        except NotAuthenticated:
            self._known_keys.forget(key)
            raise
        self._known_keys.remember(key, found)
        targets = _headers(scope, ACT_AS_HEADER)
        try:
            asker = await self._act_as(found, targets) if targets else found
            if not includes(asker.scopes, required_scope(scope["method"], scope["path"])):
                raise NotPermitted
        except NotPermitted:
            await self._record_refusal("not permitted", scope, found)
            raise
        return asker

    def _credentials_of(self, scope: Scope) -> str:
        """What the one Authorization header says, or else the session of the page.

        Raises NotAuthenticated.
        """
        if not _headers(scope, b"authorization") and self._page_origin is not None:
            secret = session_of(scope["headers"])
            if secret is not None and comes_from_the_page(scope["headers"], self._page_origin):
                return secret
        return _key_of(scope)

    async def _act_as(self, sender: Principal, targets: list[bytes]) -> Principal:
        """The one user that the sender asks for, with that one's rights and no scope but `ask`.

        Raises NotPermitted. The transaction that reads confirms all of it: the user, and the key of
        the sender with its scope.
        """
        if ACT_AS not in sender.scopes or sender.key is None or len(targets) != 1:
            raise NotPermitted
        try:
            given = targets[0].decode()
        except UnicodeDecodeError as error:
            raise NotPermitted from error
        target = await self._threads.run(self._principals().find_asker, given)
        return replace(target, key=sender.key, acted_by=sender.name, scopes=frozenset({ASK}))

    def _look_up_before_errors(self, scope: Scope, receive: Receive, send: Send, key: str) -> Send:
        """A `send` for a request whose key has not been looked up. If the reply is an error, that is
        done first, and if the key does not hold, the caller is refused instead.
        """
        refused = False

        async def tell(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= BAD_REQUEST:
                try:
                    await self._find_principal(scope, key)
                except NotAuthenticated:
                    refused = True
                    await self._refuse(scope, receive, send, tried=True)
                except ClearanceError as error:
                    refused = True
                    await self._tell_problem(error, scope, receive, send)
            if not refused:
                await send(message)

        return tell

    async def _record_refusal(
        self, why: str, scope: Scope, principal: Principal | None = None
    ) -> None:
        if self._refusals is not None:
            await self._refusals.note(why, scope["path"], _address_of(scope), principal)

    def _is_metrics_token(self, scope: Scope, key: str) -> bool:
        if scope["path"] != METRICS or self._metrics_token is None:
            return False
        return hmac.compare_digest(key.encode(), self._metrics_token.get_secret_value().encode())

    @staticmethod
    async def _tell_problem(
        error: ClearanceError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request_id = scope["state"]["request_id"]
        problems.log_problem(error, request_id)
        await problems.problem_of(error).response(request_id)(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, tried: bool) -> None:
        """Later and later, for an address that many wrong keys come from. tried: there was a key to
        look up.
        """
        kind = problems.UNAUTHENTICATED
        if tried:
            await self._record_refusal("unauthenticated", scope)
        wait_s = self._wrong_keys.delay(_address_of(scope)) if tried else 0.0
        if wait_s and self._wrong_keys.waiting >= MAX_WAITING:
            kind = problems.TOO_MANY_WRONG_KEYS
        elif wait_s:
            self._wrong_keys.waiting += 1
            try:
                await asyncio.sleep(wait_s)
            finally:
                self._wrong_keys.waiting -= 1
        told = problems.Problem(kind).response(scope["state"]["request_id"], self._challenge(scope))
        await told(scope, receive, send)


def _address_of(scope: Scope) -> str:
    return address_group(scope["client"][0] if scope.get("client") else "")


def _is_confirmed_where_read(scope: Scope) -> bool:
    return scope["path"] in CONFIRMED_WHERE_READ and not _headers(scope, ACT_AS_HEADER)


def _headers(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _key_of(scope: Scope) -> str:
    """The key in the one Authorization header. Raises NotAuthenticated."""
    given = _headers(scope, b"authorization")
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


def _require(scope: str) -> Callable[[Request], Awaitable[None]]:
    """The gate has seen to this by the address; here it belongs to the route, whatever its address."""

    async def require(request: Request) -> None:
        if not includes(principal_of(request).scopes, scope):
            raise NotPermitted

    return require


async def _require_metrics_right(request: Request) -> None:
    """Who measures reads no document: the token for it is enough, and the scope `operate`."""
    if not getattr(request.state, "may_measure", False):
        await _require(OPERATE)(request)


_scheme = HTTPBearer(
    auto_error=False,
    description="An API key (`clr_…`, made by `clearance keys issue`), or an access token.",
)
Caller = Annotated[Principal, Depends(_caller_of)]
ActingCaller = Annotated[Actor, Depends(_actor_of)]
needs_key = [Security(_scheme), Depends(_caller_of)]  # the first is for OpenAPI
needs_metrics_token = [Security(_scheme), Depends(_require_metrics_right)]


def needs_scope(scope: str) -> list[Any]:
    """The dependencies of a router whose routes need more than `ask`."""
    return [*needs_key, Depends(_require(scope))]
