"""`clearance eval`: measures prompts on a set of questions, through the path that callers'
questions take.
"""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.cli.terminal import INTERRUPTED, graceful
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
    from indexes.settings import Settings
    from service.evaluation.measurement import MeasurementPlan
    from service.evaluation.results import Results


def evaluate(
    place: SetArgument,
    template: Annotated[
        list[str],
        typer.Option(help="NAME (its newest version), NAME@VERSION, or an unsaved .yaml draft."),
    ] = [],  # noqa: B006
    quotes: Annotated[
        bool, typer.Option("--quotes", help="Measure quotes without a model too.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="One of the served models.")
    ] = None,
    asker: AskerOption = None,
    questions: QuestionsOption = None,
    k: PassageCountOption = None,
    mode: SearchModeOption = "hybrid",
    concurrency: Annotated[
        int, typer.Option(min=1, max=256, help="Questions at a time; latency depends on it.")
    ] = 4,
    users: PeopleOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For answers.jsonl, results.json and report.html; default: evaluation/SET in the home.",
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Measure prompts before they are used: ask a set of questions with each template and compare
    the answers.

    A line of a .jsonl file is one question: `question`, `answers` (any one is right), `documents`
    (paths of those that answer), `answerable`, `user`, `id`, and `history`, the turns before a
    follow-up as /ask takes them; only the question must be there.

    Without --template: what is active for each asker. The same command again goes on where it
    stopped, and asks nothing anew whose outcome cannot have changed. Settings hold as they do for
    the service, such as CLEARANCE_LLM_ANSWER_TOKENS for the longest answer.

    What is asked is made of what the asker may read, as always. Which template and which model is
    asked is for who runs this command to say, whoever else may use them.
    """
    from service.evaluation.measurement import MeasurementPlan
    from service.evaluation.report import print_results, write_reports

    try:
        settings = configuration.load()
        wanted = MeasurementPlan(
            place=place,
            templates=tuple(template),
            quotes=quotes,
            model=model,
            asker=asker,
            questions=questions,
            k=passages_to_find(k, settings),
            mode=mode,
            concurrency=concurrency,
            users=users,
            out=out,
            seed=seed,
        )
        results = _measure_with_progress(wanted, settings)
        print_results(results, write_reports(results, wanted.output_folder(settings)))
    except KeyboardInterrupt:
        typer.echo(
            "Interrupted. Every answer so far is kept; run the same command again to go on.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if results.sound else 1)


def _measure_with_progress(wanted: "MeasurementPlan", settings: "Settings") -> "Results":
    from service.evaluation.measurement import measure_arms
    from service.evaluation.progress import show_trial_progress

    with graceful(), show_trial_progress(sys.stderr) as watcher:
        return asyncio.run(measure_arms(wanted, settings, watcher))
