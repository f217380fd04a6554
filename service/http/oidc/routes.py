"""Signing in and out on the page. Open to everyone: whoever comes is nobody yet."""

import logging
from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from indexes.errors import ClearanceError, NotAuthenticated, NotFound
from service.http.cookies import (
    SESSION,
    SIGN_IN,
    SIGNED_IN,
    comes_from_the_page,
    cookie_of,
    make_cookie,
    session_of,
)
from service.http.deps import PROBLEM_RESPONSES, json_response
from service.http.oidc.sign_in import BEGUN_S, SignedIn, SignIn
from service.http.replies import Reply

HIDDEN = "HttpOnly"  # from the page's code
STRICT = "SameSite=Strict"
LAX = "SameSite=Lax"  # the provider sends the browser back
T = TypeVar("T")

log = logging.getLogger("clearance.sign-in")
router = APIRouter(responses=PROBLEM_RESPONSES)


class ProvidersReply(Reply):
    providers: tuple[str, ...]


class SignedOutReply(Reply):
    address: str | None  # at which the person signs out of the provider, too


@router.get(
    "/sign-in/providers",
    responses={200: {"model": ProvidersReply}},
    summary="Where people can sign in",
)
async def providers(request: Request) -> Response:
    return json_response(ProvidersReply(providers=_sign_in(request).names))


@router.get("/sign-in", status_code=303, response_class=RedirectResponse, summary="Sign in")
async def begin(request: Request, provider: Annotated[str, Query(max_length=64)]) -> Response:
    """Leads to the provider."""
    begun = await _run(request, lambda sign_in: sign_in.begin(provider))
    response = RedirectResponse(begun.address, 303)
    _set_cookie(response, make_cookie(SIGN_IN, begun.sealed, seconds=BEGUN_S, more=(HIDDEN, LAX)))
    return response


@router.get("/sign-in/callback", status_code=303, response_class=RedirectResponse, summary="Return")
async def finish(request: Request) -> Response:
    """The provider sends the browser here. Leads to the page, signed in or not."""
    sealed = cookie_of(request.headers.raw, SIGN_IN) or ""
    came_back = dict(request.query_params)
    try:
        done = await _run(request, lambda sign_in: sign_in.finish(sealed, came_back))
    except NotFound:
        raise
    except ClearanceError as error:
        fields = {"request_id": request.state.request_id, "error": type(error).__qualname__}
        log.warning("a sign-in did not succeed", extra={"fields": fields})
        response = RedirectResponse("../#sign-in-failed", 303)
    else:
        response = RedirectResponse("../", 303)
        _keep_session(response, done)
    _set_cookie(response, make_cookie(SIGN_IN, "", seconds=0, more=(HIDDEN, LAX)))
    return response


@router.post("/sign-out", responses={200: {"model": SignedOutReply}}, summary="Sign out")
async def end(request: Request) -> Response:
    """Ends the session of the page, and says where to sign out of the provider."""
    origin = request.app.state.page_origin
    if origin is None or not comes_from_the_page(request.headers.raw, origin):
        raise NotAuthenticated
    secret = session_of(request.headers.raw)
    address = await _run(request, lambda sign_in: sign_in.end(secret))
    response = json_response(SignedOutReply(address=address))
    for name, more in ((SESSION, (HIDDEN, STRICT)), (SIGNED_IN, (STRICT,))):
        _set_cookie(response, make_cookie(name, "", seconds=0, more=more))
    return response


def _keep_session(response: Response, done: SignedIn) -> None:
    _set_cookie(
        response,
        make_cookie(SESSION, done.secret, seconds=done.seconds, more=(HIDDEN, STRICT)),
    )
    _set_cookie(response, make_cookie(SIGNED_IN, "1", seconds=done.seconds, more=(STRICT,)))


def _set_cookie(response: Response, cookie: str) -> None:
    response.headers.append("Set-Cookie", cookie)


def _sign_in(request: Request) -> SignIn:
    found: SignIn = request.app.state.sign_in
    return found


async def _run(request: Request, work: Callable[[SignIn], T]) -> T:
    """In a thread of its own few: a provider may be slow. Raises NotFound if nobody signs in so."""
    sign_in = _sign_in(request)
    if not sign_in.names:
        raise NotFound
    return await to_thread.run_sync(work, sign_in, limiter=request.app.state.sign_in_threads)
