"""Several model servers as one language model: each question goes to the next healthy server.

The pool offers what any of the servers serves: the models that the configuration names, or all but
adapters if it names none. A question goes to the servers that serve its model, in turn. If their
windows differ, the smallest counts. A server that failed is left out for a while, and is asked all
the same if no other can answer. A model that is hidden from the caller is handled exactly like one
that no server serves.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from itertools import count as counter
from typing import Protocol

from indexes.errors import (
    BadInput,
    GeneratorBroken,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
    NoSuchModel,
)
from service.llm.port import CompletionPart, LanguageModel, Prompt, ServedModel

LIST_LASTS_S = 30.0  # how long a server's list of models is believed
REST_S = 10.0  # how long a server that failed is left out
OTHER_LISTS_S = 0.5  # how long to wait for the other lists of models, once one has come
# Attempts at least, before the first token. After it the caller has seen text, which must not come
# twice.
ATTEMPTS = 2
PAUSE_S = 0.2  # before the same server is asked again

Clock = Callable[[], float]


class RequestRefused(GeneratorBroken):
    """The model server refused this one request; nothing is wrong with the server."""


class ModelServer(Protocol):
    """One server, as the pool sees it. Every method raises GeneratorError."""

    async def list_models(self) -> tuple[ServedModel, ...]:
        """The models that it serves, in its own order."""
        ...

    async def count(self, prompt: Prompt, model: str) -> int:
        """Tokens of the whole prompt, as LanguageModel.count."""
        ...

    def stream(
        self,
        prompt: Prompt,
        model: str,
        *,
        max_tokens: int,
        cache_salt: str,
        stop: Sequence[str],
        end: float,
    ) -> AsyncGenerator[CompletionPart]:
        """One attempt at an answer, as LanguageModel.stream.

        end: when it must be over, by the clock of the pool.
        """
        ...

    async def aclose(self) -> None: ...


class PooledServer:
    """One server of a pool: the models it last listed, and whether it is left out for now."""

    def __init__(self, client: ModelServer, clock: Clock) -> None:
        self.client = client
        self.models: tuple[ServedModel, ...] = ()  # its last list, however old
        self._clock = clock
        self._believed_until = self._rests_until = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    @property
    def is_believed(self) -> bool:
        return self._clock() < self._believed_until

    @property
    def is_resting(self) -> bool:
        return self._clock() < self._rests_until

    def find_model(self, name: str) -> ServedModel | None:
        return next((model for model in self.models if model.name == name), None)

    def refresh_list(self) -> "asyncio.Task[None]":
        """Asks the server for its list. All who ask at the same time share one request."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch_list())
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _fetch_list(self) -> None:
        try:
            self.models = await self.client.list_models()
        except GeneratorError:
            self.note_failure()
            raise
        self._believed_until = self._clock() + LIST_LASTS_S

    def note_failure(self, *, rests: bool = True) -> None:
        self._believed_until = float("-inf")  # it may come back with another model or window
        if rests:
            self._rests_until = self._clock() + REST_S

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        await self.client.aclose()


class Pool:
    """The servers, and which of them is next."""

    def __init__(
        self, servers: Sequence[ModelServer], names: Sequence[str], clock: Clock = time.monotonic
    ) -> None:
        """names: the models to offer, the default first. Empty: all that are served, but no
        adapters.
        """
        self.clock = clock
        self.count_turns, self.answer_turns = counter(), counter()  # each has turns of its own
        self._servers = tuple(PooledServer(server, clock) for server in servers)
        self._names = tuple(names)

    async def aclose(self) -> None:
        for server in self._servers:
            await server.aclose()

    async def offered_models(self, hidden: Collection[str] = ()) -> tuple[ServedModel, ...]:
        """Every model that can be asked for, the default first.

        hidden: names of models that do not exist for the caller.
        """
        listing = await self._servers_with_list(thorough=True)
        served = dict.fromkeys(model.name for server in listing for model in server.models)
        names = [name for name in self._names or served if name in served]
        return tuple(
            _merge_models(name, listing)
            for name in names
            if self._is_offered(name, listing, hidden)
        )

    async def find_servers(
        self, name: str | None, hidden: Collection[str] = ()
    ) -> tuple[ServedModel, tuple[PooledServer, ...]]:
        """The model of that name, or the default, and the servers that serve it.

        Raises NoSuchModel, and GeneratorUnavailable if an offered model is not served now.
        """
        for thorough in (False, True):
            listing = await self._servers_with_list(thorough=thorough)
            wanted = name or self._default_name(listing, hidden)
            serving = tuple(server for server in listing if server.find_model(wanted))
            if serving and self._is_offered(wanted, listing, hidden):
                return _merge_models(wanted, serving), serving
        if self._is_offered(wanted, self._servers, hidden):
            raise GeneratorUnavailable(
                "No server that answers now serves that model.",
                remedy="Check the servers, and CLEARANCE_LLM_MODEL.",
            )
        raise NoSuchModel

    def usable_servers(self) -> Iterator[PooledServer]:
        return (server for server in self._servers if server.is_believed and not server.is_resting)

    def _is_offered(
        self, name: str, servers: Sequence[PooledServer], hidden: Collection[str]
    ) -> bool:
        if name in hidden:
            return False
        if self._names:
            return name in self._names
        cards = [card for server in servers if (card := server.find_model(name))]
        return bool(cards) and not any(card.adapter for card in cards)

    def _default_name(self, listing: Sequence[PooledServer], hidden: Collection[str]) -> str:
        """Raises NoSuchModel if every model is hidden, and GeneratorUnavailable if that cannot be
        known.
        """
        served = [model.name for server in listing for model in server.models if not model.adapter]
        names = self._names or served
        first = next((name for name in names if name not in hidden), None)
        if first is not None:
            return first
        if names and (self._names or len(listing) == len(self._servers)):
            raise NoSuchModel
        raise GeneratorUnavailable("It serves no model.")

    async def _servers_with_list(self, *, thorough: bool) -> list[PooledServer]:
        """The servers whose list of models is recent.

        thorough: first wait a little for the other servers. They are asked in the background, so
        that a server that hangs delays nobody. Raises GeneratorError.
        """
        silent = [server for server in self._servers if not server.is_believed]
        requests = [server.refresh_list() for server in silent if not server.is_resting]
        if len(silent) < len(self._servers):
            if requests and thorough:
                await asyncio.wait(requests, timeout=OTHER_LISTS_S)
        else:
            await self._wait_for_first(requests or [server.refresh_list() for server in silent])
        return [server for server in self._servers if server.is_believed]

    async def _wait_for_first(self, requests: Sequence["asyncio.Task[None]"]) -> None:
        """Waits for the first list of models, and a little for the other lists.

        Raises GeneratorError if none comes.
        """
        _, waiting = await asyncio.wait(requests, timeout=OTHER_LISTS_S)
        while waiting and not any(server.is_believed for server in self._servers):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not any(server.is_believed for server in self._servers):
            await requests[0]


