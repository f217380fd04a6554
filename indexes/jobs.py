"""Long work from the queue in the catalog: one runner for every kind of job.

A runner claims a job, keeps its lease while a handler does it, and writes down how it ended. It
knows no kind of work: whoever builds a runner says which handler does which kind.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from threading import Event, Thread
from typing import Any

from indexes.catalog.jobs import Job, Jobs
from indexes.errors import (
    Busy,
    Cancelled,
    ClearanceError,
    LeaseLost,
    NotFound,
    ShuttingDown,
)
from indexes.model import Actor

LEASE_S = 60.0  # a job whose process died is taken up again after this
PROGRESS_S = 1.0  # how often progress is written at most
MAX_ATTEMPTS = 5  # a job that takes its process down with it must not do so for ever
STOP_WAIT_S = 10.0  # how long `stop` waits for the handler

log = logging.getLogger("clearance.jobs")


class Attempt:
    """One try at a job. Its handler reports progress here, and asks whether to go on.

    It may be used from any thread.
    """

    def __init__(self, jobs: Jobs, job: Job, *, by: Actor, claimed: float, stopping: Event) -> None:
        """by: who does it. claimed: the monotonic time just before the claim. stopping: set if the process ends."""
        self._jobs = jobs
        self._job = job
        self._by = by
        self._stopping = stopping
        self._position = self._written = (job.done, job.total)
        self._kept_at = claimed
        self._taken_over = False
        self._cancelled = False
        self._ended = Event()

    @property
    def asked_by(self) -> Actor:
        """Who asked for the job, or who does it if that was not noted."""
        return self._job.asked_by or self._by

    @property
    def job_id(self) -> str:
        """The public id of the job."""
        return self._job.id

    @property
    def cancelled(self) -> bool:
        """Whether somebody has told the job to end; seen within seconds."""
        return self._cancelled

    @property
    def lost(self) -> bool:
        """Whether another worker has this job now, or may have it."""
        return self._taken_over or time.monotonic() >= self._kept_at + LEASE_S

    def check(self) -> None:
        """For handlers, between steps. Raises LeaseLost, ShuttingDown or Cancelled if they are to
        end now.
        """
        if self.lost:
            raise LeaseLost
        if self._cancelled:
            raise Cancelled
        if self._stopping.is_set():
            raise ShuttingDown

    def report(self, done: int, total: int) -> None:
        """How far the job is; another thread writes it within a second. Raises as `check` does."""
        self._position = done, total
        self.check()

    @contextmanager
    def keep_lease(self) -> Iterator[None]:
        """A thread renews the lease, writes progress and looks whether the job was cancelled while
        the block runs.
        """
        with suppress(ClearanceError):
            self._look_for_end()
        thread = Thread(target=self._renew_regularly, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def write(self) -> None:
        """Writes how far the job is, if that is not written yet. Raises LeaseLost."""
        if self._position != self._written:
            self._renew()

    def _renew_regularly(self) -> None:
        while not self._ended.wait(PROGRESS_S):
            try:
                self._look_for_end()
                early = time.monotonic() < self._kept_at + LEASE_S / 4
                if self._position == self._written and early:
                    continue
                self._renew()
            except LeaseLost:
                self._taken_over = True
                return
            except ClearanceError as error:  # tried again until the lease has run out
                log.warning(
                    "a lease was not renewed", extra={"fields": _log_fields(self._job, error)}
                )

    def _look_for_end(self) -> None:
        self._cancelled = self._cancelled or self._jobs.is_cancelled(self._job)

    def _renew(self) -> None:
        began, position = time.monotonic(), self._position
        self._jobs.progress(self._job, *position, lease_s=LEASE_S, by=self._by)
        self._kept_at, self._written = began, position


Handler = Callable[[Mapping[str, Any], Attempt], Mapping[str, Any]]
"""Does a job: gets its payload, and returns its result as JSON. What people are told of it stands
there as `lines`.

