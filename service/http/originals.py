"""The file that a document was made from, as it was then: to download, or to look at."""

import asyncio
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from indexes.catalog import Catalog
from indexes.errors import ClearanceError, NotFound
from indexes.model import OriginalView, Principal, Row
from indexes.originals import OriginalFolder
from service.answering.permission import Permission
from service.answering.recording import opened
from service.http import problems
from service.http.auth import Caller, needs_key
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, check_public_id, run_in_thread
from service.http.middleware import SAFE_HEADERS
from service.http.streaming import STALLED_S
from service.runtime import Runtime

INLINE = frozenset({"application/pdf", "image/png", "image/jpeg", "text/plain"})
"""What a browser may show by itself. No page and no drawing that could hold a script."""
UNKNOWN = "application/octet-stream"
MAX_NAME_CHARS = 150
_UNSAFE = frozenset('\\/:*?"<>|')
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_POLICY = f"{SAFE_HEADERS['Content-Security-Policy']}; style-src 'unsafe-inline'"
_SANDBOX = f"{_POLICY}; sandbox"
"""Not for a PDF: viewers of browsers do not work in a sandbox, and have one of their own."""

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in (UNKNOWN, *sorted(INLINE))
        }
    },
    206: {"description": "The part that `Range` asks for."},
    304: {"description": "The caller has it, by `If-None-Match`."},
}

log = logging.getLogger(__name__)
router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_key)


@dataclass(frozen=True, slots=True)
class _KeptFile:
    original: OriginalView
    path: Path
    about: os.stat_result


@router.head(
    "/documents/{document_id}/original",
    response_class=FileResponse,
    summary="About a document's original file",
)
@router.get(
    "/documents/{document_id}/original",
    response_class=FileResponse,
    responses=FILE,
    summary="A document's original file",
)
async def original(
    document_id: str,
    request: Request,
    caller: Caller,
    runtime: CurrentRuntime,
    version: Annotated[
        str | None,
        Query(
            max_length=64,
            description="`original` of the reply that the file belongs to. If the document is made"
            " from another file by now, there is none.",
        ),
    ] = None,
    inline: Annotated[
        bool, Query(description="To be shown and not saved, if it is a PDF, a picture or text.")
    ] = False,
) -> Response:
    """The file as it was when the document was made, if files are kept
    (`CLEARANCE_KEEP_ORIGINALS`). A part of it, if `Range` asks for one.
    """
    public_id = check_public_id(document_id)
    found = await run_in_thread(runtime, lambda: _find(runtime, public_id, caller, version))
    headers = _headers_of(found.original, inline=inline)
    if _is_known(headers["ETag"], request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    source = _StillReadable(runtime.catalog, found.original)
    permission = Permission(source, caller, runtime.cpu)
    return _OriginalResponse(found, headers, permission)


def _find(runtime: Runtime, document_id: str, caller: Principal, version: str | None) -> _KeptFile:
    """Raises NotFound for what the caller may not read, for another version and for no file."""
    with runtime.catalog.reading() as state:
        found = state.original(document_id, caller)
    if version not in (None, found.sha256):
        raise NotFound
    path = OriginalFolder(runtime.settings.home).path_of(found.sha256)
    try:
        about = path.stat()
    except OSError as error:
        log.error("The original of document %s is not in the home.", found.document_id)
        raise NotFound from error
    runtime.trail.record(opened(caller, found.document_id, original=True))
    return _KeptFile(found, path, about)


def _headers_of(found: OriginalView, *, inline: bool) -> dict[str, str]:
    shown = found.media_type in INLINE
    return {
        # without a charset: it is not known here, and browsers find out
        "Content-Type": found.media_type if shown else UNKNOWN,
        "Content-Security-Policy": _POLICY if found.media_type == "application/pdf" else _SANDBOX,
        "Content-Disposition": _disposition(found.path, inline=inline and shown),
        "ETag": f'"{found.sha256}"',
        "Vary": "Authorization, Cookie",
    }


def _disposition(path: str, *, inline: bool) -> str:
    """With the name of the file, RFC 6266: in ASCII for old programs, and as it is."""
    name = safe_name(path)
    plain = re.sub(r"[^ !#$&+\-.^_`|~0-9A-Za-z()\[\]{},;=@']", "_", name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def safe_name(path: str) -> str:
    """The last part of a path as a name that leads nowhere, hides nothing and ends as it does."""
    name = PurePosixPath(path).name
    seen = "".join(c if c.isprintable() and c not in _UNSAFE else "_" for c in name)
    stem, dot, ending = seen.strip(" .").rpartition(".")
    whole = f"{stem[:MAX_NAME_CHARS]}{dot}{ending[:MAX_NAME_CHARS]}"
    return whole or "document"


def _is_known(tag: str, known: str) -> bool:
    given = [each.strip().removeprefix("W/") for each in known.split(",")]
    return tag in given or "*" in given


class _StillReadable:
    """Whether a file may still be sent: the document is there, of the same file, and readable."""

    def __init__(self, catalog: Catalog, found: OriginalView) -> None:
        self._catalog = catalog
        self._found = found

    def confirm(self, principal: Principal, rows: Iterable[Row], documents: Iterable[str]) -> None:
        """Raises NotAuthenticated, and NotFound if it is not what the caller may read any more."""
        with self._catalog.reading() as state:
            if state.original(self._found.document_id, principal).sha256 != self._found.sha256:
                raise NotFound


class _OriginalResponse(FileResponse):
    """Sends the file piece by piece, as long as the caller may have it, and no longer."""

    def __init__(self, found: _KeptFile, headers: dict[str, str], permission: Permission) -> None:
        super().__init__(found.path, headers=headers, stat_result=found.about)
        del self.headers["last-modified"]  # says when it was taken in, which is nobody's business
        self._permission = permission
        self._size = found.about.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_while_permitted(message: Message) -> None:
            if message["type"] == "http.response.body":
                await self._permission.confirm_if_stale()
            async with asyncio.timeout(STALLED_S):
                await send(message)

        try:
            await super().__call__(self._with_plain_range(scope), receive, send_while_permitted)
        except (TimeoutError, OSError):
            scope["state"]["left"] = True
        except ClearanceError as error:  # what is missing at the end tells that it was cut off
            problems.log_problem(error, scope["state"]["request_id"])

    def _with_plain_range(self, scope: Scope) -> Scope:
        """Only a range that is one stretch of just this file is left, and any other is passed over,
        as RFC 9110 allows.
        """
        asked = {b"range", b"if-range"}
        given = [
            (name, value.decode("latin-1")) for name, value in scope["headers"] if name in asked
        ]
        others = [header for header in scope["headers"] if header[0] not in asked]
        ranges = [value for name, value in given if name == b"range"]
        same_file = all(
            value == self.headers["etag"] for name, value in given if name == b"if-range"
        )
        if len(ranges) == 1 and same_file and self._is_stretch(ranges[0]):
            others.append((b"range", ranges[0].encode("latin-1")))
        return {**scope, "headers": others}

    def _is_stretch(self, wanted: str) -> bool:
        found = _ONE_RANGE.fullmatch(wanted)
        if found is None:
            return False
        first, last = found.groups()
        if not first:
            return bool(last) and int(last) > 0
        return int(first) < self._size and (not last or int(last) >= int(first))
