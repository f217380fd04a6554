"""vLLM servers as a LanguageModel. The only module that speaks their dialect.

Answers are always streamed, also if the caller wants the whole answer: otherwise the server would
go on generating after the caller has left.
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
from service.llm.port import AnswerForm, CompletionPart, Prompt, ServedModel, TokenCounts
from service.llm.tokenizer import LocalTokenizer
from service.operating.tracing import TRACEPARENT

LIST_S = 10.0  # limit for /v1/models, which the server answers at once
SPARE_PIECES = 16  # more pieces than tokens asked for: the server ignores max_tokens
SPARE_BYTES = 1 << 20  # beside 4 KiB for each token asked for
OVERLOADED = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
NO_ROUTE = frozenset({404, 405, 501})
REFUSED = frozenset({400, 413, 422})
GUARDED = ("/v1/models", "/metrics", "/version", "/openapi.json")
"""What vLLM tells to whoever reaches it, and what its key guards or not."""
KNOWN_ENDS = frozenset({"stop", "length"})

T = TypeVar("T")


class VllmModel(PooledModel):
    """The configured servers as one LanguageModel. One per process; close it at the end."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises BadConfiguration."""
        if settings.llm_url is None:
            raise ValueError("no model server is configured")
        servers = [
            VllmServer(address, settings, clock) for address in _parse_addresses(settings.llm_url)
        ]
        pool = Pool(servers, _split_list(settings.llm_model or ""), clock)
        super().__init__(pool, settings.llm_total_timeout_s)


