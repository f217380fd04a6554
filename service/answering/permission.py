"""Whether an answer may still be given: looked up when it is asked, before a model is called, and
while it is told.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from indexes.model import Principal, Row
from service.operating.tasks import end_task
from service.operating.threads import Threads

LOOK_S = 0.2  # between two looks; with the time that a look takes, less than a quarter of a second
FRESH_S = 0.25  # nothing is told on the word of an older look
LOOKS_AT_ONCE = 16  # never behind work that burns CPU

T = TypeVar("T")


class PermissionSource(Protocol):
    """What can tell whether somebody may still read something."""

    def confirm(self, principal: Principal, rows: Iterable[Row], documents: Iterable[str]) -> None:
        """Raises NotAuthenticated, and Withdrawn if not all of these rows and documents may be read
        any more.

        Blocking.
        """
        ...


class Permission:
    """The permission of one asker to be given one answer."""

    def __init__(
        self, reader: PermissionSource, principal: Principal, threads: Threads | None = None
    ) -> None:
        """threads: shared by all answers of a process; if None, it has one of its own."""
        self._reader = reader
        self._principal = principal
        self._threads = threads or Threads(1)
        self._rows: frozenset[Row] = frozenset()
        self._documents: frozenset[str] = frozenset()
        self._looked = float("-inf")

    def add_rows(self, rows: Iterable[Row], read_since: float) -> None:
        """The answer is made from these rows or names them: it ends if one of them may not be read
        any more.

        read_since: when the search that read all of them for this asker had not begun yet, on the
        clock of time.monotonic. What confirmed them and the key there was a look, too.
        """
        if not self._rows:
            self._looked = max(self._looked, read_since)
        self._rows |= frozenset(rows)

    def add_documents(self, document_ids: Iterable[str]) -> None:
        """The answer names these documents. Nothing is taken to be confirmed yet."""
        self._documents |= frozenset(document_ids)

    async def confirm(self) -> None:
        """Looks it up now. Raises NotAuthenticated and Withdrawn."""
        began = time.monotonic()
        await self._threads.run(self._reader.confirm, self._principal, self._rows, self._documents)
        self._looked = began

    async def confirm_if_stale(self) -> None:
        """Looks it up, unless that was done a moment ago. Raises what `confirm` raises."""
        if time.monotonic() - self._looked > FRESH_S:
            await self.confirm()

    async def confirm_repeatedly(self) -> None:
        """Looks it up again and again; never returns. Raises what `confirm` raises."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.confirm()

    async def run_while_permitted(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result, as long as the permission lasts to its end.

        What it raises ends the work first.
        """
        working = asyncio.ensure_future(work)
        keeping = asyncio.ensure_future(self.confirm_repeatedly())
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                keeping.result()
            result = working.result()
        finally:
            await end_task(keeping)
            await end_task(working)
        await self.confirm()
        return result
