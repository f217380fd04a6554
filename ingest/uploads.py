"""Jobs that uploads and deletions over HTTP leave in the queue.

Whoever runs them holds the lock for the corpus, so that no run looks at a folder while something is
put into it or taken out of it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from indexes.blobs import BlobFolder
from indexes.catalog import Catalog
from indexes.catalog.upload_work import PendingUpload
from indexes.embedder import LoadEmbedder
from indexes.errors import Cancelled, Conflict, NoReaders, SourceUnavailable, Superseded
from indexes.formats import INSIDE
from indexes.job_kinds import IngestRequest, PathRequest
from indexes.jobs import Attempt, Handler
from indexes.model import WORKER
from indexes.originals import OriginalFolder
from indexes.settings import Settings
from ingest.attempts import AttemptWatcher
from ingest.embedders import Embedders
from ingest.placing import place_file, remove_file, rule_at
from ingest.report import PROBLEMS, IngestReport
from ingest.requests import MakeParsers, perform_ingest

MAX_LISTED = 1_000  # files in the result of a job
ORPHANS_AFTER_S = 3_600.0  # what is younger may be on its way into the catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTools:
    """The long-lived objects of a worker."""

    settings: Settings
    catalog: Catalog
    load: LoadEmbedder
    make_parsers: MakeParsers | None

    @property
    def blobs(self) -> BlobFolder:
        return BlobFolder(self.settings.home)


def upload_handler(tools: UploadTools) -> Handler:
    """Puts one upload into its place and reads it; its result tells of each file."""

    def upload(payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        PathRequest.of(payload)
        purge_uploads(tools)
        try:
            attempt.check()
            pending = tools.catalog.upload_work.find(attempt.job_id)
            _place(pending, attempt, tools)
            result = _read(pending, attempt, tools)
        except Superseded:
            _discard(attempt, tools)
            raise
        except Cancelled:
            _take_back(attempt, tools)
            raise
        if result["succeeded"]:
            tools.catalog.upload_work.finish(attempt.job_id, by=attempt.asked_by)
        return result

    return upload


def removal_handler(tools: UploadTools) -> Handler:
    """Removes the file of a document that was deleted."""

    def remove(payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        uri, work = PathRequest.of(payload).uri, tools.catalog.upload_work
        attempt.check()
        source = work.find_deletion(uri)
        if source is not None:
            remove_file(source, source.parts_of(uri))
            work.note_removed(uri, attempt.job_id, by=attempt.asked_by)
        OriginalFolder(tools.settings.home).clean_up(tools.catalog.originals, WORKER)
        return {"succeeded": True}

    return remove


def purge_uploads(tools: UploadTools) -> None:
    """Bytes that have expired, and those that a killed process left, go."""
    with suppress(OSError):
        for gone in tools.catalog.uploads.purge(by=WORKER):
            tools.blobs.remove(gone)
        tools.blobs.remove_orphans(tools.catalog.uploads.blob_ids(), ORPHANS_AFTER_S)


def _place(pending: PendingUpload, attempt: Attempt, tools: UploadTools) -> None:
    """Raises SourceError, Conflict, Cancelled and LeaseLost."""
    if pending.blob is None:
        return
    _check_readers(pending, tools.catalog)
    work, by = tools.catalog.upload_work, attempt.asked_by
    attempt.check()
    work.prepare(attempt.job_id, by=by)
    try:
        with tools.blobs.open(pending.blob.id) as content:
            mark, digest = f"clearance-{attempt.job_id}", pending.blob.sha256
            is_new = place_file(pending.source, pending.parts, content, digest, mark)
    except FileNotFoundError as error:
        remedy = "Upload it again."
        raise SourceUnavailable("What was uploaded is not there.", remedy=remedy) from error
    work.note_placed(attempt.job_id, is_new=is_new, by=by)
    with suppress(OSError):
        tools.blobs.remove(pending.blob.id)


def _take_back(attempt: Attempt, tools: UploadTools) -> None:
    """Of an upload that was cancelled, a new file goes; one that took another's place stays."""
    work = tools.catalog.upload_work
    with suppress(Conflict):
        pending = work.find(attempt.job_id)
        if pending.is_new:
            remove_file(pending.source, pending.parts)
            work.take_back(attempt.job_id, by=attempt.asked_by)


def _discard(attempt: Attempt, tools: UploadTools) -> None:
    gone = tools.catalog.upload_work.discard(attempt.job_id, by=attempt.asked_by)
    if gone is not None:
        with suppress(OSError):
            tools.blobs.remove(gone)


def _check_readers(pending: PendingUpload, catalog: Catalog) -> None:
    """Raises NoReaders if no rule is found for the place, or one that allows fewer."""
    rule = rule_at(pending.source, pending.parts)
    if pending.own is None:
        return
    rule = catalog.people.meaning(rule.allow | rule.deny).readers(rule)
    if beyond := pending.own.beyond(rule):
        told = f"The rule of its place does not name {', '.join(sorted(beyond)[:5])}."
        raise NoReaders(told, remedy="Allow only those whom the rule names.")


def _read(pending: PendingUpload, attempt: Attempt, tools: UploadTools) -> dict[str, Any]:
    """What came of each file."""
    settings, catalog, by = tools.settings, tools.catalog, attempt.asked_by
    report = IngestReport(watcher=AttemptWatcher(attempt), go_on=attempt.check)
    embedders = Embedders(catalog, settings, tools.load, by=by)
    request = IngestRequest(paths=(pending.source.root.joinpath(*pending.parts),))
    perform_ingest(request, settings, catalog, embedders, report, tools.make_parsers, by=by)
    report.close()
    inside = pending.uri + INSIDE
    # a folder on the way may have been exchanged for a link meanwhile: of others nothing is told
    mine = [
        outcome
        for outcome in report.outcomes
        if outcome.uri is not None
        and (outcome.uri == pending.uri or outcome.uri.startswith(inside))
    ]
    if not mine:
        raise SourceUnavailable("It is not in its place any more.", remedy="Upload it again.")
    return {
        "succeeded": all(outcome.status not in PROBLEMS for outcome in mine),
        "files": [outcome.as_dict() for outcome in mine[:MAX_LISTED]],
        "lines": list(report.lines())[-MAX_LISTED:],
    }
