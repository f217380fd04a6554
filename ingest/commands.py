"""`clearance ingest` and `clearance worker`: the pipeline from the command line and from the queue of jobs."""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexes import settings as configuration
from indexes.catalog import Catalog, Job
from indexes.embedder import Embedder
from indexes.embedder import load as load_embedder
from indexes.errors import BadInput, Busy, ClearanceError, CorpusError
from indexes.settings import Settings
from ingest import pipeline, plan
from ingest.access import Rules, command_line_rule, read_manifest
from ingest.lock import only_one
from ingest.pipeline import Embedders, Tools
from ingest.report import Bar, Lines, Outcome, Report, Watcher, printable
from ingest.sandbox import Parsers
from ingest.sources import find_roots, scan

JOB_KIND = "ingest"
LEASE_S = 60.0
POLL_S = 2.0
TELL_S = 1.0  # how often a job's progress is written
MAX_ATTEMPTS = 5  # a job that takes its worker down with it must not do so for ever
MAX_LISTED = 1_000  # files in the result of a job
INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
log = logging.getLogger(__name__)

LoadEmbedder = Callable[[str], Embedder]


class Request(BaseModel):
    """What to ingest: the arguments of the command, and the payload of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[Path, ...] = Field(min_length=1)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    collection: str = Field("default", min_length=1, max_length=200)
    manifest: Path | None = None
    prune: bool = False
    dry_run: bool = False


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files and folders.", show_default=False)],
    allow: Annotated[list[str], typer.Option(metavar="PRINCIPAL", help="May read: user:…, group:… or public.")] = [],  # noqa: B006
    deny: Annotated[list[str], typer.Option(metavar="PRINCIPAL", help="May not read, whatever allows it.")] = [],  # noqa: B006
    collection: Annotated[str, typer.Option(help="A name that questions can be limited to.")] = "default",
    manifest: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON lines: file, allow, title …")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove documents whose files are gone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Take documents in: new and changed files are read, changed readers take effect at once, the rest is left alone.

    Who may read a file: --allow and --deny, else its manifest line, else the nearest .access.yaml at or above it.
    """
    try:
        request = Request(
            paths=tuple(paths),
            allow=tuple(allow),
            deny=tuple(deny),
            collection=collection,
            manifest=manifest,
            prune=prune,
            dry_run=dry_run,
        )
        raise typer.Exit(ingest_once(request, configuration.load(), as_json=as_json))
    except ClearanceError as error:
        raise typer.Exit(_told(error, as_json=as_json)) from error


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Do the jobs that wait, then end.")] = False,
) -> None:
    """Do ingestion jobs from the queue, one after another."""
    try:
        settings = configuration.load()
        with _graceful():
            work(settings, once=once)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except ClearanceError as error:
        raise typer.Exit(_told(error, as_json=False)) from error


def ingest_once(
    request: Request,
    settings: Settings,
    *,
    as_json: bool,
    load: LoadEmbedder | None = None,
    parsers: Callable[[Settings], Any] = Parsers,
) -> int:
    """The whole command. Returns its exit code: 0 all well, 1 a file failed or was refused, 130 interrupted."""
    with _watcher(sys.stderr) as watcher:
        report = Report(watcher=watcher, dry_run=request.dry_run)
        try:
            with _graceful(), ExitStack() as stack:
                if not request.dry_run:
                    stack.enter_context(only_one(settings.home))
                catalog = _catalog(settings, request, stack)
                embedders = (
                    None if catalog is None else Embedders(catalog, settings.embedding_model, load or _loader(settings))
                )
                perform(request, settings, catalog, embedders, report, parsers=parsers)
        except KeyboardInterrupt:
            report.interrupted = True
        except BadInput:
            raise
        except ClearanceError as error:
            report.error = error
        report.close()
    if as_json:
        print(json.dumps(report.summary()))
    else:
        for line in report.lines():
            print(line)
        if report.error:
            _told(report.error, as_json=False)
    return INTERRUPTED if report.interrupted else int(not report.succeeded)


def perform(
    request: Request,
    settings: Settings,
    catalog: Catalog | None,
    embedders: Embedders | None,
    report: Report,
    *,
    parsers: Callable[[Settings], Any] = Parsers,
) -> None:
    """Scan, plan, run. Without a catalog (a dry run before the first ingest) every file is new. Raises BadInput."""
    roots = find_roots(request.paths)
    entries = read_manifest(request.manifest) if request.manifest else {}
    rules = Rules(command_line_rule(request.allow, request.deny), entries)
    own = frozenset({request.manifest.resolve()} if request.manifest else ())
    found = scan(roots, rules, collection=request.collection, max_bytes=settings.max_file_mb * 1_000_000, skip=own)
    stored = {uri: d for root in roots if catalog for uri, d in catalog.documents.stored(root.prefix).items()}
    planned = plan.make(found, stored, prune=request.prune)
    report.watcher.expect(planned.files)
    if request.dry_run or catalog is None or embedders is None:
        pipeline.preview(planned, settings, report)
    elif not planned.tasks:
        pipeline.withdraw(planned, catalog, report)
    else:
        with parsers(settings) as pool:
            tools = Tools(catalog=catalog, settings=settings, embedders=embedders, parsers=pool)
            _carry_out(planned, tools, report)


