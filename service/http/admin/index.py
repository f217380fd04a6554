"""Index rebuilds over HTTP, and how far they are. Needs the scope `operate`."""

from fastapi import APIRouter
from starlette.responses import Response

from indexes.job_kinds import REBUILD, RebuildRequest
from indexes.scopes import OPERATE
from service.http.auth import ActingCaller, needs_scope
from service.http.bodies import RebuildBody
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.replies import JobReply

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(OPERATE))


@router.post(
    "/admin/index/rebuild",
    status_code=202,
    responses={202: {"model": JobReply}},
    summary="Build the indexes anew",
)
async def rebuild(
    by: ActingCaller, runtime: CurrentRuntime, body: RebuildBody | None = None
) -> Response:
    """Needs the scope `operate`.

    The reply's Location tells how far the job is; searches go on meanwhile.
    """
    wanted = RebuildRequest(model=body.model if body else None)
    job = await run_in_thread(
        runtime, lambda: runtime.jobs.enqueue(REBUILD, wanted.payload(), by=by)
    )
    response = json_response(JobReply.of(job), 202)
    response.headers["Location"] = f"/admin/jobs/{job.id}"
    return response


@router.get(
    "/admin/jobs/{job_id}", responses={200: {"model": JobReply}}, summary="How far a job is"
)
async def job(job_id: str, runtime: CurrentRuntime) -> Response:
    """Needs the scope `operate`."""
    public_id = check_public_id(job_id)
    return json_response(
        JobReply.of(await run_in_thread(runtime, lambda: runtime.jobs.get(public_id)))
    )
