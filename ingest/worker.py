"""Ingestion jobs: put into the queue of the catalog, and done from there one after another."""

from collections import deque
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

from indexes.catalog import Catalog
from indexes.catalog.jobs import Job
from indexes.embedder import LoadEmbedder, embedder_loader
from indexes.ingest_lock import ingest_lock
from indexes.job_kinds import INGEST, REMOVE_FILE, UPLOAD, IngestRequest
from indexes.jobs import Attempt, Handler, JobRunner
from indexes.model import WORKER, Actor
from indexes.settings import Settings
from ingest.attempts import AttemptWatcher
from ingest.embedders import Embedders
from ingest.report import IngestReport
from ingest.requests import MakeParsers, check_request, perform_ingest
from ingest.uploads import UploadTools, purge_uploads, removal_handler, upload_handler

POLL_S = 2.0
MAX_LISTED = 1_000  # files in the result of a job, and lines for people


def enqueue_ingest(
    request: IngestRequest, settings: Settings, catalog: Catalog, *, by: Actor
) -> Job:
    """The ingestion as a job, for which a worker will act as `by`.

    Raises BadInput and NotFound for a request that could not begin now.
    """
    checked = check_request(request, settings, catalog)
    return catalog.jobs.enqueue(INGEST, checked.payload(), by=by)


def do_jobs(
    settings: Settings,
    *,
    once: bool,
    load: LoadEmbedder | None = None,
    make_parsers: MakeParsers | None = None,
    poll_s: float = POLL_S,
) -> None:
    """Claim and do jobs for ever; with `once`, until none waits.

    While a command line run has the corpus, no job is claimed.
    """
    with closing(Catalog.open(settings.catalog_url)) as catalog:
        loads = load or embedder_loader(settings)
        tools = UploadTools(
            settings=settings, catalog=catalog, load=loads, make_parsers=make_parsers
        )
        handlers = {
            INGEST: ingest_handler(settings, catalog, loads, make_parsers),
            UPLOAD: upload_handler(tools),
            REMOVE_FILE: removal_handler(tools),
        }
        purge_uploads(tools)
        turn = partial(ingest_lock, settings.home)
        runner = JobRunner(catalog.jobs, handlers, by=WORKER, poll_s=poll_s, turn=turn)
        runner.run(once=once)


def ingest_handler(
    settings: Settings,
    catalog: Catalog,
    load: LoadEmbedder,
    make_parsers: MakeParsers | None = None,
) -> Handler:
    """Does one ingestion; its result is the report. What it writes, whoever asked for it writes.

    It takes no lock: whoever runs it holds the one for the corpus (`ingest_lock`).
    """

    def ingest(payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        request, by = IngestRequest.of(payload), attempt.asked_by
        report = IngestReport(watcher=AttemptWatcher(attempt), go_on=attempt.check)
        embedders = Embedders(catalog, settings, load, by=by)
        perform_ingest(request, settings, catalog, embedders, report, make_parsers, by=by)
        report.close()
        lines = deque(report.lines(), MAX_LISTED)  # the totals come last
        return {**report.summary(most=MAX_LISTED), "lines": list(lines)}

    return ingest
