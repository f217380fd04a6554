"""A language model that says what it is told to, and a model server around it that can misbehave in
every known way.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from indexes.errors import GeneratorBroken, GeneratorError, NoSuchModel
from service.llm.port import (
    CompletionPart,
    LanguageModel,
    Message,
    Prompt,
    ServedModel,
    TokenCounts,
)

TOKEN = re.compile(r"\s?\w{1,5}|\s?[^\w\s]|\s")
TURN_TOKENS = 4  # the role, its end and two breaks around each message
OPENING_TOKENS = 3  # the opening of the assistant's turn


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request that reached the model."""

    prompt: Prompt
    max_tokens: int
    cache_salt: str
    stop: tuple[str, ...]


class ScriptedModel:
    """Answers with a fixed text, or with what a function makes of the prompt. Remembers every call.

    Like the real server it counts with a template, refuses a prompt that leaves no room, stops at
    stop sequences and at max_tokens, and can be slow or fail: `failure` is raised after
    `fail_after` tokens of the answer.
    """

    def __init__(
        self,
        reply: str | Callable[[Prompt], str] = "I do not know.",
        *,
        name: str = "scripted",
        window: int = 4096,
        delay_s: float = 0.0,
        failure: GeneratorError | None = None,
        fail_after: int = 0,
    ) -> None:
        self.reply = reply
        self.name = name
        self.window = window
        self.delay_s = delay_s  # before each token
        self.failure = failure
        self.fail_after = fail_after
        self.calls: list[ModelCall] = []
        self.count_calls = 0  # how often count() was asked
        self.running = 0  # streams open now
        self.abandoned = 0  # streams closed before their end

    def select_model(self, name: str) -> LanguageModel:
        return self if name == self.name else _AbsentModel()

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return _AbsentModel() if self.name in names else self

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return (await self.served_model(),)

    async def served_model(self) -> ServedModel:
        if self.failure is not None and self.fail_after == 0:
            raise self.failure
        return ServedModel(self.name, self.window)

    async def count(self, prompt: Prompt) -> int:
        self.count_calls += 1
        return count_tokens(prompt)

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        self.calls.append(ModelCall(prompt, max_tokens, cache_salt, tuple(stop)))
        prompt_tokens = count_tokens(prompt)
        if prompt_tokens + max_tokens > self.window:
            raise GeneratorBroken(
                f"{prompt_tokens} + {max_tokens} tokens do not fit a window of {self.window}."
            )
        text = self.reply if isinstance(self.reply, str) else self.reply(prompt)
        tokens = _split_tokens(_cut_at_stop(text, stop))
        self.running += 1
        done = False
        try:
            for position, token in enumerate(tokens[:max_tokens]):
                self._fail_at(position)
                await asyncio.sleep(self.delay_s)
                yield CompletionPart(token)
            self._fail_at(len(tokens))
            done = True
            finish = "length" if len(tokens) > max_tokens else "stop"
            yield CompletionPart(
                "", finish, TokenCounts(prompt_tokens, min(len(tokens), max_tokens))
            )
        finally:
            self.running -= 1
            self.abandoned += not done

    def _fail_at(self, position: int) -> None:
        if self.failure is not None and position >= self.fail_after:
            raise self.failure


class _AbsentModel(ScriptedModel):
    """The model of a name that nobody has."""

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return ()

    async def served_model(self) -> ServedModel:
        raise NoSuchModel


class ScriptedModels:
    """Several scripted models behind one door; the first is the default."""

    def __init__(self, *models: ScriptedModel) -> None:
        self._models = models

    @property
    def _default(self) -> ScriptedModel:
        return self._models[0] if self._models else _AbsentModel()

    def select_model(self, name: str) -> LanguageModel:
        return next((model for model in self._models if model.name == name), _AbsentModel())

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return ScriptedModels(*(model for model in self._models if model.name not in names))

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return tuple([await model.served_model() for model in self._models])

    async def served_model(self) -> ServedModel:
        return await self._default.served_model()

    async def count(self, prompt: Prompt) -> int:
        return await self._default.count(prompt)

    def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        return self._default.stream(prompt, max_tokens=max_tokens, cache_salt=cache_salt, stop=stop)


def count_tokens(prompt: Prompt) -> int:
    """Tokens of a prompt as the scripted model and the fake server count them."""
    if prompt.text is not None:
        return 1 + len(_split_tokens(prompt.text))
    messages = prompt.messages or ()
    return OPENING_TOKENS + sum(
        TURN_TOKENS + len(_split_tokens(message.content)) for message in messages
    )


def _split_tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def _cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first stop sequence in it."""
    ends = [text.find(mark) for mark in stop if mark and mark in text]
    return text[: min(ends)] if ends else text


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


class Loopback:
    """An application behind a real HTTP server on a free loopback port, in a thread; a context
    manager.
    """

    def __init__(
        self,
        app: ASGIApp,
        lifespan: Literal["on", "off"] = "off",
        protocol: Callable[..., asyncio.Protocol] | None = None,
        accepted_at_once: int = 2048,
    ) -> None:
        """protocol: makes what stands on each connection; none: uvicorn's own."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            http=protocol or "auto",  # type: ignore[arg-type] # called as a class would be
            log_config=None,
            timeout_graceful_shutdown=1,
            lifespan=lifespan,
            backlog=accepted_at_once,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the application did not start")
            time.sleep(0.005)
        return self

    def __exit__(self, *raised: Any) -> None:
        self._server.should_exit = True
        self._thread.join()


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
        text = _event(body, "Rise in ")
        match self.misbehaviour:
            case "silent":
                yield b": ping\n\n"
                await asyncio.sleep(3600)
            case "stalling":
                yield text
                await asyncio.sleep(3600)
            case "dying":
                yield text
                await asyncio.sleep(0.05)
                raise ConnectionResetError
            case "dying at once":
                yield b": ping\n\n"
                raise ConnectionResetError
            case "breaking off":
                yield text + b"data: [DONE]\n\n"
            case "closing":
                yield b"data: [DONE]\n\n"
            case "garbage":
                yield text + b"data: {nonsense\n\n"
            case "wrong shape":
                yield text + _data({"choices": "none"})
            case "half a character":
                yield text + b'data: {"choices": [{"text": "\xe5\xb7"}]}\n\n'
            case "split character":
                yield _event(body, "\ud83d") + _event(body, "\ude42")
            case "endless":
                while True:
                    yield text
                    await asyncio.sleep(0)
            case "endless line":
                yield b"data: "
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)
            case "error event":
                yield text + _data({"error": {"message": "engine died", "code": 500}})
            case "aborting":
                yield text + _event(body, "", "abort") + b"data: [DONE]\n\n"


def _prompt(body: dict[str, Any]) -> Prompt:
    if "messages" not in body:
        return Prompt(text=body["prompt"])
    return Prompt(tuple(Message(turn["role"], turn["content"]) for turn in body["messages"]))


def _event(body: dict[str, Any], text: str, finish: str | None = None) -> bytes:
    said: dict[str, Any] = {"delta": {"content": text}} if "messages" in body else {"text": text}
    return _data({"choices": [{"index": 0, **said, "finish_reason": finish}]})


def _data(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()