class VllmServer:
    """One server, over HTTP."""

    def __init__(self, address: str, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._base = address
        self._client = httpx2.AsyncClient(
            headers=_auth_headers(settings),
            timeout=httpx2.Timeout(None, connect=settings.llm_connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
            trust_env=False,
            follow_redirects=False,
        )
        # by model, if the server does not count
        self._tokenizers: dict[str, LocalTokenizer] = {}
        # the folder that the server loaded the model from, which may exist on this machine too
        self._roots: dict[str, str] = {}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def list_models(self) -> tuple[ServedModel, ...]:
        listed = await self._request_json("GET", "/v1/models", self._clock() + LIST_S)
        cards = (listed or {}).get("data")
        if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
            raise GeneratorBroken("Its list of models is not a list.")
        served = [model for card in cards if (model := self._read_card(card))]
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
        reply = await self._request_json(
            "POST", "/tokenize", deadline, {"model": model, **_prompt_fields(prompt), **how}
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
    ) -> AsyncGenerator[CompletionPart]:
        """Each wait ends at the limit for one token, or at the end of all."""
        body = self._completion_request(prompt, model, max_tokens, cache_salt, stop)
        route = "/v1/chat/completions" if "messages" in body else "/v1/completions"
        request = self._client.build_request("POST", self._base + route, json=body)
        response = await self._send(request, self._next_deadline(end))
        try:
            _check_status(response)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise GeneratorBroken("It sent no event stream.")
            reader = _CompletionReader(max_tokens)
            most = SPARE_BYTES + 4096 * max_tokens
            async with aclosing(event_stream.read_data(response.aiter_raw(), most)) as events:
                first_token_by = self._next_deadline(end)
                while (event := await self._wait_for(anext(events, None), first_token_by)) not in (
                    None,
                    "[DONE]",
                ):
                    if text := reader.read_event(str(event)):
                        yield CompletionPart(text)
                        first_token_by = self._next_deadline(end)
            yield reader.last_part()
        finally:
            await response.aclose()

    def _completion_request(
        self, prompt: Prompt, model: str, max_tokens: int, cache_salt: str, stop: Sequence[str]
    ) -> dict[str, Any]:
        # JSON ends by its form, and what ends a text may stand in it
        stops = [] if prompt.form else list(dict.fromkeys((*self._settings.llm_stop, *stop)))
        return {
            "model": model,
            **_prompt_fields(prompt),
            "max_tokens": max_tokens,
            "temperature": self._settings.llm_temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_salt": cache_salt,
            **({"stop": stops} if stops else {}),
            **_form_fields(prompt.form),
        }

    def _read_card(self, card: dict[str, Any]) -> ServedModel | None:
        """A model of the list; None if its name or window is missing."""
        name, window = card.get("id"), card.get("max_model_len") or self._settings.llm_window
        if not isinstance(name, str) or not name or not isinstance(window, int):
            return None
        if isinstance(root := card.get("root"), str):
            self._roots[name] = root
        return ServedModel(name, window, adapter=bool(card.get("parent")))

    async def _request_json(
        self, method: str, route: str, deadline: float, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """A JSON object from the server; None if it has no such route."""
        response = await self._send(
            self._client.build_request(method, self._base + route, json=body), deadline
        )
        try:
            if response.status_code in NO_ROUTE:
                return None
            _check_status(response)
            raw = await self._wait_for(response.aread(), deadline)
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
        parent = TRACEPARENT.get()
        if parent is not None:
            request.headers["traceparent"] = parent
        return await self._wait_for(self._client.send(request, stream=True), deadline)

    async def _wait_for(self, work: Awaitable[T], deadline: float) -> T:
        """The result of one wait on the network. Raises GeneratorTimeout and GeneratorUnavailable."""
        try:
            async with asyncio.timeout(deadline - self._clock()):
                return await work
        except TimeoutError as error:
            raise GeneratorTimeout from error
        except httpx2.HTTPError as error:
            connecting = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            said = "It takes no connection." if connecting else "The connection to it broke."
            raise GeneratorUnavailable(said) from error

    def _next_deadline(self, end: float) -> float:
        return min(end, self._clock() + self._settings.llm_first_token_timeout_s)


async def find_open_routes(settings: Settings, limit_s: float) -> dict[str, list[str]]:
    """By address of a server, those of GUARDED that answer without a key. Raises BadConfiguration."""
    addresses = _parse_addresses(settings.llm_url or "")
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(limit_s), trust_env=False, follow_redirects=False
    ) as client:
        each = [[_answers(client, address + route) for route in GUARDED] for address in addresses]
        told = [await asyncio.gather(*asked) for asked in each]
    return {
        address: [route for route, is_open in zip(GUARDED, found, strict=True) if is_open]
        for address, found in zip(addresses, told, strict=True)
    }


async def _answers(client: httpx2.AsyncClient, address: str) -> bool:
    """Whether it serves this to whoever asks. What cannot be reached does not."""
    try:
        async with client.stream("GET", address) as response:
            return response.status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def _form_fields(form: AnswerForm | None) -> dict[str, Any]:
    """The form of an answer as vLLM and OpenAI know it."""
    if form is None:
        return {}
    if form.schema is None:
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "schema": json.loads(form.schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _check_status(response: httpx2.Response) -> None:
    """Raises the error that a status other than 200 stands for."""
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


class _CompletionReader:
    """Reads the events of one answer, and checks that they make sense together."""

    def __init__(self, max_tokens: int) -> None:
        self.most = max_tokens + SPARE_PIECES
        self.pieces = 0
        self.held = ""  # the first half of a character that two pieces share
        self.finish: str | None = None
        self.usage: TokenCounts | None = None

    def read_event(self, event: str) -> str:
        """The text that this event adds. Raises GeneratorBroken if the event makes no sense."""
        try:
            said = json.loads(event)
        except (ValueError, RecursionError) as error:
            raise GeneratorBroken("It sent an event that is not JSON.") from error
        if not isinstance(said, dict):
            raise GeneratorBroken("It sent an event that is not an object.")
        if said.get("error"):
            raise self._failure_of(said["error"])
        if isinstance(said.get("usage"), dict):
            self.usage = _token_counts(said["usage"])
        choices = said.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise GeneratorBroken("It sent an event without choices.")
        return self._read_text(choices[0]) if choices else ""

    def last_part(self) -> CompletionPart:
        """The last part of the answer. Raises GeneratorError if the server did not finish it."""
        if self.finish is None:
            if self.pieces == 0:
                raise GeneratorUnavailable("It closed the connection without an answer.")
            raise GeneratorBroken("Its answer ended in the middle.")
        if self.finish not in KNOWN_ENDS:
            raise GeneratorBroken("It gave the answer up.")
        return CompletionPart("\ufffd" if self.held else "", self.finish, self.usage)

    def _read_text(self, choice: dict[str, Any]) -> str:
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
        text, self.held = _split_half_character(self.held + text)
        return text

    def _failure_of(self, error: object) -> GeneratorError:
        code = error.get("code") if isinstance(error, dict) else None
        if self.pieces == 0 and code in OVERLOADED:
            return GeneratorUnavailable(f"It answered {code}.")
        return GeneratorBroken("It failed in the middle of the answer.")


def _split_half_character(text: str) -> tuple[str, str]:
    """The text without halves of characters, and the half at its end if there is one.

    The next piece of text may complete it.
    """
    held = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    joined = text.removesuffix(held).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\0", "\ufffd"), held


def _prompt_fields(prompt: Prompt) -> dict[str, Any]:
    if prompt.messages is None:
        return {"prompt": prompt.text}
    return {
        "messages": [
            {"role": message.role, "content": message.content} for message in prompt.messages
        ]
    }


def _token_counts(said: dict[str, Any]) -> TokenCounts | None:
    prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
    return (
        TokenCounts(prompt, completion)
        if isinstance(prompt, int) and isinstance(completion, int)
        else None
    )


def _parse_addresses(given: str) -> list[str]:
    """The servers' addresses, each once. Raises BadConfiguration."""
    found = list(dict.fromkeys(_parse_address(part) for part in _split_list(given)))
    if not found:
        raise BadConfiguration(
            "CLEARANCE_LLM_URL is empty.", remedy="Leave it out, or write http://127.0.0.1:8000."
        )
    return found


def _split_list(given: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", given) if part]


def _parse_address(given: str) -> str:
    """The server's address without a `/v1` at its end. Raises BadConfiguration."""
    try:
        parsed = httpx2.URL(given)
    except httpx2.InvalidURL as error:
        raise BadConfiguration(f"CLEARANCE_LLM_URL is no URL: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadConfiguration(
            "CLEARANCE_LLM_URL is no HTTP address.", remedy="Write it like http://127.0.0.1:8000."
        )
    return given.rstrip("/").removesuffix("/v1")


def _auth_headers(settings: Settings) -> dict[str, str]:
    key = settings.llm_api_key
    return {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
