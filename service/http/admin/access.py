"""Who may read what, why, and since when, for administrators of people. No text, no title.

Needs the scope `people`.
"""

from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from indexes.catalog.access_history import AccessChange, changes_for
from indexes.scopes import PEOPLE
from service.http.auth import needs_scope
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.replies import Reply
from service.runtime import Runtime

MAX_CHANGES = 1_000  # in one reply

User = Annotated[str, Query(max_length=255, description="user:NAME, or the name alone.")]
DocumentName = Annotated[
    str, Query(max_length=4_096, description="Its id, or its path or address as stored.")
]

router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(PEOPLE))


class RuleEntryReply(Reply):
    effect: str
    name: str
    state: str
    ways: tuple[tuple[str, ...], ...]
    applies: bool


class ExplanationReply(Reply):
    user: str
    document: str
    path: str
    may_read: bool
    because: tuple[str, ...]
    rules: tuple[RuleEntryReply, ...]
    notes: tuple[str, ...]
    would_change: tuple[str, ...]


class DocumentReadersReply(Reply):
    document: str
    path: str
    users: tuple[str, ...]
    external_groups: tuple[str, ...]


class AccessChangeReply(Reply):
    at: str
    by: str
    what: str
    subject: str
    effect: str
    documents: tuple[str, ...]
    detail: dict[str, Any]


class AccessChangesReply(Reply):
    user: str
    changes: tuple[AccessChangeReply, ...]
    more: bool  # there are later ones: ask again from the time of the last


@router.get(
    "/admin/access/explain",
    responses={200: {"model": ExplanationReply}},
    summary="Why somebody may or may not read a document",
)
async def explain(
    user: User,
    document: DocumentName,
    runtime: CurrentRuntime,
    group: Annotated[list[str] | None, Query(max_length=100)] = None,
) -> Response:
    """`group`: one that the user's token would bring; may be repeated."""
    told = await to_thread.run_sync(
        lambda: runtime.catalog.explain(user, document, group or ()), limiter=runtime.admin_threads
    )
    return json_response(ExplanationReply.model_validate(told))


@router.get(
    "/admin/access/readers",
    responses={200: {"model": DocumentReadersReply}},
    summary="Who may read a document",
)
async def readers(document: DocumentName, runtime: CurrentRuntime) -> Response:
    found = await to_thread.run_sync(
        lambda: runtime.catalog.readers_of(document), limiter=runtime.admin_threads
    )
    return json_response(DocumentReadersReply.model_validate(found))


@router.get(
    "/admin/access/changes",
    responses={200: {"model": AccessChangesReply}},
    summary="What changed for somebody",
)
async def changes(
    user: User, runtime: CurrentRuntime, since: AwareDatetime | None = None
) -> Response:
    """Changes of the person, of its groups, and of documents that came within its reach or left it,
    the oldest first.
    """
    found = await to_thread.run_sync(
        lambda: _find_changes(runtime, user, since), limiter=runtime.admin_threads
    )
    shown = tuple(AccessChangeReply.model_validate(each) for each in found[:MAX_CHANGES])
    return json_response(
        AccessChangesReply(user=user, changes=shown, more=len(found) > MAX_CHANGES)
    )


def _find_changes(runtime: Runtime, user: str, since: datetime | None) -> list[AccessChange]:
    name, identities = runtime.catalog.identities_of(user)
    records = runtime.catalog.books(runtime.trail).changes(since)
    return list(islice(changes_for(name, identities, records), MAX_CHANGES + 1))
