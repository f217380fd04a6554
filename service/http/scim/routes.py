"""The one address below which a directory finds everything."""

import json
from functools import cache
from importlib import import_module
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexes.scopes import PEOPLE
from service.http.auth import ActingCaller, needs_scope
from service.http.deps import CurrentRuntime, base_of, run_in_thread

ROOT = "/scim/v2"

router = APIRouter(dependencies=needs_scope(PEOPLE))


@router.api_route(
    ROOT + "/{path:path}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    include_in_schema=False,  # it describes itself, at /Schemas and /ResourceTypes
)
async def scim(path: str, request: Request, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """A request of a directory, with the rights of its key."""
    base, body = base_of(request.scope, runtime.settings.public_url) + ROOT, await request.body()

    def answer() -> Response:
        handler, requests = _load()
        asked = requests.ScimRequest(
            request.method,
            base,
            f"/{path}",
            dict(request.query_params),
            request.headers.items(),
            body,
        )
        told = handler.answer(
            runtime.catalog.directory, asked, by, runtime.settings.directory_issuer
        )
        content = b"" if told.body is None else json.dumps(told.body, ensure_ascii=False).encode()
        return Response(content, told.status, told.headers)

    return await run_in_thread(runtime, answer)


@cache
def _load() -> tuple[Any, Any]:
    """The library takes its time, so it is loaded when the first directory comes."""
    return import_module("service.http.scim.handler"), import_module("scim2_server.requests")
