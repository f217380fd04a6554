"""What every address needs: the running service, the form of a problem, threads for blocking work,
JSON.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.datastructures import URL
from starlette.responses import Response
from starlette.types import Scope

from indexes.errors import NotFound
from service.http import problems
from service.http.replies import ProblemReply, encode_json
from service.runtime import Runtime

T = TypeVar("T")

PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemReply"}}},
        "model": ProblemReply,
    }
}


def runtime_of(request: Request) -> Runtime:
    return cast(Runtime, request.app.state.runtime)


async def _runtime_of(request: Request) -> Runtime:  # as FastAPI asks for it: without a thread
    return runtime_of(request)


CurrentRuntime = Annotated[Runtime, Depends(_runtime_of)]


async def run_in_thread(runtime: Runtime, work: Callable[[], T]) -> T:
    """Blocking work, in one of the threads there are for it."""
    return await runtime.cpu.run(work)


def check_public_id(given: str) -> str:
    """An id that could be one. Raises NotFound, like one that does not exist."""
    if not PUBLIC_ID.fullmatch(given):
        raise NotFound
    return given


def base_of(scope: Scope, public_url: str | None) -> str:
    """Where the service is reached, without a slash at its end."""
    if public_url is not None:
        return public_url.rstrip("/")
    asked = URL(scope=scope)
    return f"{asked.scheme}://{asked.netloc}"


def json_response(reply: BaseModel, status: int = 200) -> Response:
    return Response(encode_json(reply), status, media_type="application/json")
