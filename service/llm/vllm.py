"""vLLM servers as a LanguageModel. The only module that speaks their dialect.

The server is asked as a stream even where the caller wants the whole answer: only so does leaving
stop the generation.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import httpx2

from indexes.errors import (
    BadConfiguration,
    GeneratorBroken,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
)
from indexes.settings import Settings
from service.llm import event_stream
from service.llm.pool import Pool, PooledModel, RequestRefused
from service.llm.port import Generated, Prompt, ServedModel, TokenCounts
from service.llm.tokenizer import LocalTokenizer

LOOK_S = 10.0  # for /v1/models, which costs the server nothing
SPARE_PIECES = 16  # more pieces than tokens asked for: the server ignores max_tokens
SPARE_BYTES = 1 << 20  # beside 4 KiB for each token asked for
OVERLOADED = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
NO_ROUTE = frozenset({404, 405, 501})
REFUSED = frozenset({400, 413, 422})
KNOWN_ENDS = frozenset({"stop", "length"})

T = TypeVar("T")


class VllmModel(PooledModel):
    """The configured servers as one LanguageModel. One per process; close it at the end."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises BadConfiguration."""
        if settings.llm_url is None:
            raise ValueError("no model server is configured")
        servers = [VllmServer(address, settings, clock) for address in _addresses(settings.llm_url)]
        pool = Pool(servers, _listed(settings.llm_model or ""), clock)
        super().__init__(pool, settings.llm_total_timeout_s)


