"""Citations on their way to the caller.

Those that words do not support are looked at once more, for their meaning.

That takes a thread some tens of milliseconds. The answer's text goes on meanwhile; citations wait
for their turn, so that they come in the order of the text.
"""

import asyncio
import logging
from collections import deque
from types import TracebackType
from typing import Self

from service.answering.citations import Citation, Doubt
from service.answering.meaning import Meaning
from service.operating.threads import Threads

MOST = 6  # citations of one answer that are looked at again; of the others, words decide

log = logging.getLogger(__name__)


class CitationSupport:
    """The citations of one answer; a context manager, so that nothing goes on after it."""

    def __init__(self, meaning: Meaning | None, cpu: Threads | None) -> None:
        """meaning: if None, words alone decide. cpu: shared by all work that burns CPU."""
        self.citations: list[Citation] = []  # certain, in the order of the text
        self._meaning = meaning
        self._cpu = cpu or Threads(1)
        self._waiting: deque[Citation | asyncio.Task[Citation]] = deque()
        self._lookups = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for waiting in self._waiting:
            if isinstance(waiting, asyncio.Task):
                waiting.cancel()

    def add(self, citation: Citation, doubt: Doubt | None) -> None:
        """The next citation of the text, and what could still be found out about it."""
        if doubt is None or self._meaning is None or self._lookups >= MOST:
            self._waiting.append(citation)
            return
        self._lookups += 1
        self._waiting.append(asyncio.create_task(self._look_up_meaning(self._meaning, doubt)))

    def take_certain(self) -> list[Citation]:
        """The next citations for which nothing has to be waited for."""
        certain: list[Citation] = []
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, asyncio.Task):
                if not first.done():
                    break
                first = first.result()
            self._waiting.popleft()
            certain.append(first)
        self.citations += certain
        return certain

    async def wait_for_certain(self) -> list[Citation]:
        """The next citations, as soon as one is certain; empty if none is left."""
        if self._waiting and isinstance(first := self._waiting[0], asyncio.Task):
            await asyncio.wait([first])
        return self.take_certain()

    async def _look_up_meaning(self, meaning: Meaning, doubt: Doubt) -> Citation:
        sentences = [sentence.text for sentence in doubt.evidence]
        try:
            place = await self._cpu.run(meaning.nearest, doubt.claim, sentences)
        except Exception:  # an answer does not fail for want of a second opinion
            log.exception("a citation could not be looked at again")
            place = None
        return doubt.citation if place is None else doubt.resolve(place)
