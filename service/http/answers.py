"""Answers of before, for whoever asked: what they were shown, as far as they may read it now."""

from fastapi import APIRouter
from starlette.responses import Response

from indexes.errors import NotFound
from indexes.model import Principal
from service.answering.recording import shown_again
from service.answering.replay import Replay, add_prompt, find_asked, is_asker, replay
from service.http.auth import Caller, needs_key
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.replay_replies import AnswerReply
from service.runtime import Runtime
from service.templates.store import CatalogTemplates

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)


@router.get(
    "/answers/{answer_id}",
    responses={200: {"model": AnswerReply}},
    summary="What one of the caller's own answers was made of",
)
async def answer(answer_id: str, caller: Caller, runtime: CurrentRuntime) -> Response:
    """The passages as they were then, also if they say something else today. One that the caller may
    not read any more is told without its text.

    The prompt is there if questions are kept (`CLEARANCE_AUDIT_QUESTIONS`) and every passage may
    still be read.
    """
    public_id = check_public_id(answer_id)
    shown = await run_in_thread(runtime, lambda: _replay(runtime, public_id, caller))
    return json_response(AnswerReply.of(shown))


def _replay(runtime: Runtime, answer_id: str, caller: Principal) -> Replay:
    """Raises NotFound, too, for an answer to somebody else."""
    records = runtime.catalog.books(runtime.trail).about(answer_id)
    with runtime.catalog.reading() as state:
        state.confirm(caller)
        asked = find_asked(records)
        if not is_asker(asked, caller):
            raise NotFound
        shown = replay(records, state, caller, caller)
    told = (*shown.passages, *shown.near)
    readable = [each.document_id for each in told if each.passage is not None]
    runtime.trail.record(shown_again(caller, shown.answer_id, readable))
    style = runtime.settings.llm_style
    templates = CatalogTemplates(runtime.catalog)
    return add_prompt(shown, records, templates, caller, style, runtime.catalog.secret)
