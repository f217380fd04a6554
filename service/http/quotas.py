"""How much somebody may ask: requests and tokens of models, per user, key or group.

It counts what a caller does, never what it may read, so a refusal tells nothing about documents. The
members of a group share its budget, so they can tell that others of it ask.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexes.errors import ClearanceError
from indexes.model import Principal
from indexes.settings import Quota
from service.answering.metering import Spent
from service.http import problems

TOKENS = "tokens"
SPENT = "spent"  # in the state of a request: what models took for it so far
_IN_THE_PROCESS = "async+memory://"
_TOLD_EVERY_S = 60.0

GroupsOf = Callable[[Principal], Awaitable[frozenset[str]]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Budget:
    """What one caller has of one quota."""

    name: str
    whose: str
    item: RateLimitItem
    counts_tokens: bool


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of a budget."""

    budget: _Budget
    number: int
    reset_s: int  # until there is more

    @property
    def share(self) -> float:
        return self.number / self.budget.item.amount

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As in the draft draft-ietf-httpapi-ratelimit-headers."""
        item, name = self.budget.item, self.budget.name
        policy = f'"{name}";q={item.amount};w={item.get_expiry()}'
        left = f'"{name}";r={self.number};t={self.reset_s}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]


class Quotas:
    """Behind the gate, and before a body is read. Used by one event loop."""

    def __init__(
        self, app: ASGIApp, quotas: Sequence[Quota], storage: str, groups_of: GroupsOf
    ) -> None:
        """storage: `memory`, or the URL of a Redis that all processes count in.

        groups_of: the groups that a caller is in now; asked if a quota names one.
        """
        self._app = app
        # the caller's own first, those that it shares with others behind them
        self._limits = [
            (quota, kind, parse(limit))
            for quota in sorted(quotas, key=_is_shared)
            for kind, limit in (("requests", quota.requests), (TOKENS, quota.tokens))
            if limit is not None
        ]
        self._names_groups = any(_is_shared(quota) for quota in quotas)
        self._groups_of = groups_of
        self._counters = _Counters(storage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope.get("state", {}).get("principal")
        if not self._limits or principal is None:
            await self._app(scope, receive, send)
            return
        try:
            budgets = await self._budgets_of(principal)
        except ClearanceError as error:
            await problems.tell(error, scope, receive, send)
            return
        left: list[_Left] = []
        for budget in budgets:
            left.append(await self._counters.take(budget))
            if left[-1].number < 0:  # what is refused takes nothing of the budgets behind it
                await self._refuse(left[-1], scope, receive, send)
                return
        try:
            await self._app(scope, receive, _with_headers(left, send))
        finally:
            used: Spent = scope["state"].get(SPENT) or Spent()
            for budget in budgets:
                if used.tokens and budget.counts_tokens:
                    await self._counters.spend(budget, used.tokens)

    async def _budgets_of(self, principal: Principal) -> list[_Budget]:
        groups = await self._groups_of(principal) if self._names_groups else frozenset()
        return [
            _Budget(f"{quota.name}-{kind}", whose, limit, kind == TOKENS)
            for quota, kind, limit in self._limits
            if (whose := _whose(quota, principal, groups)) is not None
        ]

    @staticmethod
    async def _refuse(spent: _Left, scope: Scope, receive: Receive, send: Send) -> None:
        what = "tokens" if spent.budget.counts_tokens else "requests"
        detail = f"The quota {spent.budget.name} allows {spent.budget.item} of {what}."
        problem = problems.Problem(problems.QUOTA, detail)
        headers = {"Retry-After": str(spent.reset_s)}
        response = problem.response(scope["state"]["request_id"], headers)
        await response(scope, receive, _with_headers([spent], send))


class _Counters:
    """Counts in Redis or in this process; in this process as long as Redis cannot be had."""

    def __init__(self, storage: str) -> None:
        self._own = MovingWindowRateLimiter(storage_from_string(_IN_THE_PROCESS))
        self._shared = self._own
        if storage != "memory":
            shared = storage_from_string(
                f"async+{storage}", implementation="redispy", wrap_exceptions=True
            )
            self._shared = MovingWindowRateLimiter(shared)
        self._told_at = 0.0

    async def take(self, budget: _Budget) -> _Left:
        """Counts a request; of tokens, looks what is left. -1 is left if it was too much."""
        try:
            return await self._take(self._shared, budget)
        except StorageError as error:
            self._tell(error)
            return await self._take(self._own, budget)

    async def spend(self, budget: _Budget, tokens: int) -> None:
        """Counts tokens after they were used: all that are left, if it was more."""
        try:
            await self._spend(self._shared, budget, tokens)
        except StorageError as error:
            self._tell(error)
            await self._spend(self._own, budget, tokens)

    @staticmethod
    async def _take(counter: MovingWindowRateLimiter, budget: _Budget) -> _Left:
        if budget.counts_tokens:
            taken = await counter.test(budget.item, budget.name, budget.whose)
        else:
            taken = await counter.hit(budget.item, budget.name, budget.whose)
        stats = await counter.get_window_stats(budget.item, budget.name, budget.whose)
        reset_s = max(1, round(stats.reset_time - time.time()))
        return _Left(budget, stats.remaining if taken else -1, reset_s)

    @staticmethod
    async def _spend(counter: MovingWindowRateLimiter, budget: _Budget, tokens: int) -> None:
        stats = await counter.get_window_stats(budget.item, budget.name, budget.whose)
        cost = min(tokens, stats.remaining)
        if cost:
            await counter.hit(budget.item, budget.name, budget.whose, cost=cost)

    def _tell(self, error: StorageError) -> None:
        now = time.monotonic()
        if now >= self._told_at + _TOLD_EVERY_S or not self._told_at:
            self._told_at = now
            cause = type(error.storage_error).__qualname__
            log.error(
                "quotas are counted in this process alone", extra={"fields": {"error": cause}}
            )


def _is_shared(quota: Quota) -> bool:
    return quota.of.startswith("group:")


def _whose(quota: Quota, principal: Principal, groups: frozenset[str]) -> str | None:
    """Who shares this quota with the caller; None if it is not the caller's."""
    if quota.of == "user":
        return f"user {principal.id} {principal.name}"
    if quota.of == "key":
        return None if principal.key is None else f"key {principal.key}"
    return quota.of if quota.of in groups else None


def _with_headers(left: Sequence[_Left], send: Send) -> Send:
    """Tells of the budget that is nearest to its end."""
    if not left:
        return send
    headers = min(left, key=lambda each: each.share)

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            shown = _Left(headers.budget, max(0, headers.number), headers.reset_s)
            message = {**message, "headers": [*message.get("headers", ()), *shown.headers()]}
        await send(message)

    return tell
