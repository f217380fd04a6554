"""Documents and failed files for operators: no text and no titles. Needs the scope `operate`."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from indexes.catalog.listing import DocumentState
from indexes.scopes import OPERATE
from service.http.auth import needs_scope
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.document_replies import StoredListReply, StoredReply

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(OPERATE))

Text = Annotated[str | None, Query(max_length=8_192, pattern=r"^[^\x00]*$")]


@router.get(
    "/admin/documents",
    responses={200: {"model": StoredListReply}},
    summary="What is stored, and what could not be",
)
async def stored(
    runtime: CurrentRuntime,
    source: Text = None,
    path_prefix: Text = None,
    state: DocumentState | None = None,
    reader: Text = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**40)] = 0,
) -> Response:
    """Needs the scope `operate`. By path, with the readers and the last error of each."""

    def list_documents() -> StoredListReply:
        found = runtime.catalog.listing.documents(
            source=source, path_prefix=path_prefix or "", state=state, reader=reader,
            limit=limit, offset=offset,
        )  # fmt: skip
        return StoredListReply(documents=tuple(StoredReply.model_validate(one) for one in found))

    return json_response(await to_thread.run_sync(list_documents, limiter=runtime.admin_threads))