def _carry_out(planned: plan.Plan, tools: Tools, report: Report) -> None:
    try:
        pipeline.run(planned, tools, report)
    except (ClearanceError, MemoryError):
        raise
    except Exception as error:
        log.exception("The run was stopped")
        raise CorpusError(
            f"{type(error).__name__}: {error}", remedy="Mend the cause, then run the same command again."
        ) from error


def work(
    settings: Settings,
    *,
    once: bool,
    load: LoadEmbedder | None = None,
    parsers: Callable[[Settings], Any] = Parsers,
    poll_s: float = POLL_S,
) -> None:
    """Claim and do jobs for ever; with `once`, until none waits."""
    catalog = Catalog.open(settings.catalog_url)
    embedders = Embedders(catalog, settings.embedding_model, load or _loader(settings))
    try:
        while True:
            if _one_job(settings, catalog, embedders, parsers):
                continue
            if once:
                return
            time.sleep(poll_s)
    finally:
        catalog.close()


def _one_job(settings: Settings, catalog: Catalog, embedders: Embedders, parsers: Callable[[Settings], Any]) -> bool:
    """Do the oldest job. False: none waits, or a command line run has the corpus."""
    try:
        with only_one(settings.home):
            job = catalog.jobs.claim((JOB_KIND,), LEASE_S)
            if job is not None:
                _do(job, settings, catalog, embedders, parsers)
            return job is not None
    except Busy as error:
        log.info("%s", error)
        return False


def _do(
    job: Job, settings: Settings, catalog: Catalog, embedders: Embedders, parsers: Callable[[Settings], Any]
) -> None:
    """Raises Busy when another worker has taken the job over."""
    if job.fence > MAX_ATTEMPTS:
        catalog.jobs.fail(job, f"Given up: {MAX_ATTEMPTS} workers ended before it was done.")
        return
    with _Lease(catalog, job) as lease:
        report = Report(watcher=lease)
        try:
            request = Request.model_validate(job.payload)
            perform(request, settings, catalog, embedders, report, parsers=parsers)
        except ValidationError as error:
            lease.result = f"The job cannot be understood: {error.errors()[0]['msg']}."
            return
        except ClearanceError as error:
            lease.result = f"{error} {error.remedy or ''}".strip()
            return
        report.close()
        lease.result = report.summary(most=MAX_LISTED)


class _Lease:
    """Keeps a job ours while it is done, and says how far it is. An exception leaves the job to the next worker."""

    def __init__(self, catalog: Catalog, job: Job) -> None:
        self.result: dict[str, Any] | str | None = None
        self._catalog = catalog
        self._job = job
        self._done = 0
        self._total = 0
        self._ended = threading.Event()
        self._lost: ClearanceError | None = None
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def expect(self, files: int) -> None:
        self._total = files

    def happened(self, outcome: Outcome) -> None:
        if self._lost:
            raise self._lost
        self._done += 1

    def say(self, text: str) -> None:
        log.info("%s", text)

    def _renew(self) -> None:
        said, said_at = 0, time.monotonic()
        while not self._ended.wait(TELL_S):
            if self._done == said and time.monotonic() - said_at < LEASE_S / 4:
                continue
            said, said_at = self._done, time.monotonic()
            try:
                self._catalog.jobs.progress(self._job, self._done, self._total, lease_s=LEASE_S)
            except Busy as error:
                self._lost = error
                return

    def __enter__(self) -> "_Lease":
        self._thread.start()
        return self

    def __exit__(self, *failed: object) -> None:
        self._ended.set()
        self._thread.join()
        if isinstance(self.result, str):
            self._catalog.jobs.fail(self._job, self.result)
        elif self.result is not None:
            self._catalog.jobs.progress(self._job, self._done, self._total, lease_s=LEASE_S)
            self._catalog.jobs.finish(self._job, self.result)


def _catalog(settings: Settings, request: Request, stack: ExitStack) -> Catalog | None:
    """The catalog; None where a dry run would have to make one."""
    at_home = settings.database_url is None
    if request.dry_run and at_home and not (settings.home / "catalog.sqlite").exists():
        return None
    catalog = Catalog.open(settings.catalog_url)
    stack.callback(catalog.close)
    return catalog


def _loader(settings: Settings) -> LoadEmbedder:
    return lambda model: load_embedder(settings.model_copy(update={"embedding_model": model}))


@contextmanager
def _watcher(out: IO[str]) -> Iterator[Watcher]:
    if out.isatty():
        with Bar(out) as bar:
            yield bar
    else:
        yield Lines(out)


@contextmanager
def _graceful() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: between two transactions, never inside one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(error: ClearanceError, *, as_json: bool) -> int:
    """Says what went wrong; returns the exit code."""
    if as_json:
        print(json.dumps({"succeeded": False, "error": {"reason": str(error), "remedy": error.remedy}}))
    print(printable(f"error: {error}"), file=sys.stderr)
    if error.remedy:
        print(printable(f"       {error.remedy}"), file=sys.stderr)
    return 2 if isinstance(error, BadInput) else 1
