"""The service itself: whether it runs, its description, its page.

Open to everyone, telling nothing of what it holds.

Metrics are the exception: they need a token of their own, or the scope `admin`.
"""

import json

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from indexes.errors import NotFound
from service import page
from service.http import problems, reference
from service.http.auth import needs_metrics_token
from service.http.deps import PROBLEM, Here, json_response
from service.http.replies import CheckReply, LiveReply, VersionReply
from service.operating.metrics import CONTENT_TYPE

opened = APIRouter(responses=PROBLEM)
measured = APIRouter(responses=PROBLEM, dependencies=needs_metrics_token)


@opened.get("/livez", responses={200: {"model": LiveReply}}, summary="The process runs")
async def livez() -> Response:
    return json_response(LiveReply())


@opened.get(
    "/readyz",
    responses={200: {"model": CheckReply}, 503: {"model": CheckReply}},
    summary="It can answer",
)
async def readyz(here: Here) -> Response:
    """503 while nothing can be searched.

    Without the model server it is degraded: searches still work.
    """
    reply = CheckReply.of(await here.readiness())
    return json_response(reply, 503 if reply.status == "not ready" else 200)


@measured.get("/metrics", response_class=Response, summary="For Prometheus")
async def metrics(here: Here) -> Response:
    """Needs the scope `admin`, or the token that the service was given for this: counts tell of
    other people's work.
    """
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
