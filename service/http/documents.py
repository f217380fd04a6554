"""What the caller may read: a list of documents, a document's text, a passage in its document."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from indexes.catalog.filters import Filters
from indexes.model import Principal
from indexes.search.document_list import MAX_CURSOR_CHARS
from service.answering.recording import listed, opened
from service.http.auth import Caller, needs_key
from service.http.bodies import FiltersBody
from service.http.deps import (
    PROBLEM_RESPONSES,
    CurrentRuntime,
    check_public_id,
    json_response,
    run_in_thread,
)
from service.http.document_replies import EntriesReply
from service.http.replies import CallerReply, DocumentReply, EntryReply, OpenedReply
from service.runtime import Runtime

MAX_CHARACTERS = 1_000_000  # of a document in one reply
MAX_LISTED = 500  # documents of one page
MAX_FILTERS_CHARS = 8_000
CONTEXT_CHARACTERS = 1_500  # characters before and after an opened passage

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)


@router.get(
    "/documents",
    responses={200: {"model": EntriesReply}},
    summary="Documents that the caller may read",
)
async def documents(
    caller: Caller,
    runtime: CurrentRuntime,
    filters: Annotated[
        str | None,
        Query(max_length=MAX_FILTERS_CHARS, description="As in `/search`, one JSON object."),
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR_CHARS, description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 100,
) -> Response:
    """By path. The same filters go with each cursor."""
    wanted = _filters_of(filters)

    def list_documents() -> EntriesReply:
        page = runtime.documents.page(caller, wanted, cursor, limit)
        runtime.trail.record(listed(caller, [each.id for each in page.documents]))
        entries = tuple(EntryReply.model_validate(each) for each in page.documents)
        return EntriesReply(documents=entries, next=page.next)

    return json_response(await run_in_thread(runtime, list_documents))


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


def _filters_of(given: str | None) -> Filters:
    """Raises RequestValidationError, BadFilter."""
    if given is None:
        return Filters()
    try:
        return FiltersBody.model_validate_json(given).filters()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError(
            [{**each, "loc": ("query", "filters", *each["loc"]), "type": "value"} for each in found]
        ) from error


def _open_passage(runtime: Runtime, passage_id: str, caller: Principal) -> OpenedReply:
    hit, whole = runtime.searcher.passage_with_document(passage_id, caller)
    runtime.trail.record(opened(caller, hit.document_id, hit.id))
    return OpenedReply.of(hit, whole, CONTEXT_CHARACTERS)
