"""The gate behind the model: the sentences of an answer on their way to the caller, each held against
the passages.

That takes a thread some milliseconds, and some tens of them where meaning is asked. Text goes on
meanwhile; what was found out about its sentences follows in the order of the text.
"""

import asyncio
import logging
from collections import deque
from types import TracebackType
from typing import Self

from service.answering.citations import FinishedSentence
from service.answering.claim_check import CheckedClaim, ClaimChecker
from service.answering.claims import Claim, ClaimFinder
from service.operating.tasks import end_task
from service.operating.threads import Threads

log = logging.getLogger(__name__)


class ClaimGate:
    """The claims of one answer; a context manager, so that nothing goes on after it."""

    def __init__(self, checker: ClaimChecker, cpu: Threads | None) -> None:
        """cpu: shared by all work that burns CPU."""
        self.checked: list[CheckedClaim] = []  # told, in the order of the text
        self._checker = checker
        self._cpu = cpu or Threads(1)
        self._finder = ClaimFinder()
        self._waiting: deque[Claim] = deque()
        self._ready: deque[CheckedClaim] = deque()
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._work is not None:
            await end_task(self._work)

    def add(self, sentence: FinishedSentence) -> None:
        """The next sentence of the answer."""
        claim = self._finder.find(sentence.text, sentence.span)
        if claim is None:
            return
        self._waiting.append(claim)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._check_waiting())

    def take_checked(self) -> list[CheckedClaim]:
        """What has been found out since it was asked last."""
        found = list(self._ready)
        self._ready.clear()
        self.checked += found
        return found

    async def wait_for_checked(self) -> list[CheckedClaim]:
        """All the rest."""
        if self._work is not None:
            await asyncio.wait([self._work])
        return self.take_checked()

    async def _check_waiting(self) -> None:
        while self._waiting:
            claim = self._waiting.popleft()
            try:
                checked = await self._cpu.run(self._checker.check, claim)
            except (
                Exception
            ):  # an answer does not fail for that; what was not checked is not supported
                log.exception("a sentence could not be checked")
                checked = CheckedClaim(claim.span, False, "words")
            self._ready.append(checked)