class VllmServer:
    """One server, over HTTP."""

    def __init__(self, address: str, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._base = address
        self._client = httpx2.AsyncClient(
            headers=_credentials(settings),
            timeout=httpx2.Timeout(None, connect=settings.llm_connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
            trust_env=False,
            follow_redirects=False,
        )
        # by model, where the server does not count
        self._tokenizers: dict[str, LocalTokenizer] = {}
        # where the server has weights from; the same folder may exist here
        self._roots: dict[str, str] = {}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def look(self) -> tuple[ServedModel, ...]:
        listed = await self._ask("GET", "/v1/models", self._clock() + LOOK_S)
        cards = (listed or {}).get("data")
        if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
            raise GeneratorBroken("Its list of models is not a list.")
        served = [model for card in cards if (model := self._read(card))]
        if cards and not served:
            raise GeneratorBroken(
                "It does not say how much its model holds.", remedy="Set CLEARANCE_LLM_WINDOW."
            )
        return tuple(served)

    async def count(self, prompt: Prompt, model: str) -> int:
        if tokenizer := self._tokenizers.get(model):
            return await asyncio.to_thread(tokenizer.count, prompt)
        how = (
            {"add_special_tokens": True}
            if prompt.messages is None
            else {"add_generation_prompt": True}
        )
        deadline = self._clock() + self._settings.llm_first_token_timeout_s
        reply = await self._ask(
            "POST", "/tokenize", deadline, {"model": model, **_content(prompt), **how}
        )
        if reply is None:
            folder = self._settings.llm_tokenizer or self._roots.get(model)
            self._tokenizers[model] = await asyncio.to_thread(LocalTokenizer, folder)
            return await self.count(prompt, model)
        count = reply.get("count")
        if not isinstance(count, int) or count < 0:
            raise GeneratorBroken("Its /tokenize did not give a count.")
        return count

    async def stream(
        self,
        prompt: Prompt,
        model: str,
        *,
        max_tokens: int,
        cache_salt: str,
        stop: Sequence[str],
        end: float,
    ) -> AsyncGenerator[Generated]:
        """Each wait ends at the limit for one token, or at the end of all."""
        body = self._body(prompt, model, max_tokens, cache_salt, stop)
        route = "/v1/chat/completions" if "messages" in body else "/v1/completions"
        request = self._client.build_request("POST", self._base + route, json=body)
        response = await self._send(request, self._next_limit(end))
        try:
            _accept(response)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise GeneratorBroken("It sent no event stream.")
            reading = _Reading(max_tokens)
            most = SPARE_BYTES + 4096 * max_tokens
            async with aclosing(event_stream.data(response.aiter_raw(), most)) as events:
                first_token_by = self._next_limit(end)
                while (event := await self._within(anext(events, None), first_token_by)) not in (
                    None,
                    "[DONE]",
                ):
                    if text := reading.take(str(event)):
                        yield Generated(text)
                        first_token_by = self._next_limit(end)
            yield reading.last()
        finally:
            await response.aclose()

    def _body(
        self, prompt: Prompt, model: str, max_tokens: int, cache_salt: str, stop: Sequence[str]
    ) -> dict[str, Any]:
        stops = list(dict.fromkeys((*self._settings.llm_stop, *stop)))
        return {
            "model": model,
            **_content(prompt),
            "max_tokens": max_tokens,
            "temperature": self._settings.llm_temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_salt": cache_salt,
            **({"stop": stops} if stops else {}),
        }

    def _read(self, card: dict[str, Any]) -> ServedModel | None:
        """A model of the list; None where it does not say what is needed."""
        name, window = card.get("id"), card.get("max_model_len") or self._settings.llm_window
        if not isinstance(name, str) or not name or not isinstance(window, int):
            return None
        if isinstance(root := card.get("root"), str):
            self._roots[name] = root
        return ServedModel(name, window, adapter=bool(card.get("parent")))

    async def _ask(
        self, method: str, route: str, deadline: float, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """A JSON object from the server; None where it has no such route."""
        response = await self._send(
            self._client.build_request(method, self._base + route, json=body), deadline
        )
        try:
            if response.status_code in NO_ROUTE:
                return None
            _accept(response)
            raw = await self._within(response.aread(), deadline)
        finally:
            await response.aclose()
        try:
            reply = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise GeneratorBroken(f"{route} did not give JSON.") from error
        if not isinstance(reply, dict):
            raise GeneratorBroken(f"{route} did not give an object.")
        return reply

    async def _send(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
        return await self._within(self._client.send(request, stream=True), deadline)

    async def _within(self, work: Awaitable[T], deadline: float) -> T:
        """The result of one wait on the network, its failures as ours."""
        try:
            async with asyncio.timeout(deadline - self._clock()):
                return await work
        except TimeoutError as error:
            raise GeneratorTimeout from error
        except httpx2.HTTPError as error:
            connecting = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            said = "It takes no connection." if connecting else "The connection to it broke."
            raise GeneratorUnavailable(said) from error

    def _next_limit(self, end: float) -> float:
        return min(end, self._clock() + self._settings.llm_first_token_timeout_s)


def _accept(response: httpx2.Response) -> None:
    """Raises what a status other than 200 means."""
    status = response.status_code
    if status == httpx2.codes.OK:
        return
    if status in OVERLOADED or status in NO_ROUTE:
        raise GeneratorUnavailable(f"It answered {status}.")
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        raise GeneratorUnavailable("It refuses our key.", remedy="Check CLEARANCE_LLM_API_KEY.")
    if status in REFUSED:
        raise RequestRefused(f"It refused the request with {status}.")
    raise GeneratorBroken(f"It answered {status}.")


class _Reading:
    """What the events of one answer have said so far."""

    def __init__(self, max_tokens: int) -> None:
        self.most = max_tokens + SPARE_PIECES
        self.pieces = 0
        self.held = ""  # the first half of a character that two pieces share
        self.finish: str | None = None
        self.usage: TokenCounts | None = None

    def take(self, event: str) -> str:
        """The text that this event adds. Raises GeneratorBroken where it makes no sense."""
        try:
            said = json.loads(event)
        except (ValueError, RecursionError) as error:
            raise GeneratorBroken("It sent an event that is not JSON.") from error
        if not isinstance(said, dict):
            raise GeneratorBroken("It sent an event that is not an object.")
        if said.get("error"):
            raise self._failure(said["error"])
        if isinstance(said.get("usage"), dict):
            self.usage = _usage(said["usage"])
        choices = said.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise GeneratorBroken("It sent an event without choices.")
        return self._text(choices[0]) if choices else ""

    def last(self) -> Generated:
        """What closes the answer. Raises where the server did not say that it was finished."""
        if self.finish is None:
            if self.pieces == 0:
                raise GeneratorUnavailable("It closed the connection without an answer.")
            raise GeneratorBroken("Its answer ended in the middle.")
        if self.finish not in KNOWN_ENDS:
            raise GeneratorBroken("It gave the answer up.")
        return Generated("\ufffd" if self.held else "", self.finish, self.usage)

    def _text(self, choice: dict[str, Any]) -> str:
        if choice.get("finish_reason") is not None:
            self.finish = str(choice["finish_reason"])
        delta = choice.get("delta", {})
        text = (
            choice.get("text")
            if "text" in choice
            else delta.get("content")
            if isinstance(delta, dict)
            else delta
        )
        if text is None or text == "":
            return ""
        if not isinstance(text, str):
            raise GeneratorBroken("It sent text that is no text.")
        self.pieces += 1
        if self.pieces > self.most:
            raise GeneratorBroken("It sends without end.")
        text, self.held = _whole_characters(self.held + text)
        return text

    def _failure(self, error: object) -> GeneratorError:
        code = error.get("code") if isinstance(error, dict) else None
        if self.pieces == 0 and code in OVERLOADED:
            return GeneratorUnavailable(f"It answered {code}.")
        return GeneratorBroken("It failed in the middle of the answer.")


def _whole_characters(text: str) -> tuple[str, str]:
    """The text without halves of characters, and the half at its end, which the next piece may
    complete.
    """
    held = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    joined = text.removesuffix(held).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\0", "\ufffd"), held


def _content(prompt: Prompt) -> dict[str, Any]:
    if prompt.messages is None:
        return {"prompt": prompt.text}
    return {
        "messages": [
            {"role": message.role, "content": message.content} for message in prompt.messages
        ]
    }


def _usage(said: dict[str, Any]) -> TokenCounts | None:
    prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
    return (
        TokenCounts(prompt, completion)
        if isinstance(prompt, int) and isinstance(completion, int)
        else None
    )


def _addresses(given: str) -> list[str]:
    """The servers' addresses, each once. Raises BadConfiguration."""
    found = list(dict.fromkeys(_address(part) for part in _listed(given)))
    if not found:
        raise BadConfiguration(
            "CLEARANCE_LLM_URL is empty.", remedy="Leave it out, or write http://127.0.0.1:8000."
        )
    return found


def _listed(given: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", given) if part]


def _address(given: str) -> str:
    """The server's address without the version that some write behind it. Raises BadConfiguration."""
    try:
        parsed = httpx2.URL(given)
    except httpx2.InvalidURL as error:
        raise BadConfiguration(f"CLEARANCE_LLM_URL is no URL: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadConfiguration(
            "CLEARANCE_LLM_URL is no HTTP address.", remedy="Write it like http://127.0.0.1:8000."
        )
    return given.rstrip("/").removesuffix("/v1")


def _credentials(settings: Settings) -> dict[str, str]:
    key = settings.llm_api_key
    return {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
