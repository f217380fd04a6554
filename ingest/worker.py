"""Ingestion jobs from the queue in the catalog, done one after another."""

import logging
import threading
import time
from typing import Any

from indexes.catalog import Catalog, Job
from indexes.embedder import LoadEmbedder
from indexes.errors import Busy, ClearanceError
from indexes.settings import Settings
from ingest.lock import only_one
from ingest.pipeline import Embedders
from ingest.report import Outcome, Report
from ingest.requests import MakeParsers, Request, loader, perform

JOB_KIND = "ingest"
LEASE_S = 60.0
POLL_S = 2.0
TELL_S = 1.0  # how often a job's progress is written
MAX_ATTEMPTS = 5  # a job that takes its worker down with it must not do so for ever
MAX_LISTED = 1_000  # files in the result of a job

log = logging.getLogger(__name__)


def work(
    settings: Settings,
    *,
    once: bool,
    load: LoadEmbedder | None = None,
    make_parsers: MakeParsers | None = None,
    poll_s: float = POLL_S,
) -> None:
    """Claim and do jobs for ever; with `once`, until none waits."""
    catalog = Catalog.open(settings.catalog_url)
    embedders = Embedders(catalog, settings.embedding_model, load or loader(settings))
    try:
        while True:
            if _one_job(settings, catalog, embedders, make_parsers):
                continue
            if once:
                return
            time.sleep(poll_s)
    finally:
        catalog.close()


def _one_job(settings: Settings, catalog: Catalog, embedders: Embedders, make_parsers: MakeParsers | None) -> bool:
    """Do the oldest job. False: none waits, or a command line run has the corpus."""
    try:
        with only_one(settings.home):
            job = catalog.jobs.claim((JOB_KIND,), LEASE_S)
            if job is not None:
                _do(job, settings, catalog, embedders, make_parsers)
            return job is not None
    except Busy as error:
        log.info("%s", error)
        return False


def _do(job: Job, settings: Settings, catalog: Catalog, embedders: Embedders, make_parsers: MakeParsers | None) -> None:
    """Raises Busy when another worker has taken the job over."""
    if job.fence > MAX_ATTEMPTS:
        catalog.jobs.fail(job, f"Given up: {MAX_ATTEMPTS} workers ended before it was done.")
        return
    with _Lease(catalog, job) as lease:
        report = Report(watcher=lease)
        try:
            perform(Request.of(job.payload), settings, catalog, embedders, report, make_parsers)
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
