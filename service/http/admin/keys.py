"""API keys over HTTP. Needs the scope `people`; nobody gives a scope that they lack."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self, TypeVar

from anyio import to_thread
from fastapi import APIRouter
from pydantic import Field, StrictInt
from starlette.responses import Response

from indexes.catalog.keys import MAX_LABEL_CHARS, IssuedKey, KeyInfo, Keys
from indexes.scopes import ASK, PEOPLE
from service.http.auth import ActingCaller, Caller, needs_scope
from service.http.bodies import Name, Names, RequestBody
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, check_public_id, json_response
from service.http.replies import Reply

MAX_DAYS = 36_500
T = TypeVar("T")


class IssueBody(RequestBody):
    user: Name
    scopes: Names = Field([ASK], description="What it may do. None gives a right to read.")
    label: Annotated[str, Field(max_length=MAX_LABEL_CHARS)] = Field("", description="What for.")
    days: Annotated[StrictInt, Field(ge=1, le=MAX_DAYS)] | None = Field(
        None, description="Expires after so many; none: never."
    )


class RotateBody(RequestBody):
    overlap_s: Annotated[StrictInt, Field(ge=0, le=MAX_DAYS * 86_400)] = Field(
        7 * 86_400, description="How long the old key still holds."
    )


class KeyReply(Reply):
    id: str
    user: str
    label: str
    state: str = Field(description="`valid`, `revoked` or `expired`.")
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="About when it was used last.")
    replaced_by: str | None = Field(description="The key that a rotation made for it.")

    @classmethod
    def of(cls, key: KeyInfo, now: datetime) -> Self:
        return cls(state=key.state(now), **asdict(key))


class KeysReply(Reply):
    keys: tuple[KeyReply, ...]


class IssuedKeyReply(Reply):
    id: str
    secret: str = Field(description="Shown now and never again.")

    @classmethod
    def of(cls, key: IssuedKey) -> Self:
        return cls(id=key.id, secret=key.secret)


router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(PEOPLE))


@router.get("/admin/keys", responses={200: {"model": KeysReply}}, summary="Every key")
async def list_keys(runtime: CurrentRuntime, user: Name | None = None) -> Response:
    """Without their secrets, oldest first; of one user or of all."""
    found = await _run_on_keys(runtime, lambda keys: keys.list(user))
    now = datetime.now(UTC)
    return json_response(KeysReply(keys=tuple(KeyReply.of(key, now) for key in found)))


@router.post(
    "/admin/keys",
    status_code=201,
    responses={201: {"model": IssuedKeyReply}},
    summary="Make a key for a user",
)
async def issue_key(
    body: IssueBody, caller: Caller, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """With scopes that the caller holds; `act-as` is given on the command line only."""
    expires_at = datetime.now(UTC) + timedelta(days=body.days) if body.days else None
    made = await _run_on_keys(
        runtime,
        lambda keys: keys.issue(
            body.user,
            scopes=body.scopes,
            label=body.label,
            expires_at=expires_at,
            by=by,
            giver=caller,
        ),
    )
    return json_response(IssuedKeyReply.of(made), 201)


@router.post(
    "/admin/keys/{key_id}/rotate",
    status_code=201,
    responses={201: {"model": IssuedKeyReply}},
    summary="Make a key that takes the place of another",
)
async def rotate_key(
    key_id: str,
    caller: Caller,
    by: ActingCaller,
    runtime: CurrentRuntime,
    body: RotateBody | None = None,
) -> Response:
    """The same user, label and scopes, all of which the caller must hold."""
    its_id = check_public_id(key_id)
    overlap = timedelta(seconds=(body or RotateBody()).overlap_s)
    made = await _run_on_keys(
        runtime,
        lambda keys: keys.rotate(its_id, overlap=overlap, by=by, giver=caller),
    )
    return json_response(IssuedKeyReply.of(made), 201)


@router.delete("/admin/keys/{key_id}", status_code=204, summary="Take a key back")
async def revoke_key(key_id: str, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """From the next request on it is refused."""
    its_id = check_public_id(key_id)
    await _run_on_keys(runtime, lambda keys: keys.revoke(its_id, by=by))
    return Response(status_code=204)


async def _run_on_keys(runtime: CurrentRuntime, work: Callable[[Keys], T]) -> T:
    return await to_thread.run_sync(work, runtime.catalog.keys, limiter=runtime.admin_threads)
