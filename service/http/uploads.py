"""Documents that callers bring, replace, relabel and take away. Needs the scope `ingest`, and the
right to write to the source (`clearance sources writers`).

Bytes go to the folder of blobs and no further: a worker puts them into their source and reads them.
"""

import asyncio
import errno
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from indexes.blobs import NewBlob
from indexes.catalog.document_rows import new_public_id
from indexes.catalog.uploads import Accepted, OnlyOnce, PlaceInSource, StoredBlob, Told
from indexes.errors import BadInput, StorageFull, TooLarge
from indexes.file_names import upload_path
from indexes.model import Actor, Principal
from indexes.scopes import INGEST
from service.http import problems
from service.http.auth import ActingCaller, Caller, needs_scope
from service.http.bodies import OwnReadersBody, ReplaceBody, RequestBody, UploadBody
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, check_public_id, json_response
from service.http.document_replies import AcceptedReply, BlobReply
from service.http.jobs import accepted
from service.http.middleware import is_streamed
from service.http.multipart import MAX_AROUND_BYTES, receive_bytes, receive_form
from service.http.replies import ReadersReply
from service.runtime import Runtime

Body = TypeVar("Body", bound=ReplaceBody)
T = TypeVar("T")
MEGABYTE = 1_000_000
MAX_KEY_CHARS = 255
SEVERAL = frozenset({"allow", "deny"})  # fields that a form may have several times

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(INGEST))


def _described(model: type[RequestBody]) -> dict[str, Any]:
    """The bodies of a route that reads them itself: a form with the file, or JSON with a blob."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    form = {**schema, "properties": {**schema["properties"], "file": {"format": "binary"}}}
    form["properties"]["file"]["type"] = "string"
    form["properties"].pop("blob")
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request for an upload: who asks, and of whom."""

    request: Request
    runtime: Runtime
    caller: Principal
    by: Actor

    @property
    def most_bytes(self) -> int:
        return self.runtime.settings.max_upload_mb * MEGABYTE

    @property
    def most_waiting(self) -> int:
        return self.runtime.settings.max_waiting_uploads_mb * MEGABYTE

    async def run(self, work: Callable[[], T]) -> T:
        """Blocking work, out of the way of searches."""
        return await to_thread.run_sync(work, limiter=self.runtime.admin_threads)

    async def write(self, blob: NewBlob, block: bytes) -> None:
        if block:
            await self.run(lambda: blob.write(block))


