"""What the catalog tells: reachable, of our schema, in time, and what operators should look after."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from indexes.catalog.inspection import ChangesHead, Inspection, JobTimes, KeyTimes, open_inspection
from indexes.cli.doctor.findings import Check, Finding, advice, good, unknown, wrong
from indexes.errors import ClearanceError
from indexes.model import IndexGeneration
from indexes.settings import Settings

GB = 1_000_000_000
BYTES_A_PASSAGE = 2_938  # of a serving process: bench/results/starts-200k.json
BYTES_BESIDE = 4 * GB  # of everything else, the embedding model and the parsers included
SLOW_S = 0.02  # a search asks some ten small questions one after another
CLOCKS_DIFFER = timedelta(seconds=2)
IN_THE_FUTURE = timedelta(minutes=1)
EXPIRES_SOON = timedelta(days=14)
UNUSED = timedelta(days=90)
WAITS_LONG = timedelta(minutes=10)
SEALED_LATE = timedelta(hours=1)
T = TypeVar("T")


def judge_schema(schema: tuple[str | None, str]) -> Finding:
    found, newest = schema
    if found is None:
        return wrong(
            "The database holds no catalog yet.",
            "Run any other command, such as: clearance users list",
        )
    if found > newest:
        return wrong(
            f"The catalog is at schema {found}, and this version knows {newest}.",
            "Install the version of Clearance that wrote it.",
        )
    if found < newest:
        return wrong(
            f"The catalog is at schema {found}, and this version needs {newest}.",
            "Back it up; the next command or start brings it there.",
        )
    return good(f"The catalog answers and is at schema {found}.")


def judge_latency(seconds: float) -> Finding:
    told = f"A small question to the database takes {seconds * 1000:.2f} ms."
    if seconds > SLOW_S:
        return advice(told, "Bring the database nearer, or the home onto a local disk.")
    return good(told)


def judge_clock(database: datetime | None, newest: datetime | None, now: datetime) -> Finding:
    """database: what its own clock says. newest: the latest time that the catalog tells of."""
    if newest is not None and newest - now > IN_THE_FUTURE:
        return wrong(
            f"The catalog tells of times up to {newest:%Y-%m-%d %H:%M} UTC, and it is"
            f" {now:%Y-%m-%d %H:%M}.",
            "Set this machine's clock (NTP): keys, sessions and jobs end by it.",
        )
    if database is not None and abs(database - now) > CLOCKS_DIFFER:
        apart = abs((database - now).total_seconds())
        return wrong(
            f"The clocks of this machine and of the database are {apart:.0f} seconds apart.",
            "Set both by NTP: keys, sessions and jobs end by them.",
        )
    return good("The clock agrees with the catalog.")


def judge_generation(active: IndexGeneration | None, model: str) -> Finding:
    """model: that the settings name."""
    if active is None:
        return good(
            "There are no vectors yet; the first ingest makes them with the configured model."
        )
    if active.model != model:
        return wrong(
            f"The vectors were made by {active.model}, and the settings name {model}.",
            f"Set CLEARANCE_EMBEDDING_MODEL back, or run: clearance rebuild --model {model}",
        )
    return good(f"The vectors were made by {active.model}, as the settings name it.")


def judge_memory(passages: int, memory: int | None) -> Finding:
    """memory: bytes that a process may take here; None: that is not known."""
    needed = BYTES_BESIDE + passages * BYTES_A_PASSAGE
    told = f"Passages: {passages}, which need about {needed / GB:.1f} GB of memory"
    if memory is None:
        return unknown(f"{told}; how much there is is not told here.")
    if needed > memory:
        return wrong(
            f"{told}, and there are {memory / GB:.1f} GB.",
            "Give the service more memory, or keep fewer documents in it.",
        )
    return good(f"{told}; there are {memory / GB:.1f} GB.")


def judge_keys(keys: Sequence[KeyTimes], now: datetime) -> Finding:
    ended = sum(key.expires_at is not None and key.expires_at <= now for key in keys)
    soon = sum(
        key.expires_at is not None and now < key.expires_at <= now + EXPIRES_SOON for key in keys
    )
    held = [key for key in keys if key.expires_at is None or key.expires_at > now]
    endless = sum(key.expires_at is None for key in held)
    idle = sum(now - (key.used_at or key.created_at) > UNUSED for key in held)
    told = (
        f"Valid keys: {len(held)} (without an end: {endless}; ending within {EXPIRES_SOON.days} days:"
        f" {soon}; not used for {UNUSED.days} days: {idle}). Keys that have ended: {ended}."
    )
    if soon or idle:
        return advice(
            told, "See clearance keys list: rotate what ends soon, revoke what nobody uses."
        )
    return good(told)


def judge_names(count: int) -> Finding:
    if count:
        return advice(
            f"Names in rules that mean nobody, since nobody has declared them: {count}.",
            "clearance ingest --dry-run FOLDER tells them: declare them, or correct the rules.",
        )
    return good("Every name in a rule is declared.")


def judge_unread(count: int) -> Finding:
    if count:
        return advice(
            f"Documents that nobody can read: {count}.",
            "If that is not meant: clearance documents list --json tells their rules, and clearance"
            " access explain USER DOCUMENT why.",
        )
    return good("Every document has somebody who may read it.")


def judge_jobs(jobs: Sequence[JobTimes], now: datetime) -> Finding:
    running = [job for job in jobs if job.state == "running"]
    lost = sum(
        job.lease_until is not None and now - job.lease_until > WAITS_LONG for job in running
    )
    waiting = sum(job.state == "queued" and now - job.updated_at > WAITS_LONG for job in jobs)
    failed = sum(job.state == "failed" for job in jobs)
    if lost or (waiting and len(running) == lost):
        return wrong(
            f"Jobs that have waited for more than {WAITS_LONG.seconds // 60} minutes: {waiting};"
            f" left by their worker: {lost}.",
            "Start clearance worker (rebuilds: clearance serve), and see clearance jobs list.",
        )
    if failed:
        return advice(
            f"Jobs that have failed: {failed}.", "clearance jobs list tells which and why."
        )
    return good(f"No job is stuck (being done: {len(running)}; waiting for long: {waiting}).")


def judge_failures(by_status: Mapping[str, int]) -> Finding:
    counts = {status: count for status, count in by_status.items() if count}
    if counts:
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        return advice(
            f"Files that are no document as they are now: {told}.",
            "clearance documents list --state failed (refused, stale, gone) tells which and why.",
        )
    return good("The last ingests left no file behind.")


def judge_head(head: ChangesHead, now: datetime) -> Finding:
    if not head.follows or head.sealed > head.number:
        return wrong(
            f"The last record of changes ({head.number}) does not follow the one before.",
            "Keep a copy of the catalog as it is, and run: clearance audit verify",
        )
    since = head.unsealed_since
    if since is not None and now - since > SEALED_LATE:
        return advice(
            f"Changes since {since:%Y-%m-%d %H:%M} UTC are not sealed: {head.number - head.sealed}.",
            "A running service seals them; see whether it runs and can write its home.",
        )
    return good(f"The record of changes ends with {head.number}, which follows the one before.")


# Looking


def read_memory(limits: Sequence[Path], total: Path) -> int | None:
    """Bytes that this process may take: the least of the limits of its group and of the machine.

    limits: files with a number of bytes, or `max`. total: as /proc/meminfo.
    """
    found = [int(told) for path in limits if (told := _read(path).strip()).isdigit()]
    lines = dict(line.split(":", 1) for line in _read(total).splitlines() if ":" in line)
    if "MemTotal" in lines:
        found.append(int(lines["MemTotal"].split()[0]) * 1024)
    return min(found, default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def _look_at_catalog(settings: Settings) -> Finding:
    url = settings.catalog_url
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).is_file():
        return unknown(
            "There is no catalog yet, so nothing is told of what it would hold.",
            "Make it with any other command, such as clearance users list, or set CLEARANCE_HOME.",
        )
    try:
        with open_inspection(url) as inspection:
            return judge_schema(inspection.schema())
    except ClearanceError as error:
        return wrong(
            f"{error} Nothing else is told of the catalog.",
            error.remedy or "See whether the database runs and can be reached from here.",
        )


def _look(read: Callable[[Inspection], T], judge: Callable[[T], Finding], url: str) -> Finding:
    with open_inspection(url) as inspection:
        return judge(read(inspection))


def _check(
    name: str, read: Callable[[Inspection], T], judge: Callable[[T, Settings, datetime], Finding]
) -> Check:
    def look(settings: Settings) -> Finding:
        return _look(
            read, lambda value: judge(value, settings, datetime.now(UTC)), settings.catalog_url
        )

    return Check(name, look, needs="catalog")


def _times(inspection: Inspection) -> tuple[datetime | None, datetime | None]:
    return inspection.clock(), inspection.newest_moment()


_memory = partial(read_memory, _LIMITS, Path("/proc/meminfo"))

CHECKS = (
    Check("catalog", _look_at_catalog, limit_s=10.0),
    _check("latency", Inspection.latency_s, lambda found, *_: judge_latency(found)),
    _check("clock", _times, lambda found, _, now: judge_clock(*found, now)),
    _check("memory", Inspection.passages, lambda found, *_: judge_memory(found, _memory())),
    _check(
        "vectors",
        Inspection.generation,
        lambda found, settings, _: judge_generation(found, settings.embedding_model),
    ),
    _check("keys", Inspection.keys, lambda found, _, now: judge_keys(found, now)),
    _check("names", Inspection.names_that_mean_nobody, lambda found, *_: judge_names(found)),
    _check("readers", Inspection.documents_nobody_reads, lambda found, *_: judge_unread(found)),
    _check("jobs", Inspection.jobs, lambda found, _, now: judge_jobs(found, now)),
    _check("files left", Inspection.failures, lambda found, *_: judge_failures(found)),
    _check("audit", Inspection.changes_head, lambda found, _, now: judge_head(found, now)),
)
