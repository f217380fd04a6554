"""Index rebuilds as jobs: put down in the catalog first, then done by one thread of this process."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from indexes.catalog import Catalog, Job
from indexes.derived.rebuild import rebuild
from indexes.embedder import LoadEmbedder
from indexes.errors import ClearanceError, NotFound

log = logging.getLogger("clearance.jobs")

KIND = "rebuild"
LEASE_S = 300.0  # a job whose process died is taken up again after this
LOOK_S = 15.0  # jobs may also come from other processes
REPORT_S = 1.0
GOODBYE_S = 10.0


class Stopped(Exception):
    """This process is going down; the job is taken up again when its lease has run out."""


class Rebuilder:
    """Takes rebuild jobs from the catalog, one at a time. Searches go on meanwhile."""

    def __init__(self, catalog: Catalog, load_embedder: LoadEmbedder) -> None:
        self._catalog = catalog
        self._load_embedder = load_embedder
        self._wake = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="rebuild", daemon=True)

    def enqueue(self, model: str | None) -> Job:
        """A job that will be done, also if this process dies now. model: embed anew with this one."""
        job = self._catalog.jobs.enqueue(KIND, {"model": model})
        self._wake.set()
        return job

    def get(self, job_id: str) -> Job:
        """How far it is. Raises NotFound, for a job of another kind too: its result may name documents."""
        job = self._catalog.jobs.get(job_id)
        if job.kind != KIND:
            raise NotFound
        return job

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(GOODBYE_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                job = self._catalog.jobs.claim([KIND], LEASE_S)
                if job is not None:
                    self._do(job)
                    continue
            except Exception as error:  # a catalog out of reach now may be back later
                log.error("no jobs taken", extra={"fields": {"error": type(error).__qualname__}})
            self._wake.wait(LOOK_S)
            self._wake.clear()

    def _do(self, job: Job) -> None:
        try:
            done = rebuild(self._catalog, job.payload.get("model"), self._load_embedder, self._reporter(job))
        except Stopped:
            return
        except Exception as error:
            said = str(error) if isinstance(error, ClearanceError) else type(error).__qualname__
            log.error("rebuild failed", extra={"fields": {"job": job.id, "error": type(error).__qualname__}})
            self._catalog.jobs.fail(job, said)
        else:
            self._catalog.jobs.finish(job, {"generation": done.id, "model": done.model, "dimension": done.dimension})

    def _reporter(self, job: Job) -> Callable[[int, int], None]:
        """Writes progress down, at most once a second, and keeps the lease."""
        last = 0.0

        def report(done: int, total: int) -> None:
            nonlocal last
            if self._stopping.is_set():
                raise Stopped
            if time.monotonic() - last >= REPORT_S or done == total:
                last = time.monotonic()
                self._catalog.jobs.progress(job, done, total, lease_s=LEASE_S)

        return report
