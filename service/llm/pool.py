"""Several model servers as one language model: each question goes to the next one that is well.

Offered is what any of the servers serves: the models that the configuration names, or, where it
names none, all but adapters. A question goes to the servers that serve its model, in turn; where
they hold different windows, the smallest counts. A server that failed is passed over for a while,
and is asked all the same where no other can answer. A model that is hidden from somebody takes the
way of one that no server serves.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from itertools import count as counter
from typing import Protocol

from indexes.errors import (
    GeneratorBroken,
    GeneratorError,
    GeneratorTimeout,
    GeneratorUnavailable,
    NoSuchModel,
)
from service.llm.port import Generated, LanguageModel, Prompt, ServedModel

REMEMBER_S = 30.0  # how long a server's list of models is believed
REST_S = 10.0  # how long a server that failed is passed over
PATIENCE_S = 0.5  # for what the others serve, once one server has told
# at least, before the first token; after it the caller has seen text, and nothing may be said twice
ATTEMPTS = 2
PAUSE_S = 0.2  # before the same server is asked again

Clock = Callable[[], float]


class RequestRefused(GeneratorBroken):
    """The model server refused this one request; nothing is wrong with the server."""


class ModelServer(Protocol):
    """One server, as the pool sees it. Every method raises GeneratorError."""

    async def look(self) -> tuple[ServedModel, ...]:
        """What it serves, in its own order."""
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
    ) -> AsyncGenerator[Generated]:
        """One attempt at an answer, as LanguageModel.stream. end: when it must be over, by the
        pool's clock.
        """
        ...

    async def aclose(self) -> None: ...


class Member:
    """One server of a pool: what it said that it serves, and whether it is passed over."""

    def __init__(self, server: ModelServer, clock: Clock) -> None:
        self.server = server
        self.known: tuple[ServedModel, ...] = ()  # what it said last, however long ago
        self._clock = clock
        self._believed_until = self._rests_until = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    @property
    def believed(self) -> bool:
        return self._clock() < self._believed_until

    @property
    def resting(self) -> bool:
        return self._clock() < self._rests_until

    def model(self, name: str) -> ServedModel | None:
        return next((model for model in self.known if model.name == name), None)

    def look(self) -> "asyncio.Task[None]":
        """The one request of its list; everybody who wants it meanwhile waits for this one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _look(self) -> None:
        try:
            self.known = await self.server.look()
        except GeneratorError:
            self.failed()
            raise
        self._believed_until = self._clock() + REMEMBER_S

    def failed(self, *, rests: bool = True) -> None:
        self._believed_until = float("-inf")  # it may come back with another model or window
        if rests:
            self._rests_until = self._clock() + REST_S

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self.server.aclose()


