"""Opening what was cited: a document's text, and a passage in its document."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from indexes.model import Principal
from service.answering.recording import opened
from service.http.auth import Caller, needs_key
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.replies import CallerReply, DocumentReply, OpenedReply
from service.runtime import Runtime

MAX_CHARACTERS = 1_000_000  # of a document in one reply
CONTEXT_CHARACTERS = 1_500  # characters before and after an opened passage

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)


@router.get(
    "/documents/{document_id}",
    responses={200: {"model": DocumentReply}},
    summary="A document's text",
)
async def document(
    document_id: str,
    caller: Caller,
    runtime: CurrentRuntime,
    start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    length: Annotated[int, Query(ge=0, le=MAX_CHARACTERS)] = MAX_CHARACTERS,
) -> Response:
    """Whoever reads a long document asks again from `start + length`."""
    public_id = check_public_id(document_id)

    def read_document() -> DocumentReply:
        found = runtime.searcher.document(public_id, caller)
        runtime.trail.record(opened(caller, found.id))
        return DocumentReply.of(found, start, length)

    return json_response(await run_in_thread(runtime, read_document))


@router.get(
    "/passages/{passage_id}",
    responses={200: {"model": OpenedReply}},
    summary="A passage in its document",
)
async def passage(passage_id: str, caller: Caller, runtime: CurrentRuntime) -> Response:
    public_id = check_public_id(passage_id)
    return json_response(
        await run_in_thread(runtime, lambda: _open_passage(runtime, public_id, caller))
    )


@router.get("/whoami", responses={200: {"model": CallerReply}}, summary="Whose key this is")
async def whoami(caller: Caller) -> Response:
    return json_response(CallerReply.of(caller))


def _open_passage(runtime: Runtime, passage_id: str, caller: Principal) -> OpenedReply:
    hit, whole = runtime.searcher.passage_with_document(passage_id, caller)
    runtime.trail.record(opened(caller, hit.document_id, hit.id))
    return OpenedReply.of(hit, whole, CONTEXT_CHARACTERS)
