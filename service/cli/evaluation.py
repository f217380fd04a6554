"""`clearance eval`: measures prompts on a set of questions, through the path that callers' questions take."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.cli.common import exit_on_error
from indexes.cli.terminal import INTERRUPTED, graceful
from indexes.errors import BadInput
from indexes.model import Mode
from service.cli.abstention import calibrate_and_store

if TYPE_CHECKING:
    from indexes.settings import Settings
    from service.evaluation.measuring import Wanted
    from service.evaluation.results import Results


def evaluate(
    place: Annotated[
        Path, typer.Argument(metavar="SET", help="A labelled set's folder, or a .jsonl file.", show_default=False)
    ],
    template: Annotated[
        list[str], typer.Option(help="NAME (its newest version), NAME@VERSION, or a .yaml draft that is not saved yet.")
    ] = [],  # noqa: B006
    quotes: Annotated[bool, typer.Option("--quotes", help="Measure quotes without a model too.")] = False,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="One of the served models.")] = None,
    asker: Annotated[str | None, typer.Option("--as", metavar="USER", help="Ask everything as this user.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="A sample, with and without answer in the set's proportions.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Passages; default: CLEARANCE_DEFAULT_K.")] = None,
    mode: Annotated[Mode, typer.Option(help="How passages are found.")] = "hybrid",
    answer_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer; default: the setting.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions at a time; latency depends on it.")] = 4,
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The set's people, to check what was shown by the set itself.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For answers and reports; default: evaluation/SET in the home.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Results for programs.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The report with plots.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of the resampling.")] = 0,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Ask no model: choose how little evidence is too little, and keep it.")
    ] = False,
    shy: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of answerable questions that --calibrate may have refused.")
    ] = 0.02,
) -> None:
    """Measure prompts before they are used: ask a set of questions with each template and compare the answers.

    A line of a .jsonl file is one question: `question`, `answers` (any one is right), `documents` (paths of those that
    answer), `answerable`, `user`, `id`; only the question must be there.

    Without --template: what is active for each asker. The same command again goes on where it stopped, and asks nothing
    anew whose outcome cannot have changed.

    What is asked is made of what the asker may read, as always. Which template and which model is asked is for who runs
    this command to say, whoever else may use them.
    """
    from service.evaluation.measuring import Wanted
    from service.evaluation.report import tell, write

    try:
        with exit_on_error():
            settings = configuration.load()
            wanted = Wanted(
                place=place, templates=tuple(template), quotes=quotes, model=model, asker=asker, questions=questions,
                k=k or settings.default_k, mode=mode, answer_tokens=answer_tokens, concurrency=concurrency,
                users=users, out=out, seed=seed,
            )  # fmt: skip
            if wanted.k > settings.max_k:
                raise BadInput(f"{wanted.k} passages are more than {settings.max_k}.", remedy="See CLEARANCE_MAX_K.")
            if calibrate:
                typer.echo("\n".join(calibrate_and_store(wanted, settings, shy).lines()))
                return
            results = _measured(wanted, settings)
            folder = wanted.folder(settings)
            written = write(results, json_file or folder / "results.json", html_file or folder / "report.html")
            tell(results, written)
    except KeyboardInterrupt:
        typer.echo("Interrupted. Every answer so far is kept; run the same command again to go on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if results.sound else 1)


def _measured(wanted: "Wanted", settings: "Settings") -> "Results":
    from service.evaluation.measuring import measure
    from service.evaluation.watching import watching

    with graceful(), watching(sys.stderr) as watcher:
        return asyncio.run(measure(wanted, settings, watcher))