class PooledModel:
    """One of the models of a pool, or its default, as a LanguageModel."""

    def __init__(
        self,
        pool: Pool,
        total_s: float,
        name: str | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._pool = pool
        self._total_s = total_s  # for one answer, all attempts together
        self._name = name
        self._hidden = hidden

    async def aclose(self) -> None:
        await self._pool.aclose()

    def select_model(self, name: str) -> LanguageModel:
        return PooledModel(self._pool, self._total_s, name, self._hidden)

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return PooledModel(self._pool, self._total_s, self._name, self._hidden.union(names))

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return await self._pool.offered_models(self._hidden)

    async def served_model(self) -> ServedModel:
        model, _ = await self._find_servers()
        return model

    async def _find_servers(self) -> tuple[ServedModel, tuple[PooledServer, ...]]:
        return await self._pool.find_servers(self._name, self._hidden)

    async def count(self, prompt: Prompt) -> int:
        attempts = _Attempts(self._pool, self._find_servers, self._pool.count_turns)
        while True:
            try:
                server, model = await attempts.next_server()
                return await server.client.count(prompt, model)
            except GeneratorError as error:
                attempts.note_failure(error)
                if not attempts.should_retry(error):
                    raise _without_refusal(error) from error
            await attempts.pause()

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        end = self._pool.clock() + self._total_s
        attempts = _Attempts(self._pool, self._find_servers, self._pool.answer_turns, end)
        while True:
            has_begun = False
            try:
                server, model = await attempts.next_server()
                pieces = server.client.stream(
                    prompt, model, max_tokens=max_tokens, cache_salt=cache_salt, stop=stop, end=end
                )
                async with aclosing(pieces):
                    async for piece in pieces:
                        has_begun = True
                        yield piece
                return
            except GeneratorError as error:
                attempts.note_failure(error)
                if prompt.form is not None and isinstance(error, RequestRefused):
                    raise BadInput("The model server cannot follow that schema.") from error
                if has_begun or not attempts.should_retry(error):
                    raise _without_refusal(error) from error
            await attempts.pause()


FindServers = Callable[[], Awaitable[tuple[ServedModel, tuple[PooledServer, ...]]]]


class _Attempts:
    """The attempts of one call."""

    def __init__(
        self, pool: Pool, find: FindServers, turns: Iterator[int], end: float = float("inf")
    ) -> None:
        """find: the model and the servers that serve it now."""
        self._pool = pool
        self._find = find
        self._turn = next(turns)
        self._end = end
        self._tried: list[PooledServer] = []
        self._servers: tuple[PooledServer, ...] = ()
        self._attempts = 0

    async def next_server(self) -> tuple[PooledServer, str]:
        """The server to ask now, and the model's name."""
        self._attempts += 1
        model, self._servers = await self._find()
        untried = [server for server in self._servers if server not in self._tried] or list(
            self._servers
        )
        usable = [server for server in untried if not server.is_resting] or untried
        server = usable[self._turn % len(usable)]
        self._tried.append(server)
        return server, model.name

    def note_failure(self, error: GeneratorError) -> None:
        """Notes that the server that was just asked has failed, if the fault is its own."""
        if len(self._tried) == self._attempts:
            in_time = self._pool.clock() < self._end
            self._tried[-1].note_failure(rests=in_time and not isinstance(error, RequestRefused))

    def should_retry(self, error: GeneratorError) -> bool:
        """Whether to try again.

        If a server could not be reached: with any server. If it gave a bad answer: only with a
        healthy server that was not tried yet.
        """
        if isinstance(error, RequestRefused) or self._pool.clock() >= self._end:
            return False
        if isinstance(error, GeneratorUnavailable):
            return self._attempts < max(ATTEMPTS, len(self._servers))
        return isinstance(error, GeneratorTimeout | GeneratorBroken) and self._has_untried_server()

    def _has_untried_server(self) -> bool:
        return any(server not in self._tried for server in self._pool.usable_servers())

    async def pause(self) -> None:
        if not self._has_untried_server():
            await asyncio.sleep(PAUSE_S)


def _merge_models(name: str, servers: Sequence[PooledServer]) -> ServedModel:
    """One model as several servers serve it."""
    cards = [card for server in servers if (card := server.find_model(name))]
    return min(cards, key=lambda card: card.window)


def _without_refusal(error: GeneratorError) -> GeneratorError:
    """The error without RequestRefused, which only the pool knows."""
    return GeneratorBroken(error.detail) if isinstance(error, RequestRefused) else error
