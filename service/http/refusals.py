"""Records of who was refused, few enough that nobody can fill the disk with them."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from indexes.catalog.audit.chain import Entry
from indexes.errors import ClearanceError
from indexes.model import Principal
from service.answering.recording import Trail, who
from service.operating.threads import Threads

APART_S = 60.0  # between two records of refusals of the same kind to the same address
ADDRESSES = 10_000  # remembered
MAX_PATH_CHARS = 256  # longer than any address of ours

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seen:
    """Refusals of one kind to one address."""

    recorded_at: float
    since: int = 0  # that were not recorded yet


class Refusals:
    """Records the first one at once, and of those that follow how many there were. Used by one
    thread.
    """

    def __init__(
        self,
        trail: Callable[[], Trail],
        threads: Threads,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """trail: is there once the service is open."""
        self._trail = trail
        self._threads = threads
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str, str], _Seen] = OrderedDict()

    async def note(
        self, why: str, path: str, address: str, principal: Principal | None = None
    ) -> None:
        """why: such as "unauthenticated". A refusal that cannot be recorded is one all the same."""
        count = self._count((why, address, principal.name if principal else ""))
        if count == 0:
            return
        told = path[:MAX_PATH_CHARS]
        body: dict[str, Any] = {"kind": "refused", "why": why, "path": told, "address": address}
        body |= {} if principal is None else who(principal)
        body |= {} if count == 1 else {"times": count}
        try:
            await self._threads.run(self._trail().record, Entry(body=body))
        except ClearanceError as error:
            log.error("a refusal is not recorded: %s", error)

    def _count(self, kind: tuple[str, str, str]) -> int:
        """How many are to be recorded now; 0 for none."""
        now = self._clock()
        seen = self._seen.get(kind)
        if seen is None:
            self._seen[kind] = _Seen(now)
            if len(self._seen) > ADDRESSES:
                self._seen.popitem(last=False)
            return 1
        self._seen.move_to_end(kind)
        if now < seen.recorded_at + APART_S:
            seen.since += 1
            return 0
        count, seen.since, seen.recorded_at = seen.since + 1, 0, now
        return count
