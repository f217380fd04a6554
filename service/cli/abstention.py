"""`clearance abstention`: how little evidence is too little to answer from."""

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.cli.common import command_line_actor, open_catalog
from indexes.cli.terminal import INTERRUPTED
from indexes.settings import Settings
from service.cli.question_sets import (
    AskerOption,
    PassageCountOption,
    PeopleOption,
    QuestionsOption,
    SearchModeOption,
    SeedOption,
    SetArgument,
    passages_to_find,
)

if TYPE_CHECKING:
    from service.evaluation.calibration import Calibration
    from service.evaluation.measurement import MeasurementPlan

app = typer.Typer(help="How little evidence is too little to answer from.", no_args_is_help=True)


@app.command("show")
def show_thresholds() -> None:
    """What holds now for the active embedding model."""
    from service.evaluation.calibration import describe_in_force

    with open_catalog() as catalog:
        lines = describe_in_force(catalog)
    typer.echo("\n".join(lines) or "Nothing is refused for little evidence.")


@app.command("off")
def refuse_nothing() -> None:
    """From the next request on, refuse nothing for little evidence."""
    from service.evaluation.calibration import switch_abstention_off

    with open_catalog() as catalog:
        switch_abstention_off(catalog, by=command_line_actor())


@app.command("reset")
def reset_thresholds() -> None:
    """Forget what was calibrated or switched off; what comes with the embedding model holds again."""
    from service.evaluation.calibration import describe_in_force, forget_calibration

    with open_catalog() as catalog:
        forgotten = forget_calibration(catalog, by=command_line_actor())
        lines = describe_in_force(catalog)
    typer.echo("\n".join(["Forgotten." if forgotten else "There was nothing to forget.", *lines]))


@app.command("calibrate")
def calibrate_thresholds(
    place: SetArgument,
    max_refused_share: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Of the answerable questions."),
    ] = 0.02,
    asker: AskerOption = None,
    questions: QuestionsOption = None,
    k: PassageCountOption = None,
    mode: SearchModeOption = "hybrid",
    users: PeopleOption = None,
    seed: SeedOption = 0,
) -> None:
    """Choose from a set of questions how little evidence is too little, and keep it. Asks no model.

    The set is as for `clearance eval`, with questions that have an answer and questions that have
    none. What is chosen holds from the next request on, in every process.
    """
    from service.evaluation.measurement import MeasurementPlan

    try:
        settings = configuration.load()
        wanted = MeasurementPlan(
            place=place,
            asker=asker,
            questions=questions,
            k=passages_to_find(k, settings),
            mode=mode,
            users=users,
            seed=seed,
        )
        found = asyncio.run(_calibrate_and_store(wanted, settings, max_refused_share))
    except KeyboardInterrupt:
        typer.echo("Interrupted. What holds now: clearance abstention show", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo("\n".join(found.lines()))


async def _calibrate_and_store(
    wanted: "MeasurementPlan",
    settings: Settings,
    max_refused_share: float,
) -> "Calibration":
    from anyio import to_thread

    from service.evaluation import calibration
    from service.evaluation.measurement import prepare_measurement

    async with prepare_measurement(wanted, settings) as (here, given):
        work = partial(
            calibration.calibrate,
            here.searcher,
            given.cases,
            mode=wanted.mode,
            k=wanted.k,
            max_refused_share=max_refused_share,
            progress=_tell_progress,
        )
        found = await to_thread.run_sync(work, abandon_on_cancel=True)
        keep = partial(calibration.store_calibration, here.catalog, found, by=command_line_actor())
        await to_thread.run_sync(keep)
    return found


def _tell_progress(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        print(f"{done} of {total} questions searched for", file=sys.stderr, flush=True)
