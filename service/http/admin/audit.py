"""The audit record over HTTP, as events of OCSF. Needs the scope `audit`."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import islice

from anyio import to_thread
from fastapi import APIRouter
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from indexes.catalog.audit.ocsf import events_of
from indexes.scopes import AUDIT
from service.http.auth import needs_scope
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime
from service.runtime import Runtime

TOGETHER = 500  # records

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(AUDIT))


@router.get(
    "/admin/audit/events",
    responses={
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
    },
    response_class=Response,
    summary="What was asked and changed",
)
async def events(runtime: CurrentRuntime, since: AwareDatetime | None = None) -> Response:
    """One JSON object a line, the oldest of each chain first. `since` counts from that moment on."""
    return StreamingResponse(_lines(runtime, since), media_type="application/x-ndjson")


async def _lines(runtime: Runtime, since: datetime | None) -> AsyncIterator[bytes]:
    records = runtime.catalog.books(runtime.trail).records(since)

    def next_lines() -> bytes:
        runtime.catalog.reachable()  # and whoever asks still may: it looks at every transaction
        told = (
            json.dumps(event, ensure_ascii=False)
            for record in islice(records, TOGETHER)
            for event in events_of(record.body, record.place, runtime.version)
        )
        return "".join(f"{line}\n" for line in told).encode("utf-8", "backslashreplace")

    while some := await to_thread.run_sync(next_lines, limiter=runtime.admin_threads):
        yield some
