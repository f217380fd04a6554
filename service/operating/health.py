"""Whether the service can answer, known beforehand: who asks without a key sets nothing in motion
and measures nothing.

A look at the catalog takes longer after somebody has written to it, so the process looks by itself,
at its own pace.
"""

import asyncio
import logging
from collections.abc import Callable

from anyio import CapacityLimiter, fail_after, to_thread

CHECK_EVERY_S = 1.0
WITHIN_S = 5.0  # for the catalog to show that it is there

log = logging.getLogger("clearance.health")


class Health:
    """Of what must be there for any search."""

    def __init__(self, check_catalog: Callable[[], object]) -> None:
        """check_catalog: fails if the catalog cannot be read. Blocking."""
        self._check_catalog = check_catalog
        self._limiter = CapacityLimiter(1)
        self.catalog = False

    async def check(self) -> None:
        """Looks once. What it catches is logged when things change, and not again at every look."""
        was = self.catalog
        try:
            with fail_after(WITHIN_S):
                await to_thread.run_sync(
                    self._check_catalog, limiter=self._limiter, abandon_on_cancel=True
                )
        except Exception as error:  # whatever is wrong with it, nothing can be searched
            self.catalog = False
            if was:
                log.error(
                    "the catalog cannot be read",
                    extra={"fields": {"error": type(error).__qualname__}},
                )
        else:
            self.catalog = True
            if not was:
                log.info("the catalog can be read")

    async def keep_checking(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await self.check()
