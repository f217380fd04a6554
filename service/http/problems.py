"""Errors as callers see them: RFC 9457 problems with stable types, and nothing of what is inside."""

import html
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from indexes import errors
from service.http.openai import errors as openai_errors
from service.http.scim import errors as scim_errors

MEDIA_TYPE = "application/problem+json"
ERRORS_LISTED = 20
log = logging.getLogger("clearance.problems")

NAME_CHARS = 100  # of a field's name that is repeated to the caller


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One type of problem.

    `told`: the error's own words concern the caller's request, so the caller may see them.
    """

    slug: str
    status: int
    title: str
    about: str
    shows_detail: bool = False
    retry_after_s: int | None = None


INVALID = ProblemKind(
    "invalid-request",
    422,
    "The request is not valid.",
    "A field is missing, unknown, or out of its limits.",
    shows_detail=True,
)
BAD_JSON = ProblemKind("bad-json", 400, "The body is not JSON.", "Send one JSON object, in UTF-8.")
NOT_JSON = ProblemKind(
    "unsupported-media-type", 415, "The body must be JSON.", "Send Content-Type: application/json."
)
TOO_LARGE = ProblemKind(
    "body-too-large", 413, "The body is too large.", "The limit is a setting of the service."
)
TOO_SLOW = ProblemKind(
    "body-too-slow",
    408,
    "The body did not arrive in time.",
    "Send it again over a faster connection.",
)
NOT_HTTP = ProblemKind(
    "bad-request", 400, "That is no HTTP request.", "Send HTTP/1.1 with one clear end of its body."
)
HEAD_TOO_LARGE = ProblemKind(
    "headers-too-large", 431, "The headers are too large.", "Send fewer of them."
)
HEAD_TOO_SLOW = ProblemKind(
    "headers-too-slow", 408, "The headers did not arrive in time.", "Send them in one piece."
)
FULL = ProblemKind(
    "too-many-connections",
    503,
    "There are too many connections.",
    "Try again after the time in Retry-After.",
    retry_after_s=5,
)
TOO_MANY_WRONG_KEYS = ProblemKind(
    "too-many-wrong-keys",
    429,
    "Too many wrong keys came at once.",
    "This one was wrong, too.",
    retry_after_s=5,
)
QUOTA = ProblemKind(
    "quota-spent",
    429,
    "More was asked than the quota allows.",
    "Try again after the time in Retry-After. The header RateLimit tells what is left.",
    shows_detail=True,
)
METHOD = ProblemKind(
    "method-not-allowed", 405, "This address does not take that method.", "See the header Allow."
)
COMPLETIONS = ProblemKind(
    "completions-not-offered",
    404,
    "Texts are not completed here. Ask /v1/chat/completions instead.",
    "An answer is made from documents, for a question. Send it as the last message of a chat.",
)
INTERNAL = ProblemKind(
    "internal-error",
    500,
    "Something went wrong inside.",
    "Tell the operator the request id: the log has the rest.",
)
NOT_FOUND = ProblemKind(
    "not-found",
    404,
    "There is nothing here.",
    "It does not exist, or you may not read it. The two look the same on purpose.",
)
UNAUTHENTICATED = ProblemKind(
    "not-authenticated",
    401,
    "A valid API key is needed.",
    "Send Authorization: Bearer with a key, or with an access token, that is still valid.",
)
NOT_PERMITTED = ProblemKind(
    "not-permitted",
    403,
    "This key does not carry the scope that is needed.",
    "Ask for another key.",
)
BUSY = ProblemKind(
    "busy", 503, "The service is busy.", "Try again after the time in Retry-After.", retry_after_s=2
)

BY_ERROR: dict[type[errors.ClearanceError], ProblemKind] = {
    errors.QuestionTooLong: ProblemKind(
        "question-too-long",
        413,
        "The question is too long.",
        "A question must leave room for passages and an answer in the model's window.",
        shows_detail=True,
    ),
    errors.BadConfiguration: INTERNAL,
    errors.BadInput: INVALID,
    errors.NoSuchModel: ProblemKind(
        "no-such-model",
        404,
        "There is no model by that name.",
        "It is not served, or you may not use it. The two look the same on purpose. GET /v1/models lists yours.",
    ),
    errors.NotFound: NOT_FOUND,
    errors.AlreadyExists: ProblemKind(
        "already-exists", 409, "There is already one by that name.", "Choose another name."
    ),
    errors.NotAuthenticated: UNAUTHENTICATED,
    errors.NotPermitted: NOT_PERMITTED,
    errors.ForeignOrigin: ProblemKind(
        "foreign-origin",
        403,
        "That page may not use this address.",
        "Pages of other origins are refused. The operator's setting public_url says which one is ours.",
    ),
    errors.ProviderUnavailable: ProblemKind(
        "identity-provider-unavailable",
        503,
        "The identity provider cannot be asked now.",
        "Try again after the time in Retry-After; API keys work meanwhile.",
        retry_after_s=10,
    ),
    errors.NotAWriter: ProblemKind(
        "not-a-writer",
        403,
        "You may read that, and not change it.",
        "The operator says who may write to a source: clearance sources writers.",
    ),
    errors.TooLarge: TOO_LARGE,
    errors.KeyReused: ProblemKind(
        "idempotency-key-reused",
        422,
        "That Idempotency-Key came with another request before.",
        "Send a new key with a new request, and the same key only with the very same one.",
    ),
    errors.Conflict: ProblemKind(
        "conflict",
        409,
        "That cannot be done in its present state.",
        "It has ended, it is a part of something larger, or something newer was asked for.",
        shows_detail=True,
    ),
    errors.TooManyUploads: ProblemKind(
        "too-many-uploads",
        429,
        "Too many of your uploads wait.",
        "Try again after the time in Retry-After.",
        retry_after_s=10,
    ),
    errors.Withdrawn: ProblemKind(
        "withdrawn",
        409,
        "Something that the answer was being made from is not there for you any more.",
        "It was removed, replaced, or its readers changed. Ask again: the answer is then made from what is there now.",
        retry_after_s=0,
    ),
    errors.Busy: BUSY,
    errors.TooOld: BUSY,
    errors.StorageFull: BUSY,
    errors.GeneratorUnavailable: ProblemKind(
        "model-unavailable",
        503,
        "The language model cannot be reached.",
        "Search still works. Try again after the time in Retry-After, or ask for `answerer: quotes`.",
        retry_after_s=5,
    ),
    errors.GeneratorTimeout: ProblemKind(
        "model-timeout",
        504,
        "The language model is too slow.",
        "Search still works. Try again after the time in Retry-After, or ask for `answerer: quotes`.",
        retry_after_s=15,
    ),
    errors.GeneratorError: ProblemKind(
        "model-broken",
        502,
        "The language model did not give an answer.",
        "Search still works. Tell the operator.",
    ),
    errors.IndexNotReady: ProblemKind(
        "index-not-ready",
        503,
        "The indexes are being built anew.",
        "Try again after the time in Retry-After.",
        retry_after_s=5,
    ),
    errors.CatalogUnavailable: ProblemKind(
        "catalog-unavailable",
        503,
        "The catalog cannot be reached now.",
        "Try again after the time in Retry-After; the operator finds the reason in the log.",
        retry_after_s=5,
    ),
    errors.CorpusError: ProblemKind(
        "corpus-unavailable",
        503,
        "The corpus cannot be used now.",
        "The operator has to act, or the indexes are being built anew; see the log.",
        retry_after_s=30,
    ),
}

KINDS = {
    kind.slug: kind
    for kind in (
        INVALID,
        BAD_JSON,
        NOT_JSON,
        TOO_LARGE,
        TOO_SLOW,
        METHOD,
        COMPLETIONS,
        INTERNAL,
        NOT_HTTP,
        HEAD_TOO_LARGE,
        HEAD_TOO_SLOW,
        FULL,
        TOO_MANY_WRONG_KEYS,
        *BY_ERROR.values(),
    )
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong with one request."""

    kind: ProblemKind
    detail: str | None = None
    errors: tuple[Mapping[str, str], ...] = ()

    def body(self, request_id: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "instance": request_id,
        }
        if self.kind.retry_after_s is not None:
            said["retry_after_s"] = self.kind.retry_after_s  # in events there is no header for it
        if self.detail:
            said["detail"] = self.detail
        if self.errors:
            said["errors"] = list(self.errors)
        return said

    def response(self, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
        own = dict(headers or {})
        if self.kind.retry_after_s is not None:
            own.setdefault("Retry-After", str(self.kind.retry_after_s))
        if self.kind.status == UNAUTHENTICATED.status:
            own.setdefault("WWW-Authenticate", 'Bearer realm="clearance"')
        return _ProblemResponse(self.body(request_id), own)


class _ProblemResponse(Response):
    """A problem on its way out.

    Under the addresses of the OpenAI routes and of directories, and only there, it takes their form.
    """

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(_encode(body), body["status"], headers, MEDIA_TYPE)
        self._body, self._own = body, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(openai_errors.PREFIX):
            content = _encode(openai_errors.error_body(self._body))
            other = Response(
                content, openai_errors.status_of(self._body), self._own, "application/json"
            )
            await other(scope, receive, send)
        elif scope["path"].startswith(scim_errors.PREFIX):
            content = _encode(scim_errors.error_body(self._body))
            other = Response(content, self.status_code, self._own, scim_errors.MEDIA_TYPE)
            await other(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def problem_of(error: errors.ClearanceError) -> Problem:
    """The problem that an error is for a caller."""
    kind = next((BY_ERROR[cls] for cls in type(error).__mro__ if cls in BY_ERROR), INTERNAL)
    if not kind.shows_detail:
        return Problem(kind)
    return Problem(kind, " ".join(part for part in (error.detail, error.remedy) if part) or None)


def problem_of_validation(found: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem that a body or parameter is which does not fit its schema. Never repeats a value."""
    if any(error["type"] == "json_invalid" for error in found):
        return Problem(BAD_JSON)
    listed = tuple(
        {"pointer": _pointer(error["loc"]), "detail": str(error["msg"])} for error in found
    )
    return Problem(INVALID, errors=listed[:ERRORS_LISTED])


def problem_of_http(error: HTTPException) -> Problem:
    """The problem that the router found."""
    by_status = {400: BAD_JSON, 404: NOT_FOUND, 405: METHOD, 413: TOO_LARGE, 415: NOT_JSON}
    return Problem(by_status.get(error.status_code, INTERNAL))


def log_problem(error: errors.ClearanceError, request_id: str) -> None:
    """A line in the log for what the operator has to know: the caller is told too little to mend
    it.
    """
    status = problem_of(error).kind.status
    if status >= 500:
        fields = {
            "request_id": request_id,
            "error": type(error).__qualname__,
            "remedy": error.remedy,
        }
        log.error("a request could not be answered", extra={"fields": fields})


async def tell(error: errors.ClearanceError, scope: Scope, receive: Receive, send: Send) -> None:
    """The reply of what stands before the routes."""
    request_id = scope["state"]["request_id"]
    log_problem(error, request_id)
    await problem_of(error).response(request_id)(scope, receive, send)


async def on_clearance_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ClearanceError)
    log_problem(error, request.state.request_id)
    return problem_of(error).response(request.state.request_id)


async def on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_of_validation(error.errors()).response(request.state.request_id)


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_of_http(error).response(request.state.request_id, error.headers)


def problem_page(slug: str) -> Response | None:
    """The page that a problem's type points to."""
    kind = KINDS.get(slug)
    if kind is None:
        return None
    title = html.escape(kind.title)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>Status {kind.status}, type <code>/problems/{kind.slug}</code>.</p>"
        f"<p>{html.escape(kind.about)}</p></html>"
    )


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer into the body, or the name of a parameter."""
    where, *path = [str(part)[:NAME_CHARS] for part in location] or ["body"]
    if where == "body":
        return (
            "/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)
            if path
            else ""
        )
    return f"{where}: {'/'.join(path)}"
