"""An answer scorer that is not there when a service starts: it is converted in a process of its own,
while the service answers without it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import to_thread

from indexes.embedder.answer_scorer import ANSWERS_ONLY, PREPARE, AnswerScorer, load_answer_scorer
from indexes.settings import Settings
from service.operating.tasks import end_task

NICENESS = "10"  # behind questions

log = logging.getLogger("clearance.answer_scorer")


@asynccontextmanager
async def preparing_scorer(
    settings: Settings, use: Callable[[AnswerScorer], None]
) -> AsyncIterator[None]:
    """While the block runs, the scorer that the settings name is prepared."""
    preparing = asyncio.create_task(prepare_scorer(settings, use))
    try:
        yield
    finally:
        await end_task(preparing)


async def prepare_scorer(settings: Settings, use: Callable[[AnswerScorer], None]) -> None:
    """Converts the scorer, loads it and hands it over."""
    log.info("the answer scorer is prepared; until it is ready, words alone decide what answers")
    # with the settings of this process, wherever they come from
    given = {
        "CLEARANCE_HOME": str(settings.home.absolute()),
        "CLEARANCE_ANSWER_SCORER": settings.answer_scorer,
    }
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", NICENESS, sys.executable, "-m", PREPARE, ANSWERS_ONLY,
        env={**os.environ, **given}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = told.decode("utf-8", "replace").strip().rpartition("\n")[2]
        log.warning("the answer scorer cannot be prepared, words alone decide: %s", reason)
        return
    scorer = await to_thread.run_sync(load_answer_scorer, settings)
    if scorer is not None:
        use(scorer)
        log.info("the answer scorer is ready")
