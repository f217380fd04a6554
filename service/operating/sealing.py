"""The duties of a process towards the audit record: that it is on the disk soon, and signed."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread

from indexes.catalog import Catalog
from indexes.catalog.audit.seals import load_key
from indexes.catalog.audit.trail import Trail
from indexes.errors import ClearanceError
from service.operating.tasks import end_task

SYNC_S = 5.0  # what was recorded is on the disk after so long at most
SYNCS_A_SEAL = 12

log = logging.getLogger(__name__)


class Sealing:
    """Syncs and seals what is recorded, now and then and in the end."""

    def __init__(self, trail: Trail, catalog: Catalog, home: Path) -> None:
        """home: where the key is."""
        self._trail = trail
        self._books = catalog.books(trail)
        self._home = home

    @asynccontextmanager
    async def keep_sealing(self) -> AsyncIterator[None]:
        """While the block runs."""
        task = asyncio.create_task(self._work_regularly())
        try:
            yield
        finally:
            await end_task(task)
            await to_thread.run_sync(self._seal)
            await to_thread.run_sync(self._sync)

    async def _work_regularly(self) -> None:
        while True:
            for _ in range(SYNCS_A_SEAL):
                await asyncio.sleep(SYNC_S)
                await to_thread.run_sync(self._sync)
            await to_thread.run_sync(self._seal)

    def _sync(self) -> None:
        try:
            self._trail.sync()
        except OSError as error:
            log.error("the audit record is not on the disk yet: %s", error.strerror)

    def _seal(self) -> None:
        try:
            key = load_key(self._home)
            self._trail.seal(key)
            self._books.seal_changes(key)
        except (ClearanceError, OSError) as error:  # tried again; records are kept without, too
            told = error.strerror if isinstance(error, OSError) else error
            log.error("the audit record is not sealed: %s", told)
