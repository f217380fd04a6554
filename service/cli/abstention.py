"""`clearance eval --calibrate` and `clearance abstention`: how little evidence is too little to answer from."""

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

import typer
from anyio import to_thread

from indexes.cli.common import open_catalog
from indexes.settings import Settings

if TYPE_CHECKING:
    from service.evaluation.calibration import Calibration
    from service.evaluation.measuring import Wanted

app = typer.Typer(help="How little evidence is too little to answer from.", no_args_is_help=True)


@app.command("show")
def show() -> None:
    """What holds now for the active embedding model."""
    from service.evaluation.calibration import in_force

    with open_catalog() as catalog:
        lines = in_force(catalog)
    typer.echo("\n".join(lines) or "Nothing is refused for little evidence.")


@app.command("off")
def off() -> None:
    """From the next request on, refuse nothing for little evidence."""
    from service.evaluation.calibration import switch_off

    with open_catalog() as catalog:
        switch_off(catalog)


@app.command("reset")
def reset() -> None:
    """Forget what was calibrated or switched off; what comes with the embedding model holds again."""
    from service.evaluation.calibration import forget, in_force

    with open_catalog() as catalog:
        forgotten, lines = forget(catalog), in_force(catalog)
    typer.echo("\n".join(["Forgotten." if forgotten else "There was nothing to forget.", *lines]))


def calibrate_and_store(wanted: "Wanted", settings: Settings, shy: float) -> "Calibration":
    """Thresholds chosen on the set's questions; they hold from the next request on, in every process."""
    return asyncio.run(_calibrated(wanted, settings, shy))


async def _calibrated(wanted: "Wanted", settings: Settings, shy: float) -> "Calibration":
    from service.evaluation.calibration import calibrate, store
    from service.evaluation.measuring import prepared

    async with prepared(wanted, settings) as (here, given):
        work = partial(calibrate, here.searcher, given.cases, mode=wanted.mode, k=wanted.k, shy=shy, progress=_told)
        found = await to_thread.run_sync(work, abandon_on_cancel=True)
        await to_thread.run_sync(store, here.catalog, found)
    return found


def _told(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        print(f"{done} of {total} questions searched for", file=sys.stderr, flush=True)
