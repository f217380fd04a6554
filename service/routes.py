"""Every address of the service. What each does is a line or two here and a call to what knows how."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from indexes.errors import NotFound
from indexes.model import Principal, SearchResult
from service import page, problems, reference
from service.asking import asked
from service.asking import json_response as json_response
from service.auth import Caller, needs_admin, needs_key, needs_metrics_token
from service.bodies import AskBody, RebuildBody, SearchBody, passages, within
from service.metrics import CONTENT_TYPE
from service.runtime import Runtime
from service.schemas import (
    AskReply,
    CallerReply,
    CheckReply,
    DocumentReply,
    JobReply,
    LiveReply,
    OpenedReply,
    ProblemReply,
    SearchReply,
    VersionReply,
)
from service.streaming import AskSpeech

PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
MAX_CHARACTERS = 1_000_000  # of a document in one reply
AROUND = 1_500  # characters before and after an opened passage

T = TypeVar("T")


def _runtime(request: Request) -> Runtime:
    return cast(Runtime, request.app.state.runtime)


Here = Annotated[Runtime, Depends(_runtime)]
PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemReply"}}},
        "model": ProblemReply,
    }
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "model": AskReply}
}

opened = APIRouter(responses=PROBLEM)
guarded = APIRouter(responses=PROBLEM, dependencies=needs_key)
admin = APIRouter(responses=PROBLEM, dependencies=needs_admin)
measured = APIRouter(responses=PROBLEM, dependencies=needs_metrics_token)


# --- questions ---------------------------------------------------------------------------------------------------


@guarded.post("/ask", responses=STREAM, summary="Answer a question from what the caller may read")
async def ask(body: AskBody, request: Request, caller: Caller, here: Here) -> Response:
    """`Clearance-Position` in the reply, sent back as `Clearance-At-Least`, demands a state at least as fresh.

    With `stream`, the events `passages`, `token`, `citation`, `usage` and `done` follow each other, or `error` ends it.
    `done` holds the whole reply once more, and in `position` what is a header otherwise.
    """
    return await asked(body.ask(here.settings), AskSpeech(), request, caller, here, stream=body.stream)


@guarded.post("/search", responses={200: {"model": SearchReply}}, summary="The best passages that the caller may read")
async def search(body: SearchBody, request: Request, caller: Caller, here: Here) -> Response:
    """`Clearance-Position` in the reply, sent back as `Clearance-At-Least`, demands a state at least as fresh."""
    question, k = within(body, here.settings), passages(body, here.settings)
    filters = body.filters.filters() if body.filters else None
    at_least = request.headers.get("clearance-at-least")

    def found() -> SearchResult:
        return here.searcher.search(question, caller, k, mode=body.mode, filters=filters, at_least=at_least)

    result = await _in_thread(here, found)
    response = json_response(SearchReply.of(result))
    tag = _tag(body, result.view_id, response)
    kept = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Clearance-At-Least"}
    kept["Clearance-Position"] = result.position
    response.headers.update(kept)
    if tag in [given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=kept)
    return response


# --- opening what was cited ---------------------------------------------------------------------------------------


@guarded.get("/documents/{document_id}", responses={200: {"model": DocumentReply}}, summary="A document's text")
async def document(
    document_id: str,
    caller: Caller,
    here: Here,
    start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    length: Annotated[int, Query(ge=0, le=MAX_CHARACTERS)] = MAX_CHARACTERS,
) -> Response:
    """Whoever reads a long document asks again from `start + length`."""
    public_id = _public(document_id)

    def found() -> DocumentReply:
        return DocumentReply.of(here.searcher.document(public_id, caller), start, length)

    return json_response(await _in_thread(here, found))


@guarded.get("/passages/{passage_id}", responses={200: {"model": OpenedReply}}, summary="A passage in its document")
async def passage(passage_id: str, caller: Caller, here: Here) -> Response:
    public_id = _public(passage_id)
    return json_response(await _in_thread(here, lambda: _opened(here, public_id, caller)))


@guarded.get("/whoami", responses={200: {"model": CallerReply}}, summary="Whose key this is")
async def whoami(caller: Caller) -> Response:
    return json_response(CallerReply(name=caller.name, scopes=tuple(sorted(caller.scopes))))


# --- administration -----------------------------------------------------------------------------------------------


@admin.post(
    "/admin/index/rebuild", status_code=202, responses={202: {"model": JobReply}}, summary="Build the indexes anew"
)
async def rebuild(here: Here, body: RebuildBody | None = None) -> Response:
    """Needs the scope `admin`. The reply's Location tells how far the job is; searches go on meanwhile."""
    model = body.model if body else None
    job = await _in_thread(here, lambda: here.jobs.enqueue(model))
    response = json_response(JobReply.of(job), 202)
    response.headers["Location"] = f"/admin/jobs/{job.id}"
    return response


