"""Around every request, if traces are wanted: a span for it, and one for each step of an answer."""

import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.answering.values import Answer
from service.http.middleware import METHODS, UNMATCHED
from service.operating.tracing import TRACEPARENT, Served, Step, Tracing, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ANSWER = "answer"  # in the state of a request: the finished one
_PARENT = b"traceparent"


class Traced:
    """Lets requests pass as they are if there is no tracing."""

    def __init__(self, app: ASGIApp, tracing: Tracing | None) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._tracing is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.time_ns(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = self._tracing.begin(_parent_of(scope), started)
        before = TRACEPARENT.set(traceparent_of(span))
        try:
            await self._app(scope, receive, tell)
        finally:
            TRACEPARENT.reset(before)
            self._end(self._tracing, span, scope, status or 500, started)

    @staticmethod
    def _end(tracing: Tracing, span: "Span", scope: Scope, status: int, started: int) -> None:
        answer: Answer | None = scope["state"].get(ANSWER)
        usage = None if answer is None else answer.usage
        served = Served(
            route=getattr(scope.get("route"), "path", UNMATCHED),
            method=scope["method"] if scope["method"] in METHODS else "other",
            status=status,
            steps=() if answer is None else _steps_of(answer),
            model=None if answer is None else answer.model,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )
        tracing.end(span, served, started, time.time_ns())


def _parent_of(scope: Scope) -> str | None:
    given = [value for name, value in scope["headers"] if name == _PARENT]
    return given[0].decode("latin-1") if len(given) == 1 else None


def _steps_of(answer: Answer) -> tuple[Step, ...]:
    took = answer.timings
    parts = {"condense": took.condense_ms, "search": took.search_ms, "prompt": took.prompt_ms}
    rest = took.total_ms - sum(parts.values())
    parts["model" if answer.answerer == "model" else "quote"] = max(0.0, rest)
    return tuple(Step(name, ms / 1000) for name, ms in parts.items())