class Pool:
    """The servers, and which of them is next."""

    def __init__(
        self, servers: Sequence[ModelServer], names: Sequence[str], clock: Clock = time.monotonic
    ) -> None:
        """names: the models to offer, the default first; empty: all that are served, adapters left
        out.
        """
        self.clock = clock
        self.counting, self.answering = counter(), counter()  # each takes turns of its own
        self._members = tuple(Member(server, clock) for server in servers)
        self._names = tuple(names)

    async def aclose(self) -> None:
        for member in self._members:
            await member.aclose()

    async def offered(self, hidden: Collection[str] = ()) -> tuple[ServedModel, ...]:
        """Every model that can be asked for, the default first. hidden: names that do not exist for
        who asks.
        """
        heard = await self._heard(thorough=True)
        served = dict.fromkeys(model.name for member in heard for model in member.known)
        names = [name for name in self._names or served if name in served]
        return tuple(_merged(name, heard) for name in names if self._offers(name, heard, hidden))

    async def serving(
        self, name: str | None, hidden: Collection[str] = ()
    ) -> tuple[ServedModel, tuple[Member, ...]]:
        """The model of that name, or the default, and the servers that serve it.

        Raises NoSuchModel, and GeneratorUnavailable where a model that is offered is not served
        now.
        """
        for thorough in (False, True):
            heard = await self._heard(thorough=thorough)
            wanted = name or self._default(heard, hidden)
            serving = tuple(member for member in heard if member.model(wanted))
            if serving and self._offers(wanted, heard, hidden):
                return _merged(wanted, serving), serving
        if self._offers(wanted, self._members, hidden):
            raise GeneratorUnavailable(
                "No server that answers now serves that model.",
                remedy="Check the servers, and CLEARANCE_LLM_MODEL.",
            )
        raise NoSuchModel

    def ready(self) -> Iterator[Member]:
        return (member for member in self._members if member.believed and not member.resting)

    def _offers(self, name: str, members: Sequence[Member], hidden: Collection[str]) -> bool:
        if name in hidden:
            return False
        if self._names:
            return name in self._names
        cards = [card for member in members if (card := member.model(name))]
        return bool(cards) and not any(card.adapter for card in cards)

    def _default(self, heard: Sequence[Member], hidden: Collection[str]) -> str:
        """Raises NoSuchModel where everything is hidden, and GeneratorUnavailable where that cannot
        be known.
        """
        served = [model.name for member in heard for model in member.known if not model.adapter]
        names = self._names or served
        first = next((name for name in names if name not in hidden), None)
        if first is not None:
            return first
        if names and (self._names or len(heard) == len(self._members)):
            raise NoSuchModel
        raise GeneratorUnavailable("It serves no model.")

    async def _heard(self, *, thorough: bool) -> list[Member]:
        """The servers that have said lately what they serve; thorough: after a short wait for those
        that have not.

        Others are asked in the background, so that one that hangs keeps nobody waiting. Raises
        GeneratorError.
        """
        unheard = [member for member in self._members if not member.believed]
        looks = [member.look() for member in unheard if not member.resting]
        if len(unheard) < len(self._members):
            if looks and thorough:
                await asyncio.wait(looks, timeout=PATIENCE_S)
        else:
            await self._first_of(looks or [member.look() for member in unheard])
        return [member for member in self._members if member.believed]

    async def _first_of(self, looks: Sequence["asyncio.Task[None]"]) -> None:
        """Waits for a list of models, and a little for the other lists.

        Raises GeneratorError where none comes.
        """
        _, waiting = await asyncio.wait(looks, timeout=PATIENCE_S)
        while waiting and not any(member.believed for member in self._members):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not any(member.believed for member in self._members):
            await looks[0]


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

    def named(self, name: str) -> LanguageModel:
        return PooledModel(self._pool, self._total_s, name, self._hidden)

    def without(self, names: Collection[str]) -> LanguageModel:
        return PooledModel(self._pool, self._total_s, self._name, self._hidden.union(names))

    async def offered(self) -> tuple[ServedModel, ...]:
        return await self._pool.offered(self._hidden)

    async def served(self) -> ServedModel:
        model, _ = await self._serving()
        return model

    async def _serving(self) -> tuple[ServedModel, tuple[Member, ...]]:
        return await self._pool.serving(self._name, self._hidden)

    async def count(self, prompt: Prompt) -> int:
        tries = _Tries(self._pool, self._serving, self._pool.counting)
        while True:
            try:
                member, model = await tries.next()
                return await member.server.count(prompt, model)
            except GeneratorError as error:
                tries.failed(error)
                if not tries.again(error):
                    raise _plain(error) from error
            await tries.pause()

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[Generated]:
        end = self._pool.clock() + self._total_s
        tries = _Tries(self._pool, self._serving, self._pool.answering, end)
        while True:
            spoken = False
            try:
                member, model = await tries.next()
                pieces = member.server.stream(
                    prompt, model, max_tokens=max_tokens, cache_salt=cache_salt, stop=stop, end=end
                )
                async with aclosing(pieces):
                    async for piece in pieces:
                        spoken = True
                        yield piece
                return
            except GeneratorError as error:
                tries.failed(error)
                if spoken or not tries.again(error):
                    raise _plain(error) from error
            await tries.pause()


Find = Callable[[], Awaitable[tuple[ServedModel, tuple[Member, ...]]]]


class _Tries:
    """The attempts of one call."""

    def __init__(
        self, pool: Pool, find: Find, turns: Iterator[int], end: float = float("inf")
    ) -> None:
        """find: the model and the servers that serve it now."""
        self._pool = pool
        self._find = find
        self._turn = next(turns)
        self._end = end
        self._tried: list[Member] = []
        self._serving: tuple[Member, ...] = ()
        self._attempts = 0

    async def next(self) -> tuple[Member, str]:
        """The server to ask now, and the model's name."""
        self._attempts += 1
        model, self._serving = await self._find()
        untried = [member for member in self._serving if member not in self._tried] or list(
            self._serving
        )
        well = [member for member in untried if not member.resting] or untried
        member = well[self._turn % len(well)]
        self._tried.append(member)
        return member, model.name

    def failed(self, error: GeneratorError) -> None:
        """Notes that the server just asked has failed, where the fault is its own."""
        if len(self._tried) == self._attempts:
            in_time = self._pool.clock() < self._end
            self._tried[-1].failed(rests=in_time and not isinstance(error, RequestRefused))

    def again(self, error: GeneratorError) -> bool:
        """Whether another attempt is worth it: of whoever is there when one is away, of a well one
        when one is ill.
        """
        if isinstance(error, RequestRefused) or self._pool.clock() >= self._end:
            return False
        if isinstance(error, GeneratorUnavailable):
            return self._attempts < max(ATTEMPTS, len(self._serving))
        return isinstance(error, GeneratorTimeout | GeneratorBroken) and self._others()

    def _others(self) -> bool:
        return any(member not in self._tried for member in self._pool.ready())

    async def pause(self) -> None:
        if not self._others():
            await asyncio.sleep(PAUSE_S)


def _merged(name: str, members: Sequence[Member]) -> ServedModel:
    """One model as several servers serve it."""
    cards = [card for member in members if (card := member.model(name))]
    return min(cards, key=lambda card: card.window)


def _plain(error: GeneratorError) -> GeneratorError:
    """The error as the rest of the service knows it."""
    return GeneratorBroken(error.detail) if isinstance(error, RequestRefused) else error
