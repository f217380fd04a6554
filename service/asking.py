"""The way of every question from whichever address: answered whole or as it grows, ended when the asker leaves."""

import json
from dataclasses import replace

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from indexes.model import Principal
from service.answering import Ask
from service.leaving import CallerLeft, unless_gone
from service.runtime import Runtime
from service.streaming import EventStream, Speech


async def asked(
    ask: Ask, speech: Speech, request: Request, caller: Principal, here: Runtime, *, stream: bool
) -> Response:
    """The reply. Raises what `Answerer.stream` raises, as long as nothing has been sent."""
    permission = here.answerer.permission(caller)
    ask = replace(ask, at_least=request.headers.get("clearance-at-least"))
    try:
        if stream:
            events = here.answerer.stream(ask, caller, permission)
            growing = EventStream(events, request.state.request_id, here.note, speech, permission)
            return await growing.response(request.receive)
        answering = permission.during(here.answerer.answer(ask, caller, permission))
        answer = await unless_gone(answering, request.receive)
    except CallerLeft:
        request.state.left = True
        return Response(status_code=204)  # nobody is there to read it
    here.note(answer)
    response = json_response(speech.whole(answer))
    response.headers["Clearance-Position"] = answer.position
    return response


def json_response(reply: BaseModel, status: int = 200) -> Response:
    """A reply as JSON. Text that is no valid Unicode (from a file's name, say) is shown with marks in its place."""
    content = json.dumps(reply.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(content.encode("utf-8", "replace"), status, media_type="application/json")
