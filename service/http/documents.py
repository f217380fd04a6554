"""Opening what was cited: a document's text, and a passage in its document."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from indexes.model import Principal
from service.http.auth import Caller, needs_key
from service.http.deps import PROBLEM, Here, check_public_id, json_response, run_in_thread
from service.http.replies import CallerReply, DocumentReply, OpenedReply
from service.runtime import Runtime

MAX_CHARACTERS = 1_000_000  # of a document in one reply
AROUND = 1_500  # characters before and after an opened passage

router = APIRouter(responses=PROBLEM, dependencies=needs_key)


@router.get(
    "/documents/{document_id}",
    responses={200: {"model": DocumentReply}},
    summary="A document's text",
)
async def document(
    document_id: str,
    caller: Caller,
    here: Here,
    start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    length: Annotated[int, Query(ge=0, le=MAX_CHARACTERS)] = MAX_CHARACTERS,
) -> Response:
    """Whoever reads a long document asks again from `start + length`."""
    public_id = check_public_id(document_id)

    def found() -> DocumentReply:
        return DocumentReply.of(here.searcher.document(public_id, caller), start, length)

    return json_response(await run_in_thread(here, found))


@router.get(
    "/passages/{passage_id}",
    responses={200: {"model": OpenedReply}},
    summary="A passage in its document",
)
async def passage(passage_id: str, caller: Caller, here: Here) -> Response:
    public_id = check_public_id(passage_id)
    return json_response(await run_in_thread(here, lambda: _opened(here, public_id, caller)))


@router.get("/whoami", responses={200: {"model": CallerReply}}, summary="Whose key this is")
async def whoami(caller: Caller) -> Response:
    return json_response(CallerReply(name=caller.name, scopes=tuple(sorted(caller.scopes))))


def _opened(here: Runtime, passage_id: str, caller: Principal) -> OpenedReply:
    hit, whole = here.searcher.passage_with_document(passage_id, caller)
    return OpenedReply.of(hit, whole, AROUND)