If it raises a ClearanceError, its text and its remedy are shown with the job.
"""


class JobRunner:
    """Takes jobs from the catalog, one at a time.

    Any number of runners, in any number of processes, may share one catalog.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        *,
        by: Actor,
        poll_s: float,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """handlers: by kind; jobs of other kinds are left alone. by: who does them.

        poll_s: seconds between two looks at an empty queue. turn: is held while a job is claimed
        and done. If it raises Busy, the queue is left alone for now.
        """
        self._jobs = jobs
        self._handlers = dict(handlers)
        self._by = by
        self._poll_s = poll_s
        self._turn = turn
        self._wake = Event()
        self._stopping = Event()
        self._at_work: Job | None = None
        self._thread = Thread(target=self._run_in_background, name="jobs", daemon=True)

    def enqueue(self, kind: str, payload: Mapping[str, Any], *, by: Actor) -> Job:
        """A job that will be done, also if this process dies now. by: who asks for it."""
        job = self._jobs.enqueue(kind, payload, by=by)
        self._wake.set()
        return job

    def get(self, job_id: str) -> Job:
        """How far it is. Raises NotFound, also for a job of a kind that this runner does not do."""
        job = self._jobs.get(job_id)
        if job.kind not in self._handlers:
            raise NotFound
        return job

    def start(self) -> None:
        """Does jobs in a thread until `stop`, also after the catalog was out of reach."""
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Takes no more jobs, and tells the one at work to end. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Takes no more jobs. The one at work is told to end, and then waits for another runner;
        also if its handler does not end in time: what it still writes to the job is refused.
        """
        self.tell_to_stop()
        if self._thread.is_alive():
            self._thread.join(STOP_WAIT_S)
        at_work = self._at_work
        if at_work is not None and self._thread.is_alive():
            with suppress(ClearanceError):
                self._jobs.release(at_work, by=self._by)

    def run(self, *, once: bool = False) -> None:
        """Does jobs in the calling thread until `stop`; with `once`, until none waits.

        An interrupt gives the job at work back to the queue. Raises what keeps the catalog from
        being read or written, other than Busy.
        """
        while not self._stopping.is_set():
            if self._do_next_job():
                continue
            if once:
                return
            self._wait()

    def _run_in_background(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run()
            except Exception as error:  # a catalog out of reach now may be back later
                log.error("no jobs taken", extra={"fields": {"error": type(error).__qualname__}})
                self._wait()

    def _wait(self) -> None:
        self._wake.wait(self._poll_s)
        self._wake.clear()

    def _do_next_job(self) -> bool:
        """Does the oldest job. False if none waits, or if others are at work."""
        try:
            with self._turn():
                claimed = time.monotonic()
                job = self._jobs.claim(tuple(self._handlers), LEASE_S, by=self._by)
                if job is not None:
                    self._do_job(job, claimed)
                return job is not None
        except Busy as error:
            log.info("%s", error)
            return False

    def _do_job(self, job: Job, claimed: float) -> None:
        if job.fence > MAX_ATTEMPTS:
            log.error("job given up", extra={"fields": _log_fields(job)})
            begun = f"Given up: {MAX_ATTEMPTS} workers began it, and each ended before it was done."
            self._jobs.fail(
                job, f"{begun} Find out why in their logs, then ask for it again.", by=self._by
            )
            return
        attempt = Attempt(self._jobs, job, by=self._by, claimed=claimed, stopping=self._stopping)
        self._at_work = job
        try:
            write_ending = self._handle(job, attempt)
            attempt.write()
            write_ending()
        except LeaseLost as error:
            log.warning("job lost", extra={"fields": _log_fields(job, error)})
        finally:
            self._at_work = None

    def _handle(self, job: Job, attempt: Attempt) -> Callable[[], None]:
        """Has the job done. Returns what writes down how it ended. Raises LeaseLost."""
        try:
            with attempt.keep_lease():
                result = self._handlers[job.kind](job.payload, attempt)
        except Exception as error:  # whatever a handler raises ends its job, and no other
            if attempt.lost:
                raise LeaseLost from error
            if self._stopping.is_set():
                return partial(self._jobs.give_back, job, by=self._by)
            if attempt.cancelled:
                return partial(self._jobs.end_cancelled, job, by=self._by)
            expected = isinstance(error, ClearanceError)
            log.error(
                "job failed", extra={"fields": _log_fields(job, error)}, exc_info=not expected
            )
            return partial(self._jobs.fail, job, error_text(error), by=self._by)
        except BaseException:  # an interrupt: the job is whole, and waits for the next runner
            with suppress(ClearanceError):
                self._jobs.give_back(job, by=self._by)
            raise
        return partial(self._jobs.finish, job, result, by=self._by)


def do_here(
    jobs: Jobs,
    kind: str,
    payload: Mapping[str, Any],
    handle: Callable[[Attempt], Mapping[str, Any]],
    *,
    by: Actor,
) -> None:
    """Do a job in the calling thread, as a command does. An interrupt gives it back to the queue,
    for whoever takes it up next.

    Raises what the handler raises, and Busy while somebody does the same.
    """
    claimed = time.monotonic()
    job = jobs.begin(kind, payload, LEASE_S, by=by)
    attempt = Attempt(jobs, job, by=by, claimed=claimed, stopping=Event())
    try:
        with attempt.keep_lease():
            result = handle(attempt)
        attempt.write()
    except Exception as error:
        if attempt.lost:
            raise LeaseLost from error
        if attempt.cancelled:
            jobs.end_cancelled(job, by=by)
        else:
            jobs.fail(job, error_text(error), by=by)
        raise
    except BaseException:
        with suppress(ClearanceError):
            jobs.give_back(job, by=by)
        raise
    jobs.finish(job, result, by=by)


def error_text(error: Exception) -> str:
    """What is shown of a failed job: a ClearanceError with its remedy, of others only the type.

    The message of an error that is not ours may hold what a document says.
    """
    if isinstance(error, ClearanceError):
        return f"{error} {error.remedy or ''}".strip()
    return type(error).__qualname__


def _log_fields(job: Job, error: Exception | None = None) -> dict[str, str]:
    fields = {"job": job.id, "kind": job.kind}
    return fields if error is None else fields | {"error": type(error).__qualname__}
