"""`clearance abstention`: how little evidence is too little to answer from."""

import asyncio
import sys
from functools import partial
from pathlib import Path
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
    from service.evaluation.thresholds import Aims

FALSE_REFUSALS = 0.02

app = typer.Typer(help="How little evidence is too little to answer from.", no_args_is_help=True)


@app.command("show")
def show_thresholds() -> None:
    """What holds now for the active embedding model."""
    from service.evaluation.calibration import describe_in_force

    with open_catalog() as catalog:
        lines = describe_in_force(catalog, _checked_by())
    typer.echo("\n".join(lines) or "Nothing is refused for little evidence.")


def _checked_by() -> str:
    """The name of the answer check that the settings name."""
    return configuration.load().answer_scorer


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
        lines = describe_in_force(catalog, _checked_by())
    typer.echo("\n".join(["Forgotten." if forgotten else "There was nothing to forget.", *lines]))


@app.command("calibrate")
def calibrate_thresholds(
    place: SetArgument,
    precision: Annotated[
        float | None,
        typer.Option(help="At least this share of the refused questions must have no answer."),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(help="At least this share of the questions without an answer is refused."),
    ] = None,
    false_refusals: Annotated[
        float | None,
        typer.Option(
            "--false-refusals",
            "--max-refused-share",
            help="At most this share of the questions with an answer is refused; the aim if none is named: 0.02.",
        ),
    ] = None,
    spare_wordy: Annotated[
        bool,
        typer.Option(
            "--spare-wordy", help="Count a question as refused if it is refused in many words."
        ),
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Keep what comes nearest if it misses the aim.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the curves into this file.")
    ] = None,
    asker: AskerOption = None,
    questions: QuestionsOption = None,
    k: PassageCountOption = None,
    mode: SearchModeOption = "hybrid",
    users: PeopleOption = None,
    seed: SeedOption = 0,
) -> None:
    """Choose from a set of questions how little evidence is too little, and keep it. Asks no model.

    The set is as for `clearance eval`, with questions that have an answer and questions that have
    none. The threshold is chosen on one half of them and tried on the other. What is chosen holds
    from the next request on, in every process. If the aim cannot be reached, nothing is kept, and
    the command fails.
    """
    from service.evaluation.calibration_report import describe, write_picture
    from service.evaluation.measurement import MeasurementPlan
    from service.evaluation.thresholds import Aims

    if precision is None and recall is None and false_refusals is None:
        false_refusals = FALSE_REFUSALS
    aims = Aims(precision=precision, recall=recall, false_refusals=false_refusals)
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
        how = partial(_calibrate_and_store, aims=aims, spare_wordy=spare_wordy, anyway=anyway)
        found = asyncio.run(how(wanted, settings))
    except KeyboardInterrupt:
        typer.echo("Interrupted. What holds now: clearance abstention show", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo("\n".join([*describe(found), _tell_kept(found, anyway=anyway)]))
    if picture is not None:
        write_picture(found, picture)
        typer.echo(f"Written: {picture}")
    raise typer.Exit(0 if found.reached or anyway else 1)


async def _calibrate_and_store(
    wanted: "MeasurementPlan",
    settings: Settings,
    *,
    aims: "Aims",
    spare_wordy: bool,
    anyway: bool,
) -> "Calibration":
    from anyio import to_thread

    from service.evaluation import calibration
    from service.evaluation.measurement import prepare_measurement

    async with prepare_measurement(wanted, settings) as (here, given):
        work = partial(
            calibration.calibrate,
            here.searcher,
            given.cases,
            aims=aims,
            mode=wanted.mode,
            k=wanted.k,
            spare_wordy=spare_wordy,
            check=here.check,
            progress=_tell_progress,
        )
        found = await to_thread.run_sync(work, abandon_on_cancel=True)
        keep = partial(
            calibration.store_calibration,
            here.catalog,
            found,
            by=command_line_actor(),
            anyway=anyway,
        )
        await to_thread.run_sync(keep)
    return found


def _tell_kept(found: "Calibration", *, anyway: bool) -> str:
    """What became of it."""
    reached = sum(each.reached for each in found.findings.values())
    if anyway or reached == len(found.findings):
        return "Kept: it holds from the next question on."
    if reached:
        return "Kept where the aim is reached; for the other questions nothing has changed."
    return "Nothing is kept. Another aim, or --anyway for what comes nearest."


def _tell_progress(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        print(f"{done} of {total} questions searched for", file=sys.stderr, flush=True)
