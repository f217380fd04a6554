"""`clearance ingest`, `ingest-set` and `worker`: the pipeline from the command line and from the
queue of jobs.
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.cli.common import (
    Allow,
    Deny,
    Json,
    command_line_actor,
    exit_code,
    exit_on_error,
    open_catalog,
    print_error,
    print_result,
)
from indexes.cli.terminal import INTERRUPTED, graceful, show_progress
from indexes.errors import ClearanceError
from indexes.ingest_lock import ingest_lock
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.cli.sources import sources

if TYPE_CHECKING:  # this module is loaded for every command: what only some need, they import
    from indexes.embedder import LoadEmbedder
    from ingest.report import IngestReport
    from ingest.requests import MakeParsers
    from ingest.set_documents import LabelledSet

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(sources, name="sources")


@app.command()
def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files and folders.", show_default=False)
    ],
    allow: Allow = None,
    deny: Deny = None,
    collection: Annotated[
        str, typer.Option(help="A name that questions can be limited to.")
    ] = "default",
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="PATH is the folder of this source.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON lines: file, allow, title …")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove documents whose files are gone.")
    ] = False,
    prune_anyway: Annotated[
        bool, typer.Option("--prune-anyway", help="Prune, however many would go.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave the work to a running `clearance worker`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take documents in: new and changed files are read, changed readers take effect at once, the
    rest is left alone.

    Who may read a file: --allow and --deny, else its manifest line, else the nearest .access.yaml
    at or above it.
    """
    with exit_on_error(as_json=as_json):
        given: dict[str, Any] = {"source": source, "collection": collection, "dry_run": dry_run}
        given |= {"paths": [path.absolute() for path in paths]}
        given |= {"manifest": manifest.absolute() if manifest else None}
        given |= {"allow": allow or (), "deny": deny or ()}
        given |= {"prune": prune or prune_anyway, "prune_anyway": prune_anyway}
        request = IngestRequest.of(given)
        if queue:
            queue_ingest(request, configuration.load(), as_json=as_json)
            return
        raise typer.Exit(ingest_once(request, configuration.load(), as_json=as_json))


@app.command("ingest-set")
def ingest_set(
    folder: Annotated[
        Path,
        typer.Argument(help="With corpus.jsonl, and acl.jsonl or --allow.", show_default=False),
    ],
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="People; default: users.jsonl in FOLDER.")
    ] = None,
    allow: Allow = None,
    deny: Deny = None,
    as_json: Json = False,
) -> None:
    """Take a labelled set in, to measure answers on it: `clearance eval FOLDER`.

    Each row becomes a document.

    Use a home of its own (CLEARANCE_HOME): the people of the set become users of this catalog.
    """
    from ingest import set_documents

    with exit_on_error(as_json=as_json):
        given = set_documents.read_set(folder, users=users, allow=allow or (), deny=deny or ())
        raise typer.Exit(ingest_labelled(given, configuration.load(), as_json=as_json))


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Do the jobs that wait, then end.")] = False,
) -> None:
    """Do ingestion jobs from the queue, one after another."""
    from ingest.worker import do_jobs

    try:
        with exit_on_error(), graceful():
            do_jobs(configuration.load(), once=once)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="The folder to follow.", show_default=False)],
    allow: Allow = None,
    deny: Deny = None,
    collection: Annotated[
        str, typer.Option(help="A name that questions can be limited to.")
    ] = "default",
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave the work to a running `clearance worker`.")
    ] = False,
) -> None:
    """Follow a folder until Ctrl-C: what changes in it is taken in within seconds, rules hold, and
    what is deleted goes.
    """
    from ingest.watching import FolderWatch

    with exit_on_error():
        settings = configuration.load()
        given = {"paths": [folder.absolute()], "collection": collection}
        request = IngestRequest.of(given | {"allow": allow or (), "deny": deny or ()})
        perform = _queued(settings) if queue else _with_one_model(settings)
        try:
            with graceful():
                FolderWatch(request, perform).follow()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _queued(settings: Settings) -> "Callable[[IngestRequest], None]":
    return lambda request: queue_ingest(request, settings, as_json=False)


