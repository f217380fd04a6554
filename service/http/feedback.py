"""What people say of the answers that they got: each of their own answers, and nobody else's."""

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from indexes.catalog.feedback import Opinion, Verdict
from indexes.errors import NotFound
from indexes.model import Principal
from service.answering.replay import find_asked, is_asker
from service.http.auth import ActingCaller, Caller, needs_key
from service.http.bodies import FeedbackBody
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.replies import Reply
from service.runtime import Runtime

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)


class FeedbackReply(Reply):
    """What is kept now."""

    verdict: Verdict
    reason: str | None
    expected: str | None
    question: str | None
    given_at: datetime


@router.post(
    "/answers/{answer_id}/feedback",
    responses={200: {"model": FeedbackReply}},
    summary="Say whether one of the caller's own answers was good",
)
async def give_feedback(
    answer_id: str, body: FeedbackBody, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """In the place of what was said before. Operators may read it. The question is kept only if it
    stands in the body, or if all questions are recorded (`CLEARANCE_AUDIT_QUESTIONS`).
    """
    public_id, opinion = check_public_id(answer_id), Opinion(**body.model_dump())

    def keep() -> FeedbackReply:
        answered_at = _when_answered(runtime, public_id, caller)
        given = runtime.catalog.feedback.give(public_id, answered_at, opinion, caller, by=by)
        return FeedbackReply.model_validate(given)

    return json_response(await run_in_thread(runtime, keep))


@router.delete(
    "/answers/{answer_id}/feedback",
    status_code=204,
    summary="Take back what was said of an answer",
)
async def withdraw_feedback(
    answer_id: str, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """Nothing of it is kept."""
    public_id = check_public_id(answer_id)

    def withdraw() -> None:
        _when_answered(runtime, public_id, caller)
        runtime.catalog.feedback.withdraw(public_id, caller, by=by)

    await run_in_thread(runtime, withdraw)
    return Response(status_code=204)


def _when_answered(runtime: Runtime, answer_id: str, caller: Principal) -> datetime:
    """Raises NotFound, too, for an answer to somebody else."""
    asked = find_asked(runtime.catalog.books(runtime.trail).about(answer_id))
    if not is_asker(asked, caller):
        raise NotFound
    return datetime.fromisoformat(asked["at"])
