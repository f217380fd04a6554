"""Files that changed, through the parsers."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace

from indexes.errors import SourceError
from indexes.settings import Settings
from ingest.elements import Parsed
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.sandbox import Cutting
from ingest.judged_files import content_hash, make_private_copy, open_judged_file
from ingest.originals import keep_original
from ingest.plan import Task, Verdict
from ingest.report import FileOutcome, failed_outcome
from ingest.stages import Stages
from ingest.steps.chunk import cut_options
from ingest.steps.values import ChangedFile, IngestTools, UnchangedFile

_POLL_S = 0.2
_PARSED = frozenset({"new", "changed"})  # what becomes of a file that is parsed


def parse_files(
    tasks: Iterable[Task], tools: IngestTools, stages: Stages
) -> Iterator[UnchangedFile | ChangedFile | FileOutcome]:
    """Files that changed, parsed, in the order in which they are done; a few are in flight at any
    time.
    """
    pending: dict[Future[Parsed], ChangedFile] = {}
    most = 2 * tools.settings.parse_workers
    try:
        for task in tasks:
            item = _read_file(task, tools)
            if isinstance(item, tuple):
                changed, document = item
                tools.parsers.prepare()  # while the model is loaded, of which cutting takes a part
                yield from _await_room(changed, document, pending, stages)
                pending[tools.parsers.submit(document, _cutting_of(task, tools))] = changed
            else:
                yield item
            yield from _take_parsed(pending, stages, fewer_than=most)
        yield from _take_parsed(pending, stages, fewer_than=1)
    finally:
        for future in pending:
            future.cancel()


def _cutting_of(task: Task, tools: IngestTools) -> Cutting:
    options = cut_options(task.source, tools.settings.chunk_tokens)
    return Cutting(tools.embedders.recipe, options)


def _await_room(
    changed: ChangedFile,
    document: PrivateCopy,
    pending: dict[Future[Parsed], ChangedFile],
    stages: Stages,
) -> Iterator[ChangedFile | FileOutcome]:
    """What the parsers have finished while more is on its way than may be."""
    source = changed.task.source
    try:
        while not stages.load.try_add(source.uri, source.size):
            if pending:
                yield from _take_parsed(pending, stages, fewer_than=len(pending))
            else:
                stages.check()
                time.sleep(_POLL_S)
    except BaseException:
        document.close()
        raise


def _read_file(
    task: Task, tools: IngestTools
) -> UnchangedFile | FileOutcome | tuple[ChangedFile, PrivateCopy]:
    """If the file's hash does not settle it: its bytes, in a copy, with the hash of just these
    bytes.
    """
    with ExitStack() as unused:  # the copy, if nobody is to parse it
        try:
            verdict, digest, copy = _look_at_file(task, tools.settings, unused)
            original = _original_of(task, copy, tools)
        except SourceError as error:
            return failed_outcome(
                task.source.path, error, stale=task.stored is not None, uri=task.source.uri
            )
        if copy is None or verdict not in _PARSED:
            return UnchangedFile(task=task, verdict=verdict, original=original)
        unused.pop_all()
    changed = ChangedFile(task=task, verdict=verdict, content_hash=digest, original=original)
    return changed, copy


def _look_at_file(
    task: Task, settings: Settings, opened: ExitStack
) -> tuple[Verdict, str, PrivateCopy | None]:
    """What is to be done, the content hash, and a copy if the bytes are needed. Raises SourceError."""
    copy = None
    with open_judged_file(task.source) as file:
        digest = content_hash(file, task.source, settings)
        if task.verdict(digest) in _PARSED or _lacks_original(task, settings):
            copy, digest = make_private_copy(file, task.source, settings)
            opened.enter_context(copy)
    return task.verdict(digest), digest, copy


def _lacks_original(task: Task, settings: Settings) -> bool:
    return settings.keep_originals and task.stored is not None and task.stored.original is None


def _original_of(task: Task, copy: PrivateCopy | None, tools: IngestTools) -> str | None:
    """The SHA-256 of the file, which is kept from now on; None if none is to be kept.

    Raises SourceUnavailable, StorageFull.
    """
    if not tools.settings.keep_originals:
        return None
    if copy is None:
        return None if task.stored is None else task.stored.original
    return keep_original(copy, tools.settings, tools.catalog, tools.by)


def _weigh(changed: ChangedFile) -> int:
    """About how much memory the text of a document takes on its way."""
    assert changed.parsed is not None
    if changed.parsed.cut is None:
        return 2 * sum(len(element.text) for element in changed.parsed.elements)
    chunks = changed.parsed.cut.chunks
    said = sum(len(chunk.embedded) + len(chunk.words) for chunk in chunks)
    return 2 * len(changed.parsed.cut.text) + said


def _take_parsed(
    pending: dict[Future[Parsed], ChangedFile], stages: Stages, *, fewer_than: int
) -> Iterator[ChangedFile | FileOutcome]:
    """What the parsers have finished; waits until fewer than this many are in flight."""
    while pending:
        stages.check()
        crowded = len(pending) >= fewer_than
        done, _ = wait(pending, timeout=_POLL_S if crowded else 0, return_when=FIRST_COMPLETED)
        while done:
            future = done.pop()
            changed = pending.pop(future)
            source, stale = changed.task.source, changed.task.stored is not None
            try:
                changed = replace(changed, parsed=future.result())
                stages.load.weigh_again(source.uri, _weigh(changed))
                del future
                yield changed
                del changed
            except SourceError as error:
                yield failed_outcome(source.path, error, stale=stale, uri=source.uri)
        if not crowded or len(pending) < fewer_than:
            return