@router.post(
    "/documents",
    status_code=202,
    responses={202: {"model": AcceptedReply}},
    summary="Bring a document in",
    openapi_extra=_described(UploadBody),
)
async def upload(
    request: Request, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """What is at that path is replaced, and keeps its id. An `Idempotency-Key` makes sure that a
    request which is sent again is done once.
    """
    asked = _Asked(request, runtime, caller, by)

    def place_of(body: UploadBody) -> PlaceInSource:
        return PlaceInSource(source=body.source, parts=upload_path(body.path))

    return await _receive(asked, UploadBody, place_of)


@router.put(
    "/documents/{document_id}",
    status_code=202,
    responses={202: {"model": AcceptedReply}},
    summary="Replace a document's content",
    openapi_extra=_described(ReplaceBody),
)
async def replace(
    document_id: str, request: Request, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """The old text stays until the new one is read, for those whom both may have."""
    public_id = check_public_id(document_id)
    return await _receive(_Asked(request, runtime, caller, by), ReplaceBody, lambda body: public_id)


@router.patch(
    "/documents/{document_id}/readers",
    responses={200: {"model": ReadersReply}},
    summary="Say who may read a document",
)
async def set_readers(
    document_id: str,
    body: OwnReadersBody,
    caller: Caller,
    by: ActingCaller,
    runtime: CurrentRuntime,
) -> Response:
    """Of those whom the rule of its place allows. Effective at the next request, in every process,
    and for what is uploaded to that path later. Replies who may read it now.
    """
    public_id = check_public_id(document_id)
    set_own = runtime.catalog.stored_access.set_readers
    readers = await to_thread.run_sync(
        lambda: set_own(public_id, body.own(), caller, by=by), limiter=runtime.admin_threads
    )
    return json_response(ReadersReply.of(readers))


@router.delete(
    "/documents/{document_id}",
    status_code=202,
    responses={202: {"model": AcceptedReply}},
    summary="Delete a document",
)
async def delete(
    document_id: str, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """It is gone from the next request on; the job removes its file."""
    public_id = check_public_id(document_id)
    remove = runtime.catalog.stored_access.delete
    job = await to_thread.run_sync(
        lambda: remove(public_id, caller, by=by), limiter=runtime.admin_threads
    )
    return accepted(job.id)


@router.post(
    "/blobs",
    status_code=201,
    responses={201: {"model": BlobReply}},
    summary="Keep bytes for an upload",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def keep_blob(
    request: Request, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """The bytes of one file, as they are. They are kept for an hour, for `blob` in an upload."""
    asked = _Asked(request, runtime, caller, by)
    if not is_streamed(request.scope):
        raise HTTPException(415)
    _refuse_long(asked)
    with _full_disk_told(), runtime.blobs.begin() as blob:
        taking = receive_bytes(request, blob, asked.most_bytes, asked.write)
        refused = await _in_time(asked, taking)
        if isinstance(refused, Response):
            return refused
        stored = _stored(blob)
        kept = runtime.catalog.uploads.keep_blob
        expires_at = await asked.run(
            lambda: _keep(
                asked,
                blob,
                stored,
                lambda: kept(stored, caller, most_bytes=asked.most_waiting, by=by),
            )
        )
    reply = BlobReply(id=stored.id, size=stored.size, sha256=stored.sha256, expires_at=expires_at)
    return json_response(reply, 201)


async def _receive(
    asked: _Asked, model: type[Body], target_of: Callable[[Body], PlaceInSource | str]
) -> Response:
    if not is_streamed(asked.request.scope):
        body = _validate(model, await _json_of(asked.request))
        if body.blob is None:
            raise BadInput("There is no file.", remedy="Name a `blob`, or send a form with a file.")
        made = await asked.run(_submission(asked, body, target_of(body), body.blob))
        return accepted(made.job_id)
    _refuse_long(asked)
    with _full_disk_told(), asked.runtime.blobs.begin() as blob:
        taking = receive_form(asked.request, blob, asked.most_bytes, asked.write)
        fields = await _in_time(asked, taking)
        if isinstance(fields, Response):
            return fields
        body, stored = _validate(model, _values_of(fields)), _stored(blob)
        if body.blob is not None:
            raise BadInput("There are a file and a blob.", remedy="Send one of them.")
        submit = _submission(asked, body, target_of(body), stored)
        made = await asked.run(lambda: _keep(asked, blob, stored, submit))
    return accepted(made.job_id)


def _submission(
    asked: _Asked, body: ReplaceBody, target: PlaceInSource | str, blob: StoredBlob | str
) -> Callable[[], Accepted]:
    own = body.own()
    told = Told(own=own, title=body.title, collection=body.collection, metadata=body.metadata)
    once = _only_once(asked.request, body, blob)
    submit = asked.runtime.catalog.uploads.submit
    most = asked.most_waiting
    return lambda: submit(target, told, blob, asked.caller, once=once, most_bytes=most, by=asked.by)


def _keep(asked: _Asked, blob: NewBlob, stored: StoredBlob, note: Callable[[], T]) -> T:
    """The bytes get their name before the catalog knows them, and lose it if it will not.

    Also purges what has expired. Raises what `note` raises, and OSError.
    """
    _purge(asked)
    blob.keep(stored.id)
    try:
        made = note()
    except BaseException:
        asked.runtime.blobs.remove(stored.id)
        raise
    if isinstance(made, Accepted) and made.known:
        asked.runtime.blobs.remove(stored.id)
    return made


def _purge(asked: _Asked) -> None:
    for gone in asked.runtime.catalog.uploads.purge(by=asked.by):
        with suppress(OSError):
            asked.runtime.blobs.remove(gone)


async def _in_time(asked: _Asked, taking: Any) -> Any:
    """What was taken, or the reply to who is too slow or has left."""
    try:
        async with asyncio.timeout(asked.runtime.settings.upload_timeout_s):
            return await taking
    except TimeoutError:
        return problems.Problem(problems.TOO_SLOW).response(asked.request.state.request_id)
    except ClientDisconnect:
        asked.request.state.left = True
        return Response(status_code=204)  # nobody is there to read it


def _refuse_long(asked: _Asked) -> None:
    """Raises TooLarge for a body that says so itself."""
    said = int(asked.request.headers.get("content-length", "0"))
    if said > asked.most_bytes + MAX_AROUND_BYTES:
        raise TooLarge()


def _stored(blob: NewBlob) -> StoredBlob:
    """Raises BadInput for an empty file."""
    if blob.size == 0:
        raise BadInput("The file is empty.", remedy="Send a file with something in it.")
    return StoredBlob(id=new_public_id(), size=blob.size, sha256=blob.sha256)


def _only_once(request: Request, body: RequestBody, blob: StoredBlob | str) -> OnlyOnce | None:
    """Raises BadInput."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        told = f"Idempotency-Key must be 1 to {MAX_KEY_CHARS} printable ASCII characters."
        raise BadInput(told)
    content = blob if isinstance(blob, str) else blob.sha256
    parts = [request.method, request.url.path, body.model_dump_json(), content]
    return OnlyOnce(key=key, digest=hashlib.sha256(json.dumps(parts).encode()).hexdigest())


def _values_of(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """The fields of a form as JSON would have them. Raises BadInput."""
    values: dict[str, Any] = {}
    for name, given in fields.items():
        if name not in SEVERAL and len(given) > 1:
            raise BadInput(f"A field is there {len(given)} times.", remedy="Send it once.")
        several = [] if given == [""] else given  # `allow=` alone is how a form says nobody
        values[name] = several if name in SEVERAL else given[0]
    if "metadata" in values:
        try:
            values["metadata"] = json.loads(values["metadata"])
        except (ValueError, RecursionError) as error:
            raise BadInput("`metadata` is not JSON.", remedy="Send one JSON object.") from error
    return values


def _validate(model: type[Body], given: Any) -> Body:
    """Raises RequestValidationError."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from error


async def _json_of(request: Request) -> Any:
    """Raises HTTPException."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error


@contextmanager
def _full_disk_told() -> Iterator[None]:
    """Raises StorageFull in the place of what the system says of it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("Nothing of the upload was kept.") from error
        raise
