"""The short way to the addresses that are asked most: what FastAPI looks up anew for each request is
known here.

What a route is, and how it is described, stays FastAPI's; so does everything that is not asked for
exactly as such a route is.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

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

        async def answer_body(body: bytes, request: Request) -> Response:
            principal_of(request)  # as `needs_key` does: open by mistake, it fails
            return await answer(_validate(model, body), request)

        async def handle(request: Request) -> Response:
            return await answer_body(await request.body(), request)

        self.answer_body = answer_body
        return handle


ErrorHandler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


class DirectWay:
    """Innermost, where the body is there already: goes to direct routes without asking the router.

    Errors become what the application's own handlers make of them.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[BaseRoute],
        error_handlers: Mapping[Any, ErrorHandler],
    ) -> None:
        self._app = app
        self._routes = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }
        self._error_handlers = error_handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find_route(scope)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            body = (await receive())["body"]
            response = await route.answer_body(body, request)
        except Exception as error:
            handle = self._find_handler(error)
            if handle is None:
                raise
            response = await handle(request, error)
        await response(scope, receive, send)

    def _find_route(self, scope: Scope) -> DirectRoute | None:
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        return self._routes.get((scope["method"], scope["path"]))

    def _find_handler(self, error: Exception) -> ErrorHandler | None:
        handlers = self._error_handlers
        return next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)


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
