"""Jobs of the caller: how far they are, what came of each file, and ending or repeating them.

Who operates the service sees all. Needs the scope `ingest`.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from indexes.catalog.jobs import Job
from indexes.model import Principal
from indexes.scopes import INGEST
from service.http.auth import ActingCaller, Caller, needs_scope
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.document_replies import AcceptedReply, WorkListReply, WorkReply
from service.runtime import Runtime

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(INGEST))


@router.get("/jobs", responses={200: {"model": WorkListReply}}, summary="Your jobs")
async def jobs(
    caller: Caller,
    runtime: CurrentRuntime,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="Only jobs older than this one.")] = None,
) -> Response:
    """The newest first, without their documents' ids."""
    older_than = None if before is None else check_public_id(before)
    found = await run_in_thread(
        runtime, lambda: runtime.catalog.job_access.list(caller, limit, older_than)
    )
    return json_response(WorkListReply(jobs=tuple(WorkReply.of(job) for job in found)))


@router.get("/jobs/{job_id}", responses={200: {"model": WorkReply}}, summary="How far a job is")
async def job(job_id: str, caller: Caller, runtime: CurrentRuntime) -> Response:
    """With the reason and the remedy of each file that could not be taken in."""
    public_id = check_public_id(job_id)

    def find() -> WorkReply:
        found = runtime.catalog.job_access.get(public_id, caller)
        return WorkReply.of(found, _document_of(runtime, found, caller))

    return json_response(await run_in_thread(runtime, find))


@router.post(
    "/jobs/{job_id}/cancel", responses={200: {"model": WorkReply}}, summary="Let a job end"
)
async def cancel(
    job_id: str, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """One that waits does not begin. One that is being done ends between two files; of a new
    document nothing is left, of one that is replaced the new file stays.
    """
    public_id = check_public_id(job_id)
    found = await run_in_thread(
        runtime, lambda: runtime.catalog.job_access.cancel(public_id, caller, by=by)
    )
    return json_response(WorkReply.of(found))


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    responses={202: {"model": AcceptedReply}},
    summary="Try a job again",
)
async def retry(job_id: str, caller: Caller, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """A new job, for one that has ended without success. Bytes are kept for a day."""
    public_id = check_public_id(job_id)
    made = await run_in_thread(
        runtime, lambda: runtime.catalog.job_access.retry(public_id, caller, by=by)
    )
    return accepted(made.id)


def accepted(job_id: str) -> Response:
    """What was asked for is put down."""
    response = json_response(AcceptedReply(job=job_id), 202)
    response.headers["Location"] = f"/jobs/{job_id}"
    return response


def _document_of(runtime: Runtime, job: Job, caller: Principal) -> str | None:
    uri = job.payload.get("uri")
    if not isinstance(uri, str):
        return None
    return runtime.catalog.job_access.document_of(uri, caller)
