"""What people used, summed up from the audit record. Needs the scope `operate`."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anyio import to_thread
from fastapi import APIRouter
from pydantic import AwareDatetime
from starlette.responses import Response

from indexes.scopes import OPERATE
from service.http.auth import needs_scope
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.replies import Reply
from service.runtime import Runtime

BEFORE = timedelta(days=1)  # if no time is named

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(OPERATE))


@dataclass(slots=True)
class _Used:
    answers: int = 0
    abstained: int = 0
    searches: int = 0
    opened: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class UserUsageReply(Reply):
    user: str
    answers: int
    abstained: int
    searches: int
    opened: int
    prompt_tokens: int
    completion_tokens: int


class UsageReply(Reply):
    since: datetime
    users: tuple[UserUsageReply, ...]


@router.get(
    "/admin/usage",
    operation_id="usage_admin_usage_get",
    responses={200: {"model": UsageReply}},
    summary="What each user used",
)
async def usage(runtime: CurrentRuntime, since: AwareDatetime | None = None) -> Response:
    """From `since` on, or of the last day. As far back as the audit record goes."""
    begin = since or datetime.now(UTC) - BEFORE
    used = await to_thread.run_sync(_sum_up, runtime, begin, limiter=runtime.admin_threads)
    users = tuple(
        UserUsageReply.model_validate({"user": user, **_as_dict(one)})
        for user, one in sorted(used.items())
    )
    return json_response(UsageReply(since=begin, users=users))


def _sum_up(runtime: Runtime, since: datetime) -> dict[str, _Used]:
    used: dict[str, _Used] = defaultdict(_Used)
    for record in runtime.catalog.books(runtime.trail).records(since):
        body = record.body
        if body["kind"] == "answered":
            one = used[body["who"]]
            one.answers += 1
            one.abstained += body["outcome"] == "abstained"
            prompt, completion = body.get("tokens", (0, 0))
            one.prompt_tokens += prompt
            one.completion_tokens += completion
        elif body["kind"] == "searched":
            used[body["who"]].searches += 1
        elif body["kind"] == "opened":
            used[body["who"]].opened += 1
    return used


def _as_dict(one: _Used) -> dict[str, int]:
    return {name: getattr(one, name) for name in one.__slots__}
