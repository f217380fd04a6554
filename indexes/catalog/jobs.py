"""Long work as rows: leases and fences, so that any number of workers may run and any of them may
die.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, Select, insert, or_, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database, actor_of
from indexes.catalog.document_rows import new_public_id
from indexes.catalog.schema import jobs, uploads
from indexes.errors import Busy, Conflict, LeaseLost, NotFound
from indexes.job_kinds import REBUILD
from indexes.model import Actor

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of long work, as it was when it was read."""

    id: str
    kind: str
    state: JobState
    payload: Mapping[str, Any]
    asked_by: Actor | None  # None for jobs from before this was noted
    asker_id: int | None  # of the user who asked for it over HTTP
    number: int  # later jobs have higher ones; never shown
    done: int
    total: int
    result: Mapping[str, Any] | None
    error: str | None
    fence: int
    created_at: datetime
    updated_at: datetime


class Jobs:
    """The queue. Any number of processes may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, kind: str, payload: Mapping[str, Any], *, by: Actor) -> Job:
        """A queued job, durable when this returns. by: who asks for it; the job keeps the name."""
        with self._database.writing(by) as connection:
            return add_job(connection, kind, payload)

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return find_job(connection, job_id)

    def latest(self, most: int) -> list[Job]:
        """Jobs of all kinds, the newest first."""
        with self._database.reading() as connection:
            return list_jobs(connection, most)

    def cancel(self, job_id: str, *, by: Actor) -> Job:
        """A job that waits does not begin; one that is being done is told to end.

        Raises NotFound, Conflict for a job that has ended.
        """
        with self._database.writing(by) as connection:
            return cancel_job(connection, find_job(connection, job_id))

    def is_cancelled(self, job: Job) -> bool:
        """Whether it was told to end since it was claimed."""
        asked = select(jobs.c.cancel_requested).where(jobs.c.public_id == job.id)
        with self._database.reading() as connection:
            return bool(connection.scalar(asked))

    def claim(self, kinds: Sequence[str], lease_s: float, *, by: Actor) -> Job | None:
        """The oldest job that waits, or whose worker let its lease run out. If None, there is no
        such job.
        """
        now = datetime.now(UTC)
        free = or_(
            jobs.c.state == "queued", (jobs.c.state == "running") & (jobs.c.lease_until < now)
        )
        oldest = (
            select(jobs.c.id).where(jobs.c.kind.in_(list(kinds)), free).order_by(jobs.c.id).limit(1)
        )
        lease = {"state": "running", "fence": jobs.c.fence + 1, "updated_at": now}
        with self._database.writing(by) as connection:
            taken = update(jobs).where(
                jobs.c.id == oldest.with_for_update(skip_locked=True).scalar_subquery()
            )
            until = now + timedelta(seconds=lease_s)
            row = (
                connection.execute(taken.values(lease_until=until, **lease).returning(jobs))
                .mappings()
                .first()
            )
        return None if row is None else _job_of(row)

    def begin(self, kind: str, payload: Mapping[str, Any], lease_s: float, *, by: Actor) -> Job:
        """A job that whoever asks for it does: one of this kind for the same model that waits or was
        left behind, with this payload from now on; else a new one.

        Raises Busy while somebody does one for the same model.
        """
        now = datetime.now(UTC)
        of_kind = jobs.c.kind == kind, jobs.c.state.in_(("queued", "running"))
        with self._database.writing(by) as connection:
            found = connection.execute(select(jobs).where(*of_kind).order_by(jobs.c.id)).mappings()
            same = [row for row in found if row["payload"].get("model") == payload.get("model")]
            for row in same:
                if row["state"] == "running" and row["lease_until"] >= now:
                    raise Busy(
                        f"The job {row['public_id']} does that already.",
                        remedy=f"How far it is: clearance jobs show {row['public_id']}",
                    )
            job = _job_of(same[0]) if same else add_job(connection, kind, payload)
            taken: dict[str, Any] = {
                "state": "running",
                "fence": jobs.c.fence + 1,
                "payload": dict(payload),
            }
            # somebody may have told the one that it was to end; whoever asks now wants it done
            taken |= {"cancel_requested": 0, "updated_at": now}
            taken |= {"lease_until": now + timedelta(seconds=lease_s)}
            mine = update(jobs).where(jobs.c.public_id == job.id).values(**taken)
            return _job_of(connection.execute(mine.returning(jobs)).mappings().one())

    def progress(
        self, job: Job, done: int, total: int, *, lease_s: float = 60.0, by: Actor
    ) -> None:
        """Report progress and keep the lease.

        Raises LeaseLost if another worker has taken the job over.
        """
        until = datetime.now(UTC) + timedelta(seconds=lease_s)
        self._update(job, done=done, total=total, lease_until=until, by=by)

    def finish(self, job: Job, result: Mapping[str, Any], *, by: Actor) -> None:
        """Raises LeaseLost if another worker has taken the job over."""
        self._update(job, state="done", result=dict(result), lease_until=None, by=by)

    def fail(self, job: Job, error: str, *, by: Actor) -> None:
        """Raises LeaseLost if another worker has taken the job over."""
        self._update(job, state="failed", error=error, lease_until=None, by=by)

    def end_cancelled(self, job: Job, *, by: Actor) -> None:
        """It was told to end, and has. Raises LeaseLost if another worker has taken the job over."""
        self._update(job, state="cancelled", lease_until=None, by=by)

    def give_back(self, job: Job, *, by: Actor) -> None:
        """It waits again as if it had not been claimed: this does not count as a failed attempt.

        The next claim gets the same fence, so the caller must not write to this job any more.
        Raises LeaseLost if another worker has taken the job over.
        """
        self._update(job, state="queued", fence=job.fence - 1, lease_until=None, by=by)

    def release(self, job: Job, *, by: Actor) -> None:
        """It waits again, though whoever did it may still be at work for a moment: what that still
        writes to the job is refused. Raises LeaseLost if another worker has taken the job over.
        """
        self._update(job, state="queued", lease_until=None, by=by)

    def _update(self, job: Job, *, by: Actor, **values: Any) -> None:
        mine = jobs.c.public_id == job.id, jobs.c.fence == job.fence, jobs.c.state == "running"
        with self._database.writing(by) as connection:
            changed = connection.execute(
                update(jobs).where(*mine).values(updated_at=datetime.now(UTC), **values)
            )
            if changed.rowcount == 0:
                raise LeaseLost(f"It is the job {job.id}.")


def add_job(
    connection: Connection, kind: str, payload: Mapping[str, Any], asker_id: int | None = None
) -> Job:
    """A job that waits as soon as the transaction has ended, for whoever acts in it."""
    now = datetime.now(UTC)
    values = {
        "public_id": new_public_id(),
        "kind": kind,
        "state": "queued",
        "payload": dict(payload),
        "asked_by": actor_of(connection).name,
        "asker_id": asker_id,
    }
    counts = {"done": 0, "total": 0, "fence": 0, "created_at": now, "updated_at": now}
    added = insert(jobs).values(**values, **counts).returning(jobs)
    job = _job_of(connection.execute(added).mappings().one())
    record_change(connection, "job.asked", job.id, after={"kind": kind})
    return job


def find_job(connection: Connection, job_id: str) -> Job:
    """Raises NotFound."""
    found = connection.execute(select(jobs).where(jobs.c.public_id == job_id)).mappings().first()
    if found is None:
        raise NotFound()
    return _job_of(found)


def list_jobs(
    connection: Connection, most: int, *, asker_id: int | None = None, before: Job | None = None
) -> list[Job]:
    """The newest first. asker_id: only those of this user. before: only older ones than this."""
    wanted = select(jobs).order_by(jobs.c.id.desc()).limit(most)
    if asker_id is not None:
        wanted = wanted.where(jobs.c.asker_id == asker_id)
    if before is not None:
        wanted = wanted.where(jobs.c.id < before.number)
    return [_job_of(row) for row in connection.execute(wanted).mappings()]


def cancel_job(connection: Connection, job: Job) -> Job:
    """Raises Conflict for a job that has ended."""
    if job.state in ENDED:
        raise Conflict(f"The job is {job.state}.")
    values: dict[str, Any] = {"cancel_requested": 1, "updated_at": datetime.now(UTC)}
    # a worker that was interrupted has put a file into its place: the next one takes it out
    begun = select(uploads.c.job_id).where(uploads.c.job_id == job.id, uploads.c.blob_id.is_(None))
    waits = job.state == "queued" and connection.scalar(begun) is None
    if waits or (job.kind == REBUILD and not is_done_now(connection, job)):
        values |= {"state": "cancelled", "lease_until": None}
    connection.execute(update(jobs).where(jobs.c.public_id == job.id).values(values))
    record_change(connection, "job.cancelled", job.id)
    return find_job(connection, job.id)


def is_done_now(connection: Connection, job: Job) -> bool:
    """Whether a worker has it, and keeps its lease."""
    kept = live_jobs().where(jobs.c.public_id == job.id)
    return connection.scalar(kept) is not None


def live_jobs() -> Select[Any]:
    """The public ids of jobs that a worker has and keeps."""
    kept = jobs.c.state == "running", jobs.c.lease_until >= datetime.now(UTC)
    return select(jobs.c.public_id).where(*kept)


def _job_of(row: RowMapping) -> Job:
    names = (
        "kind",
        "state",
        "payload",
        "asker_id",
        "done",
        "total",
        "result",
        "error",
        "fence",
        "created_at",
        "updated_at",
    )
    asked_by = Actor(row["asked_by"]) if row["asked_by"] else None
    return Job(
        id=row["public_id"],
        number=row["id"],
        asked_by=asked_by,
        **{name: row[name] for name in names},
    )
