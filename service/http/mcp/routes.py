"""The address for assistants, and where they learn how to sign in."""

from functools import cache

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.http.auth import needs_key
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    base_of,
    json_response,
    run_in_thread,
)
from service.http.mcp.origins import check_origin
from service.http.mcp.resource_metadata import (
    MCP,
    METADATA,
    ResourceMetadataReply,
    issuers_of,
)

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)
open_router = APIRouter(responses=PROBLEM_RESPONSES)


@router.post(MCP, include_in_schema=False)  # its bodies are described by the protocol
async def exchange(request: Request, runtime: CurrentRuntime) -> Response:
    """One message of the Model Context Protocol. There are no sessions and no streams."""
    settings = runtime.settings
    check_origin(request, settings.public_url, settings.cors_origins)
    make_exchange = await run_in_thread(runtime, _load)
    made: Response = make_exchange(settings.max_body_kb * 1024)
    return made


@open_router.get(
    METADATA,
    responses={200: {"model": ResourceMetadataReply}},
    summary="Who gives out tokens for this service",
)
@open_router.get(METADATA + MCP, include_in_schema=False)
async def resource_metadata(request: Request, runtime: CurrentRuntime) -> Response:
    """RFC 9728. Open, since whoever asks has no token yet."""
    base = base_of(request.scope, runtime.settings.public_url)
    return json_response(ResourceMetadataReply.of(base, issuers_of(runtime.settings)))


@cache
def _load() -> type[Response]:
    """The library takes its time, so it is loaded when the first one asks, outside the event loop."""
    from service.http.mcp.server import Exchange

    return Exchange
