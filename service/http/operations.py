"""The service itself: whether it runs, its description, its page.

Open to everyone, telling nothing of what it holds.

Metrics are the exception: they need a token of their own, or the scope `operate`.
"""

import json

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from indexes.errors import NotFound
from service import page
from service.http import problems, reference
from service.http.auth import needs_metrics_token
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.replies import CheckReply, LiveReply, VersionReply
from service.operating.metrics import CONTENT_TYPE

open_router = APIRouter(responses=PROBLEM_RESPONSES)
metrics_router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_metrics_token)


@open_router.get("/livez", responses={200: {"model": LiveReply}}, summary="The process runs")
async def livez() -> Response:
    return json_response(LiveReply())


@open_router.get(
    "/readyz",
    responses={200: {"model": CheckReply}, 503: {"model": CheckReply}},
    summary="It can answer",
)
async def readyz(runtime: CurrentRuntime) -> Response:
    """503 while nothing can be searched.

    Without the model server it is degraded: searches still work.
    """
    reply = CheckReply.of(await runtime.readiness())
    return json_response(reply, 503 if reply.status == "not ready" else 200)


@metrics_router.get("/metrics", response_class=Response, summary="For Prometheus")
async def metrics(runtime: CurrentRuntime) -> Response:
    """Needs the scope `operate`, or the token that the service was given for this: counts tell of
    other people's work.
    """
    return Response(runtime.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


@open_router.get(
    "/version", responses={200: {"model": VersionReply}}, summary="Which version this is"
)
async def version(runtime: CurrentRuntime) -> Response:
    return json_response(VersionReply(name="clearance", version=runtime.version))


@open_router.get(
    "/problems/{slug}", response_class=HTMLResponse, summary="What a type of problem means"
)
async def problem(slug: str) -> Response:
    found = problems.problem_page(slug)
    if found is None:
        raise NotFound
    return found


@open_router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return Response(json.dumps(request.app.openapi()), media_type="application/json")


@open_router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    return reference.reference_page(request.app.openapi())


@open_router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    return page.find_asset(page.HOME).make_response(request.headers.get("if-none-match"))


@open_router.get("/page/{name}", include_in_schema=False)
async def part_of_page(name: str, request: Request) -> Response:
    return page.find_asset(name).make_response(request.headers.get("if-none-match"))
