"""Where questions enter: `/ask` and `/search`, and the way of every question, from whichever
address, to its answer.
"""

import hashlib
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexes.model import Principal, SearchResult
from service.answering.metering import Spent
from service.answering.recording import searched
from service.answering.values import Answer, Ask
from service.http.auth import needs_key, principal_of
from service.http.bodies import AskBody, SearchBody, passage_count, question_of
from service.http.deps import PROBLEM_RESPONSES, json_response, run_in_thread, runtime_of
from service.http.direct import DirectRoute
from service.http.disconnects import CallerLeft, run_unless_gone
from service.http.quotas import SPENT
from service.http.replies import AskReply, SearchReply, search_json
from service.http.streaming import AskForm, EventStream, ReplyForm
from service.http.traced import ANSWER
from service.runtime import Runtime

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "model": AskReply}
}

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key, route_class=DirectRoute)


@router.post("/ask", responses=STREAM, summary="Answer a question from what the caller may read")
async def ask(body: AskBody, request: Request) -> Response:
    """`Clearance-Position` in the reply, sent back as `Clearance-At-Least`, demands a state at
    least as fresh.

    With `stream`, the events `passages`, `token`, `citation`, `support`, `usage` and `done` follow each other,
    or `error` ends it. `done` holds the whole reply once more, and in `position` what is a header
    otherwise.
    """
    caller, runtime = principal_of(request), runtime_of(request)
    return await answer_over_http(
        body.to_ask(runtime.settings), AskForm(), request, caller, runtime, stream=body.stream
    )


@router.post(
    "/search",
    responses={200: {"model": SearchReply}},
    summary="The best passages that the caller may read",
)
async def search(body: SearchBody, request: Request) -> Response:
    """`Clearance-Position` in the reply, sent back as `Clearance-At-Least`, demands a state at
    least as fresh.
    """
    caller, runtime = principal_of(request), runtime_of(request)
    question, k = question_of(body, runtime.settings), passage_count(body, runtime.settings)
    filters = body.filters.filters() if body.filters else None
    at_least = request.headers.get("clearance-at-least")

    known = request.headers.get("if-none-match", "")

    def search_passages() -> Response:
        result = runtime.searcher.search(
            question, caller, k, mode=body.mode, filters=filters, at_least=at_least
        )
        kept = question if runtime.settings.audit_questions else None
        runtime.trail.record(searched(caller, result, kept))
        return _search_response(body, result, known)

    return await run_in_thread(runtime, search_passages)


async def answer_over_http(
    ask: Ask,
    form: ReplyForm,
    request: Request,
    caller: Principal,
    runtime: Runtime,
    *,
    stream: bool,
) -> Response:
    """The reply. Raises what `Answerer.stream` raises, as long as nothing has been sent."""
    permission = runtime.answerer.make_permission(caller)
    ask = replace(ask, at_least=request.headers.get("clearance-at-least"))
    spent: Spent = request.scope["state"].setdefault(SPENT, Spent())
    try:
        if stream:
            events = runtime.answerer.stream(ask, caller, permission, spent)
            event_stream = EventStream(
                events,
                request.state.request_id,
                partial(_count, request, runtime),
                form,
                permission,
            )
            return await event_stream.response(request.receive)
        answer_work = permission.run_while_permitted(
            runtime.answerer.answer(ask, caller, permission, spent=spent)
        )
        answer = await run_unless_gone(answer_work, request.receive)
    except CallerLeft:
        request.state.left = True
        return Response(status_code=204)  # nobody is there to read it
    _count(request, runtime, answer)
    response = json_response(form.whole_reply(answer))
    response.headers["Clearance-Position"] = answer.position
    return response


def _count(request: Request, runtime: Runtime, answer: Answer) -> None:
    """Counts a finished answer."""
    runtime.count_answer(answer)
    request.scope["state"][ANSWER] = answer


def _search_response(body: SearchBody, result: SearchResult, known: str) -> Response:
    """The reply, or that it is one of those that the caller has. known: their tags, as in
    `If-None-Match`.
    """
    content = search_json(result)
    tag = _entity_tag(body, result.view_id, content)
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Clearance-At-Least",
        "Clearance-Position": result.position,
    }
    if known and tag in [given.strip().removeprefix("W/") for given in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _entity_tag(body: SearchBody, view_id: str, content: bytes) -> str:
    """Changes with the question, with what the caller may read, and with the reply."""
    parts = (body.model_dump_json().encode(), view_id.encode(), content)
    return '"' + hashlib.sha256(b"\0".join(parts)).hexdigest()[:32] + '"'