@admin.get("/admin/jobs/{job_id}", responses={200: {"model": JobReply}}, summary="How far a job is")
async def job(job_id: str, here: Here) -> Response:
    """Needs the scope `admin`."""
    public_id = _public(job_id)
    return json_response(JobReply.of(await _in_thread(here, lambda: here.jobs.get(public_id))))


# --- the service itself; open to everyone, and telling nothing of what it holds -----------------------------------


@opened.get("/livez", responses={200: {"model": LiveReply}}, summary="The process runs")
async def livez() -> Response:
    return json_response(LiveReply())


@opened.get("/readyz", responses={200: {"model": CheckReply}, 503: {"model": CheckReply}}, summary="It can answer")
async def readyz(here: Here) -> Response:
    """503 while nothing can be searched. Without the model server it is degraded: searches still work."""
    reply = await here.check()
    return json_response(reply, 503 if reply.status == "not ready" else 200)


@measured.get("/metrics", response_class=Response, summary="For Prometheus")
async def metrics(here: Here) -> Response:
    """Needs the scope `admin`, or the token that the service was given for this: counts tell of other people's work."""
    return Response(here.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@opened.get("/version", responses={200: {"model": VersionReply}}, summary="Which version this is")
async def version(here: Here) -> Response:
    return json_response(VersionReply(name="clearance", version=here.version))


@opened.get("/problems/{slug}", response_class=HTMLResponse, summary="What a type of problem means")
async def problem(slug: str) -> Response:
    found = problems.page(slug)
    if found is None:
        raise NotFound
    return found


@opened.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return Response(json.dumps(request.app.openapi()), media_type="application/json")


@opened.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    return reference.page(request.app.openapi())


@opened.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    return page.asset(page.HOME).response(request.headers.get("if-none-match"))


@opened.get("/page/{name}", include_in_schema=False)
async def part_of_page(name: str, request: Request) -> Response:
    return page.asset(name).response(request.headers.get("if-none-match"))


# --- how it is done -----------------------------------------------------------------------------------------------


async def _in_thread(here: Runtime, work: Callable[[], T]) -> T:
    """Blocking work, in one of the threads there are for it."""
    return await to_thread.run_sync(work, limiter=here.cpu)


def _tag(body: SearchBody, view_id: str, response: Response) -> str:
    """Changes with the question, with what the caller may read, and with the reply."""
    parts = (body.model_dump_json().encode(), view_id.encode(), bytes(response.body))
    return '"' + hashlib.sha256(b"\0".join(parts)).hexdigest()[:32] + '"'


def _public(given: str) -> str:
    """An id that could be one. Raises NotFound, like one that does not exist."""
    if not PUBLIC_ID.fullmatch(given):
        raise NotFound
    return given


def _opened(here: Runtime, passage_id: str, caller: Principal) -> OpenedReply:
    hit, whole = here.searcher.opened(passage_id, caller)
    return OpenedReply.of(hit, whole, AROUND)
