"""What is left to write of each file, and its line in the report."""

from collections.abc import Mapping, Sequence

from indexes.errors import (
    BadInput,
    ClearanceError,
    Conflict,
    ModelMismatch,
    SourceBroken,
    UnknownPrincipal,
)
from indexes.model import Document
from ingest.plan import Task, Verdict
from ingest.report import PROBLEMS, FileOutcome, failed_outcome
from ingest.rule_names import describe_difference
from ingest.steps.values import EmbeddedDocument, UnchangedFile, Vectors, WriteTools

_PUT_ATTEMPTS = 3


def store_item(
    item: UnchangedFile | EmbeddedDocument | FileOutcome,
    tools: WriteTools,
    relabelled: frozenset[str] = frozenset(),
) -> FileOutcome:
    """Write what is left to write of one file. relabelled: uris of those that have their readers.

    The only writer of a run is the thread that calls this.
    """
    if isinstance(item, FileOutcome):
        return item
    if isinstance(item, UnchangedFile):
        return _store_unchanged(item, tools, relabelled)
    chunked, source = item.chunked, item.chunked.task.source
    try:
        _put_document(chunked.document, item.vectors, tools)
    except (BadInput, Conflict, ValueError) as error:  # this document cannot be stored; others can
        broken = (
            error
            if isinstance(error, ClearanceError)
            else SourceBroken(f"It cannot be stored: {error}.")
        )
        stale = chunked.task.stored is not None
        return failed_outcome(source.path, broken, stale=stale, uri=source.uri)
    change = _describe_new_readers(chunked.task)
    return FileOutcome(
        path=source.path,
        status=chunked.verdict,
        chunks=len(chunked.document.chunks),
        warnings=chunked.warnings + ((change,) if change else ()),
        losses=chunked.document.losses,
        uri=source.uri,
    )


def _store_unchanged(
    item: UnchangedFile, tools: WriteTools, relabelled: frozenset[str]
) -> FileOutcome:
    """Its readers, unless it has them already, and whether its file is kept."""
    source, stored = item.task.source, item.task.stored
    if item.verdict == "relabelled" and source.uri not in relabelled:
        try:
            tools.catalog.documents.relabel(source.uri, item.task.readers, by=tools.by)
        except (Conflict, UnknownPrincipal) as error:
            return failed_outcome(source.path, error, stale=True, uri=source.uri)
    if stored is not None and stored.original != item.original:
        tools.catalog.originals.change(source.uri, stored.content_hash, item.original, by=tools.by)
    return unchanged_outcome(item.task, item.verdict)


def relabel_together(
    items: Sequence[UnchangedFile | EmbeddedDocument | FileOutcome], tools: WriteTools
) -> frozenset[str]:
    """New readers of all files among these that need nothing else, in one transaction.

    Returns their uris. None if one of their rules cannot be stored: each is then tried alone.
    """
    readers = {
        item.task.source.uri: item.task.readers
        for item in items
        if isinstance(item, UnchangedFile) and item.verdict == "relabelled"
    }
    if not readers:
        return frozenset()
    try:
        tools.catalog.documents.relabel_all(readers, by=tools.by)
    except (Conflict, UnknownPrincipal):
        return frozenset()
    return frozenset(readers)


def unchanged_outcome(task: Task, verdict: Verdict) -> FileOutcome:
    """The line of a file that need not be read."""
    return FileOutcome(
        path=task.source.path,
        status=verdict,
        reason=_describe_new_readers(task),
        uri=task.source.uri,
    )


def note_outcome(outcome: FileOutcome, tools: WriteTools) -> None:
    """Keeps for operators why a file is not in the catalog as it is."""
    if outcome.uri is None:
        return
    if outcome.status in PROBLEMS:
        reason = outcome.reason or ""
        tools.catalog.failures.note(
            outcome.uri,
            path=outcome.path,
            status=outcome.status,
            reason=reason,
            remedy=outcome.remedy,
            by=tools.by,
        )
    else:
        tools.catalog.failures.clear(outcome.uri, by=tools.by)


def _describe_new_readers(task: Task) -> str | None:
    """How the rule that holds now differs from the one that was stored; a rule may change though no
    file does.
    """
    if task.stored is None or task.stored.readers == task.wanted:
        return None
    return f"readers changed: {describe_difference(task.stored.readers, task.wanted)}"


def _put_document(document: Document, vectors: Mapping[int, Vectors], tools: WriteTools) -> None:
    """Store it; embed it again for a generation that was begun after its vectors were made."""
    for attempt in range(_PUT_ATTEMPTS):
        try:
            tools.catalog.documents.put(document, vectors, by=tools.by)
            return
        except ModelMismatch:
            if attempt == _PUT_ATTEMPTS - 1:
                raise
            texts = [piece.embedded or piece.text for piece in document.chunks]
            missing = {
                generation.id: embedder.passages(texts)
                for generation, embedder in tools.embedders.by_generation()
                if generation.id not in vectors
            }
            vectors = {**vectors, **missing}
