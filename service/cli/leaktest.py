"""`clearance leaktest`."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import durable
from indexes import settings as configuration
from indexes.cli.common import Json, command_line_actor, open_catalog

if TYPE_CHECKING:
    from indexes.catalog import Catalog
    from indexes.settings import Settings
    from service.leaktest.report import LeakReport


def leaktest(
    url: Annotated[
        str, typer.Argument(help="Where the service answers, such as http://127.0.0.1:8080.")
    ] = "",
    pairs: Annotated[
        int,
        typer.Option(min=0, help="Of requests whose time is compared; 0: time is not looked at."),
    ] = 200,
    models: Annotated[
        bool, typer.Option(help="Compare the answers of language models, too; that takes its time.")
    ] = False,
    as_json: Json = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the report as JSON into this file, too.")
    ] = None,
    only_clean: Annotated[
        bool,
        typer.Option("--clean", help="Only remove what a test that was killed has left behind."),
    ] = False,
) -> None:
    """Attack a running service of this home: does it tell anybody of what they may not read?

    Makes people, a group and documents of its own in the catalog, asks through every address as
    somebody who may not read them, and removes everything again. Exit code 1 if anything was found.
    """
    from service.leaktest.canaries import remove_canaries

    settings = configuration.load()
    with open_catalog(settings) as catalog:
        if only_clean:
            typer.echo(
                f"{remove_canaries(catalog, by=command_line_actor())} things of earlier leak tests were removed."
            )
            return
        if not url:
            raise typer.BadParameter(
                "Say where the service answers, such as http://127.0.0.1:8080."
            )
        report = _attack(url, catalog, settings, pairs=pairs, models=models)
    if output is not None:
        _write_report(output, json.dumps(report.as_dict(), indent=1) + "\n")
    typer.echo(json.dumps(report.as_dict(), indent=1) if as_json else "\n".join(report.describe()))
    if not report.clean:
        raise typer.Exit(1)


def _attack(
    url: str, catalog: "Catalog", settings: "Settings", *, pairs: int, models: bool
) -> "LeakReport":
    """With the settings' own embedder; an interrupted attack removes what it made."""
    from indexes import embedder as embedding
    from service.leaktest.attack import attack_service

    load = embedding.embedder_loader(settings)
    with end_on_signals():
        return attack_service(
            url,
            catalog,
            lambda each: load(each.model, each.fingerprint),
            by=command_line_actor(),
            pairs=pairs,
            models=models,
            say=lambda text: typer.echo(text, err=True),
        )


def _write_report(output: Path, text: str) -> None:
    """Writes the report for its owner alone; what is a pipe or a link stays one."""
    if output.is_symlink() or (output.exists() and not output.is_file()):
        output.write_text(text, encoding="utf-8")
    else:
        durable.write(output, text.encode())


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Ctrl-C and a polite kill end the test like an error, once: what was made is removed before
    the process ends.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # removing goes on undisturbed
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
