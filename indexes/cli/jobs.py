"""`clearance jobs`: long work that waits, goes on, or has ended."""

from typing import Annotated, Any

import typer

from indexes.catalog.jobs import Job
from indexes.cli.common import (
    TAKES_IDS,
    Json,
    command_line_actor,
    open_catalog,
    print_result,
)
from indexes.cli.terminal import printable

jobs = typer.Typer(help="Long work: what waits, goes on, or has ended.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20, as_json: Json = False
) -> None:
    """The latest jobs, the newest first."""
    with open_catalog() as catalog:
        found = catalog.jobs.latest(limit)
    print_result([_facts(job) for job in found], [_line(job) for job in found], as_json)


@jobs.command("show", context_settings=TAKES_IDS)
def show_job(job_id: str, as_json: Json = False) -> None:
    """How far a job is, and what came of it."""
    with open_catalog() as catalog:
        job = catalog.jobs.get(job_id)
    lines = [_line(job)]
    lines += [job.error] if job.error else []
    lines += (job.result or {}).get("lines", [])
    print_result(
        {**_facts(job), "result": job.result}, [printable(each) for each in lines], as_json
    )


@jobs.command("cancel", context_settings=TAKES_IDS)
def cancel_job(job_id: str, as_json: Json = False) -> None:
    """Let a job end: one that waits does not begin, one that is being done ends between two files."""
    with open_catalog() as catalog:
        job = catalog.jobs.cancel(job_id, by=command_line_actor())
    told = "" if job.state == "cancelled" else "It ends as soon as its worker sees that."
    print_result(_facts(job), [_line(job), *([told] if told else [])], as_json)


@jobs.command("retry", context_settings=TAKES_IDS)
def retry_job(job_id: str, as_json: Json = False) -> None:
    """A new job that does the same, for one that has ended without success."""
    with open_catalog() as catalog:
        job = catalog.job_access.retry_for_operator(job_id, by=command_line_actor())
    print_result(_facts(job), [_line(job)], as_json)


def _facts(job: Job) -> dict[str, Any]:
    """For programs: what a job is and how far."""
    names = ("id", "kind", "state", "done", "total", "error", "payload", "created_at", "updated_at")
    asked_by = job.asked_by.name if job.asked_by else None
    return {name: getattr(job, name) for name in names} | {"asked_by": asked_by}


def _line(job: Job) -> str:
    asked_by = f"  asked for by {job.asked_by.name}" if job.asked_by else ""
    return printable(f"{job.id}  {job.kind:<8} {job.state:<8} {job.done} of {job.total}{asked_by}")
