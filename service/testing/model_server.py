"""A model server that can misbehave in every known way."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from itertools import chain, count, repeat
from typing import Any, Literal, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from service.llm.port import (
    Message,
    Prompt,
)
from service.testing.loopback import Loopback
from service.testing.models import ScriptedModel, count_tokens

Misbehaviour = Literal[
    "overloaded",  # 503 to everything
    "overloaded once",  # 503 to the first request for an answer
    "rejecting",  # 400 to each request for an answer
    "unknown key",  # 401
    "html",  # a proxy's error page with status 200
    "silent",  # headers, then nothing
    "stalling",  # some text, then nothing
    "dying",  # some text, then the connection breaks
    "dying at once",  # the connection breaks before any text
    "breaking off",  # some text, then a clean end without a reason
    "closing",  # a clean end at once
    "garbage",  # an event that is not JSON
    "wrong shape",  # JSON that is no completion
    "half a character",  # bytes that are no UTF-8
    "split character",  # one character in two pieces, as some servers do
    "endless",  # ignores max_tokens
    "endless line",  # one event that never ends
    "error event",  # some text, then an error as an event
    "aborting",  # gives up with another reason
    "no tokenize",  # has no route that counts
    "no window",  # does not say how much the model holds
]


class FakeVllm:
    """A model server on a loopback port that speaks vLLM's dialect around a ScriptedModel; a
    context manager.

    Set `misbehaviour` at any time. `requests` keeps the body of each request by route.
    """

    def __init__(
        self, model: ScriptedModel | None = None, misbehaviour: Misbehaviour | None = None
    ) -> None:
        self.model = model or ScriptedModel()
        self.misbehaviour = misbehaviour
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.adapters: list[str] = []  # further names it serves, as adapters of its model
        routes = [
            Route("/v1/models", self._models),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/completions", self._complete, methods=["POST"]),
        ]
        self._loopback = Loopback(Starlette(routes=routes))
        self.url = self._loopback.url

    def __enter__(self) -> Self:
        self._loopback.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._loopback.__exit__(*raised)

    async def _models(self, request: Request) -> Response:
        if refusal := self._refusal():
            return refusal
        card: dict[str, Any] = {
            "id": self.model.name,
            "object": "model",
            "max_model_len": self.model.window,
        }
        if self.misbehaviour == "no window":
            del card["max_model_len"]
        adapters = [card | {"id": name, "parent": self.model.name} for name in self.adapters]
        return JSONResponse({"object": "list", "data": [card, *adapters]})

    async def _tokenize(self, request: Request) -> Response:
        if self.misbehaviour == "no tokenize":
            return JSONResponse({"detail": "Not Found"}, 404)
        if refusal := self._refusal():
            return refusal
        body = await self._body(request)
        count = await self.model.count(_prompt(body))
        return JSONResponse(
            {"count": count, "max_model_len": self.model.window, "tokens": list(range(count))}
        )

    async def _complete(self, request: Request) -> Response:
        body = await self._body(request)
        if refusal := self._refusal(answering=True):
            return refusal
        prompt = _prompt(body)
        if count_tokens(prompt) + body["max_tokens"] > self.model.window:
            error = {
                "message": "maximum context length exceeded",
                "type": "BadRequestError",
                "code": 400,
            }
            return JSONResponse({"error": error}, 400)
        return StreamingResponse(self._events(body, prompt), media_type="text/event-stream")

    async def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append((request.url.path, body))
        return body

    def _refusal(self, *, answering: bool = False) -> Response | None:
        """What is sent instead of anything useful."""
        match self.misbehaviour:
            case "overloaded":
                return JSONResponse(
                    {"error": {"message": "busy", "code": 503}}, 503, {"Retry-After": "1"}
                )
            case "overloaded once" if answering:
                self.misbehaviour = None
                return JSONResponse({"error": {"message": "busy", "code": 503}}, 503)
            case "rejecting" if answering:
                return JSONResponse({"error": {"message": "no", "code": 400}}, 400)
            case "unknown key":
                return JSONResponse({"error": "Unauthorized"}, 401)
            case "html":
                return HTMLResponse("<html>Bad gateway</html>")
        return None

    async def _events(self, body: dict[str, Any], prompt: Prompt) -> AsyncGenerator[bytes]:
        async for spoilt in self._misbehave(body):
            yield spoilt
        answer = self.model.stream(
            prompt,
            max_tokens=body["max_tokens"],
            cache_salt=body["cache_salt"],
            stop=body.get("stop", ()),
        )
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                yield _event(body, piece.text, piece.finish)
                if piece.usage is not None:
                    usage = {"prompt_tokens": piece.usage.prompt_tokens}
                    usage["completion_tokens"] = piece.usage.completion_tokens
                    yield _data({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def _misbehave(self, body: dict[str, Any]) -> AsyncGenerator[bytes]:
        """What comes before a proper answer; most ways of misbehaving never get to one."""
        way = self.misbehaviour  # it may be set anew meanwhile
        for piece in _wrong_pieces(body, way):
            yield piece
            await asyncio.sleep(0)
        if way in ("silent", "stalling"):
            await asyncio.sleep(3600)
        if way == "dying":
            await asyncio.sleep(0.05)
        if way in ("dying", "dying at once"):
            raise ConnectionResetError


def _prompt(body: dict[str, Any]) -> Prompt:
    if "messages" not in body:
        return Prompt(text=body["prompt"])
    return Prompt(tuple(Message(turn["role"], turn["content"]) for turn in body["messages"]))


def _wrong_pieces(body: dict[str, Any], misbehaviour: Misbehaviour | None) -> Iterable[bytes]:
    """What is sent first by a server that misbehaves in this way."""
    ping, done, text = b": ping\n\n", b"data: [DONE]\n\n", _event(body, "Rise in ")
    ways: dict[Misbehaviour | None, Iterable[bytes]] = {
        "silent": [ping],
        "stalling": [text],
        "dying": [text],
        "dying at once": [ping],
        "breaking off": [text + done],
        "closing": [done],
        "garbage": [text + b"data: {nonsense\n\n"],
        "wrong shape": [text + _data({"choices": "none"})],
        "half a character": [text + b'data: {"choices": [{"text": "\xe5\xb7"}]}\n\n'],
        "split character": [_event(body, "\ud83d") + _event(body, "\ude42")],
        "endless": (_event(body, f"Rise in {n}. ") for n in count()),
        "endless line": chain([b"data: "], repeat(b"x" * 65_536)),
        "error event": [text + _data({"error": {"message": "engine died", "code": 500}})],
        "aborting": [text + _event(body, "", "abort") + done],
    }
    return ways.get(misbehaviour, ())


def _event(body: dict[str, Any], text: str, finish: str | None = None) -> bytes:
    said: dict[str, Any] = {"delta": {"content": text}} if "messages" in body else {"text": text}
    return _data({"choices": [{"index": 0, **said, "finish_reason": finish}]})


def _data(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()