def _with_one_model(settings: Settings) -> "Callable[[IngestRequest], None]":
    """Runs here. The model is loaded at the first need and kept.

    The function raises Busy if another run has the corpus, and KeyboardInterrupt.
    """
    from functools import cache

    from indexes.embedder import embedder_loader

    load = cache(embedder_loader(settings))

    def perform(request: IngestRequest) -> None:
        with ingest_lock(settings.home):  # so that Busy is told and not printed
            pass
        if ingest_once(request, settings, as_json=False, load=load) == INTERRUPTED:
            raise KeyboardInterrupt

    return perform


def ingest_once(
    request: IngestRequest,
    settings: Settings,
    *,
    as_json: bool,
    load: "LoadEmbedder | None" = None,
    make_parsers: "MakeParsers | None" = None,
) -> int:
    """The whole command.

    Returns its exit code: 0 all well, 1 a file had a problem, 2 wrong use, 130 interrupted.
    """
    from indexes.embedder import embedder_loader
    from ingest.embedders import Embedders
    from ingest.requests import perform_ingest

    def work(report: "IngestReport", stack: ExitStack) -> None:
        if not request.dry_run:
            stack.enter_context(ingest_lock(settings.home))
        catalog = _open_catalog(settings, request, stack)
        loads = load or embedder_loader(settings, report.watcher.say)
        by = command_line_actor()
        embedders = Embedders(catalog, settings, loads, by=by) if catalog else None
        perform_ingest(request, settings, catalog, embedders, report, make_parsers, by=by)

    return _run_and_report(work, dry_run=request.dry_run, as_json=as_json)


def queue_ingest(request: IngestRequest, settings: Settings, *, as_json: bool) -> None:
    """Puts the request into the queue, and tells the job's id.

    Raises BadInput and NotFound for what could not begin now.
    """
    from ingest.worker import enqueue_ingest

    with open_catalog(settings) as catalog:
        job = enqueue_ingest(request, settings, catalog, by=command_line_actor())
    told = [f"Job {job.id} waits for a running `clearance worker`."]
    told += [f"How far it is: clearance jobs show {job.id}"]
    print_result({"job": job.id, "state": job.state}, told, as_json)


def ingest_labelled(
    given: "LabelledSet", settings: Settings, *, as_json: bool, load: "LoadEmbedder | None" = None
) -> int:
    """The whole command for a labelled set. Returns its exit code, as `ingest_once`."""
    from indexes.embedder import embedder_loader
    from ingest import set_documents
    from ingest.embedders import Embedders
    from ingest.steps.values import WriteTools

    def work(report: "IngestReport", stack: ExitStack) -> None:
        stack.enter_context(ingest_lock(settings.home))
        catalog = stack.enter_context(open_catalog(settings))
        loads, by = load or embedder_loader(settings, report.watcher.say), command_line_actor()
        embedders = Embedders(catalog, settings, loads, by=by)
        tools = WriteTools(catalog=catalog, settings=settings, embedders=embedders, by=by)
        set_documents.ingest_set(given, tools, report)

    return _run_and_report(work, dry_run=False, as_json=as_json)


def _print_report(report: "IngestReport", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.summary()))
        return
    for line in report.lines():
        print(line)
    if report.error:
        print_error(report.error)


def _run_and_report(
    work: "Callable[[IngestReport, ExitStack], None]", *, dry_run: bool, as_json: bool
) -> int:
    """Does the work under watch and tells what came of it. Returns the exit code."""
    from ingest.report import FileProgress, IngestReport

    with show_progress(sys.stderr, "Ingesting") as shown:
        report = IngestReport(watcher=FileProgress(shown), dry_run=dry_run)
        try:
            with graceful(), ExitStack() as stack:
                work(report, stack)
        except KeyboardInterrupt:
            report.interrupted = True
        except ClearanceError as error:
            report.error = error
        report.close()
    _print_report(report, as_json=as_json)
    if report.interrupted:
        return INTERRUPTED
    return exit_code(report.error) if report.error else int(not report.succeeded)


def _open_catalog(settings: Settings, request: IngestRequest, stack: ExitStack) -> Catalog | None:
    """The catalog; None if a dry run would have to make one."""
    at_home = settings.database_url is None
    if request.dry_run and at_home and not (settings.home / "catalog.sqlite").exists():
        return None
    return stack.enter_context(open_catalog(settings))
