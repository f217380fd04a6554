"""The short way to the addresses that are asked most: what FastAPI looks up anew for each request is
known here.

What a route is, and how it is described, stays FastAPI's.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.http.auth import needs_key, principal_of

_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
_TAKEN = {"body", "request", "return"}


class DirectRoute(APIRoute):
    """A route whose function takes a body and the request, and gives a response: no dependency of
    its own, no parameter in its address.

    Bodies are refused as FastAPI refuses them, in the same words.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        if self.dependencies != needs_key or set(self.endpoint.__annotations__) != _TAKEN:
            raise TypeError("A direct route looks at no dependency and at no other parameter.")
        answer = cast(Callable[[BaseModel, Request], Awaitable[Response]], self.endpoint)
        model: type[BaseModel] = self.endpoint.__annotations__["body"]

        async def handle(request: Request) -> Response:
            principal_of(request)  # as `needs_key` does: open by mistake, it fails
            return await answer(_validate(model, await request.body()), request)

        return handle


def _validate(model: type[BaseModel], body: bytes) -> BaseModel:
    """Raises RequestValidationError, and HTTPException for what is no JSON."""
    if not body:
        raise RequestValidationError([_MISSING])
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error
    try:
        return model.model_validate(given, from_attributes=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from error
