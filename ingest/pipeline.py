"""The ingest path: a plan in, documents with vectors in the catalog out. Read `run` first.

Whatever narrows access is written before any file is read. Parsing, chunking and embedding then
overlap, each a bounded way ahead of the next, and each document is stored in one transaction as
soon as its vectors are there. A killed run has stored whole documents only; the next run finds them
by their hash and goes on with the rest.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes import attributes
from indexes.catalog import Catalog
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import (
    BadInput,
    ClearanceError,
    ModelMismatch,
    SourceBroken,
    SourceEmpty,
    SourceError,
    UnknownPrincipal,
)
from indexes.model import Actor, Document, IndexGeneration, Scalar
from indexes.settings import Settings
from ingest import moving
from ingest.access import NOBODY
from ingest.chunking import chunk
from ingest.elements import Parsed
from ingest.flow import Ahead, Flow
from ingest.isolation.private_copy import PrivateCopy
from ingest.naming import difference
from ingest.plan import Plan, Relabel, Task, Verdict
from ingest.report import PROBLEMS, FileOutcome, Report, failure
from ingest.sources import content_hash, judged_file, private_copy

# chunks sorted by length together; also what a kill can cost in embedding work
WINDOW_TOKENS = 32_768
BATCH_TOKENS = 8_192  # given to the embedder in one call; also how long an interrupt waits
MAX_TITLE_CHARS = 300
# of what a file says about itself; the rest is for its manifest
MAX_OWN_ITEMS = attributes.MAX_ITEMS // 2
_PUT_ATTEMPTS = 3
_POLL_S = 0.2

Vectors = NDArray[np.float32]
log = logging.getLogger(__name__)


class Parsing(Protocol):
    """Files to elements, elsewhere: `ingest.isolation.Parsers`.

    A result raises SourceError and nothing else.
    """

    def submit(self, document: PrivateCopy) -> Future[Parsed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """The long-lived objects that storing documents takes."""

    catalog: Catalog
    settings: Settings
    embedders: "Embedders"
    by: Actor  # who started the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools(Writing):
    """The long-lived objects of a run."""

    parsers: Parsing


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The stored text is the file's text; at most the readers differ."""

    task: Task
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file on its way through a parser."""

    task: Task
    verdict: Verdict
    content_hash: str
    parsed: Parsed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A document without vectors yet."""

    task: Task
    verdict: Verdict
    document: Document
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A document that can be stored; vectors by generation id."""

    cut: Cut
    vectors: Mapping[int, Vectors]


def run(plan: Plan, tools: Tools, report: Report) -> None:
    """Carry out the plan.

    A file that fails is a line in the report; what is raised stopped the run between two files.

    Raises StorageFull, Busy, ModelMismatch and what else the catalog or the embedder cannot get
    over.
    """
    plan = withdraw(plan, tools, report)
    if not plan.tasks:
        return
    with Flow() as flow:
        read = flow.ahead(_read(plan.tasks, tools, flow), limit=2 * tools.settings.parse_workers)
        write(read, tools, flow, report)


def write(
    read: Iterable[Settled | Reading | FileOutcome], tools: Writing, flow: Flow, report: Report
) -> None:
    """Cut, embed and store what was read, wherever it was read from."""
    window = max(1, WINDOW_TOKENS // tools.settings.chunk_tokens)
    cut = flow.ahead(_cut(read, tools), limit=2 * window, weigh=_chunks)
    embedded = flow.ahead(_embed(cut, window, tools, flow), limit=window, weigh=_chunks)
    for item in embedded:
        outcome = _settle(item, tools)
        _remember(outcome, tools)
        report.add(outcome)


def withdraw(plan: Plan, tools: Writing, report: Report) -> Plan:
    """What takes text away from someone: narrower readers, moves, removals.

    Then the lines of files that are not read.

    Returns the plan of what is left to do.
    """
    for relabel in plan.relabel:
        _narrow(relabel, tools)
    plan = moving.settle(plan, tools.catalog, tools.settings, tools.by)
    if plan.prune:
        _prune(plan, tools, report)
    else:
        report.missing = len(plan.gone)
        files = ((gone.uri, gone.path) for gone in plan.gone)
        tools.catalog.failures.note_gone(files, by=tools.by)
    for refusal in plan.refused:
        outcome = failure(
            refusal.source.path, refusal.problem, stale=refusal.stored, uri=refusal.source.uri
        )
        _remember(outcome, tools)
        report.add(outcome)
    return plan


def _prune(plan: Plan, tools: Writing, report: Report) -> None:
    kept = too_many(plan, tools.settings.prune_limit, report)
    for gone in plan.gone:
        if gone.root not in kept:
            tools.catalog.documents.delete(gone.uri, by=tools.by)
            tools.catalog.failures.clear(gone.uri, by=tools.by)
            report.add(FileOutcome(path=gone.path, status="removed"))


def too_many(plan: Plan, limit: float, report: Report) -> frozenset[str]:
    """The roots that would lose more than may go at once: each is a line, and none of its documents
    is removed.
    """
    counted = Counter(gone.root for gone in plan.gone)
    kept = frozenset(root for root, count in counted.items() if count > limit * plan.held[root])
    if report.prune_anyway:
        return frozenset()
    for root in sorted(kept):
        here = next(gone.path for gone in plan.gone if gone.root == root).split("/")[0]
        reason = f"{counted[root]} of {plan.held[root]} documents have no file any more. None was removed."
        remedy = "See whether the folder is there and mounted; if they are to go: --prune-anyway"
        report.add(FileOutcome(path=f"{here}/", status="refused", reason=reason, remedy=remedy))
    return kept


def _remember(outcome: FileOutcome, tools: Writing) -> None:
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


def _narrow(relabel: Relabel, tools: Writing) -> None:
    try:
        tools.catalog.documents.narrow(relabel.uri, relabel.readers, by=tools.by)
    except UnknownPrincipal:  # removed since the rules were read: what they deny now is not known
        tools.catalog.documents.narrow(relabel.uri, NOBODY, by=tools.by)


def preview(plan: Plan, settings: Settings, report: Report) -> None:
    """The lines that `run` would write, as far as hashes tell; nothing is parsed or stored."""
    plan = moving.foretell(plan, settings)
    kept = too_many(plan, settings.prune_limit, report) if plan.prune else frozenset[str]()
    for gone in plan.gone if plan.prune else ():
        if gone.root not in kept:
            report.add(FileOutcome(path=gone.path, status="removed"))
    for refusal in plan.refused:
        report.add(failure(refusal.source.path, refusal.problem, stale=refusal.stored))
    for task in plan.tasks:
        report.add(_foretold(task, settings))


def _foretold(task: Task, settings: Settings) -> FileOutcome:
    try:
        with judged_file(task.source) as file:
            verdict = task.verdict(content_hash(file, task.source, settings))
    except SourceError as error:
        return failure(task.source.path, error, stale=task.stored is not None, uri=task.source.uri)
    return settled(task, verdict)


class Embedders:
    """The embedder of the settings, and those of generations under construction; each loaded when
    first needed.
    """

    def __init__(self, catalog: Catalog, model: str, load: LoadEmbedder, *, by: Actor) -> None:
        self._catalog = catalog
        self._by = by
        self._model = model
        self._load = load
        self._loaded: dict[str, Embedder] = {}
        self._lock = threading.RLock()

    @property
    def main(self) -> Embedder:
        """The embedder of the settings; its tokenizer cuts the chunks.

        Raises ModelMismatch if another is in use.
        """
        with self._lock:
            if self._model not in self._loaded:
                embedder = self._load(self._model)
                self._catalog.generations.ensure(
                    embedder.name, embedder.fingerprint, embedder.dimension, by=self._by
                )
                self._loaded[self._model] = embedder
            return self._loaded[self._model]

    def writable(self) -> list[tuple[IndexGeneration, Embedder]]:
        """Every generation that a document needs vectors for now, with its embedder."""
        return [
            (generation, self._of(generation))
            for generation in self._catalog.generations.writable()
        ]

    def _of(self, generation: IndexGeneration) -> Embedder:
        with self._lock:
            for embedder in (self.main, *self._loaded.values()):
                if embedder.fingerprint == generation.fingerprint:
                    return embedder
            embedder = self._loaded[generation.model] = self._load(generation.model)
            if embedder.fingerprint != generation.fingerprint:
                raise ModelMismatch(
                    f"{generation.model} is not what generation {generation.id} was begun with."
                )
            return embedder


def _read(
    tasks: Iterable[Task], tools: Tools, flow: Flow
) -> Iterator[Settled | Reading | FileOutcome]:
    """Files that changed, parsed, in the order in which they are done; a few are in flight at any
    time.
    """
    pending: dict[Future[Parsed], Reading] = {}
    most = 2 * tools.settings.parse_workers
    try:
        for task in tasks:
            item = _looked_at(task, tools.settings)
            if isinstance(item, tuple):
                reading, document = item
                pending[tools.parsers.submit(document)] = reading
            else:
                yield item
            yield from _arrived(pending, flow, fewer_than=most)
        yield from _arrived(pending, flow, fewer_than=1)
    finally:
        for future in pending:
            future.cancel()


def _looked_at(
    task: Task, settings: Settings
) -> Settled | FileOutcome | tuple[Reading, PrivateCopy]:
    """What the file's hash settles; else its bytes, in a copy, with the hash of just these bytes."""
    document: PrivateCopy | None = None
    try:
        with judged_file(task.source) as file:
            verdict = task.verdict(content_hash(file, task.source, settings))
            if verdict in ("new", "changed"):
                document, digest = private_copy(file, task.source, settings)
    except SourceError as error:
        if document:
            document.close()
        return failure(task.source.path, error, stale=task.stored is not None, uri=task.source.uri)
    if document is None:
        return Settled(task=task, verdict=verdict)
    return Reading(task=task, verdict=verdict, content_hash=digest), document


def _arrived(
    pending: dict[Future[Parsed], Reading], flow: Flow, *, fewer_than: int
) -> Iterator[Reading | FileOutcome]:
    """What the parsers have finished; waits until fewer than this many are in flight."""
    while True:
        flow.check()
        crowded = len(pending) >= fewer_than
        done, _ = wait(pending, timeout=_POLL_S if crowded else 0, return_when=FIRST_COMPLETED)
        for future in done:
            yield _parsed(pending.pop(future), future)
        if not crowded or len(pending) < fewer_than:
            return


def _parsed(reading: Reading, future: Future[Parsed]) -> Reading | FileOutcome:
    task = reading.task
    try:
        parsed = future.result()
    except SourceError as error:
        return failure(task.source.path, error, stale=task.stored is not None, uri=task.source.uri)
    return Reading(
        task=task, verdict=reading.verdict, content_hash=reading.content_hash, parsed=parsed
    )


def _cut(
    items: Iterable[Settled | Reading | FileOutcome], tools: Writing
) -> Iterator[Settled | Cut | FileOutcome]:
    """Parsed files as documents with chunks."""
    for item in items:
        if not isinstance(item, Reading):
            yield item
            continue
        embedder = tools.embedders.main
        try:
            yield _document(item, embedder, tools.settings.chunk_tokens)
        except SourceError as error:
            yield failure(
                item.task.source.path,
                error,
                stale=item.task.stored is not None,
                uri=item.task.source.uri,
            )


def _document(reading: Reading, embedder: Embedder, chunk_tokens: int) -> Cut:
    """Raises SourceEmpty, SourceBroken."""
    source, parsed = reading.task.source, reading.parsed
    if parsed is None:
        raise SourceBroken("It was not parsed.")
    title = _title(source.title or parsed.title or "", fallback=source.file)
    try:
        text, chunks = chunk(parsed, title, embedder, chunk_tokens)
    except SourceError:
        raise
    # whatever a strange text does to a tokenizer must not stop the other files
    except Exception as error:
        log.exception("Cutting %r failed", source.path)
        raise SourceBroken(
            f"It cannot be cut into passages ({type(error).__name__}: {error})."
        ) from error
    if not chunks:
        raise SourceEmpty()
    document = Document(
        uri=source.uri,
        source_id=source.source_id,
        path=source.path,
        title=title,
        media_type=parsed.media_type,
        text=text,
        chunks=chunks,
        content_hash=reading.content_hash,
        readers=reading.task.readers,
        collection=source.collection,
        language=parsed.language,
        page_kind=parsed.page_kind,
        modified_at=source.modified_at,
        metadata={**_storable(parsed.metadata), **source.metadata},
    )
    return Cut(
        task=reading.task, verdict=reading.verdict, document=document, warnings=parsed.warnings
    )


def _storable(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What a file says about itself, without what no catalog takes: that is no reason to leave the
    file out.
    """
    sound = [item for item in metadata.items() if not attributes.wrong_metadata(dict([item]))]
    return dict(sound[:MAX_OWN_ITEMS])


def _title(given: str, fallback: Path) -> str:
    shown = " ".join("".join(c if c.isprintable() else " " for c in given).split())
    return shown[:MAX_TITLE_CHARS] or os.fsencode(fallback.stem).decode("utf-8", "replace")


def _embed(
    items: Ahead[Settled | Cut | FileOutcome], window: int, tools: Writing, flow: Flow
) -> Iterator[Settled | Embedded | FileOutcome]:
    """Documents with their vectors.

    A window is what is ready now, so the embedder waits only when nothing is.
    """
    batch = max(1, BATCH_TOKENS // tools.settings.chunk_tokens)
    while taken := items.window(window):
        yield from (item for item in taken if not isinstance(item, Cut))
        cuts = [item for item in taken if isinstance(item, Cut)]
        if not cuts:
            continue
        texts = [piece.embedded or piece.text for cut in cuts for piece in cut.document.chunks]
        generations = tools.embedders.writable()
        vectors = {g.id: _by_length(texts, embedder, batch, flow) for g, embedder in generations}
        begin = 0
        for cut in cuts:
            end = begin + len(cut.document.chunks)
            yield Embedded(cut=cut, vectors={g: matrix[begin:end] for g, matrix in vectors.items()})
            begin = end


def _by_length(texts: list[str], embedder: Embedder, batch: int, flow: Flow) -> Vectors:
    """Vectors in the order of the texts, shape (texts, dimension); made longest first, so that
    little is padding.
    """
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    vectors = np.empty((len(texts), embedder.dimension), np.float32)
    for start in range(0, len(order), batch):
        flow.check()
        some = order[start : start + batch]
        vectors[some] = embedder.passages([texts[i] for i in some])
    return vectors


def _settle(item: Settled | Embedded | FileOutcome, tools: Writing) -> FileOutcome:
    """Write what is left to write of one file.

    The only writer of a run is the thread that calls this.
    """
    if isinstance(item, FileOutcome):
        return item
    if isinstance(item, Settled):
        if item.verdict == "relabelled":
            try:
                tools.catalog.documents.relabel(
                    item.task.source.uri, item.task.readers, by=tools.by
                )
            except UnknownPrincipal as error:
                return failure(item.task.source.path, error, stale=True, uri=item.task.source.uri)
        return settled(item.task, item.verdict)
    cut, path = item.cut, item.cut.task.source.path
    try:
        _put(cut.document, item.vectors, tools)
    except (BadInput, ValueError) as error:  # this document cannot be stored; others can
        broken = (
            error
            if isinstance(error, ClearanceError)
            else SourceBroken(f"It cannot be stored: {error}.")
        )
        return failure(path, broken, stale=cut.task.stored is not None, uri=cut.task.source.uri)
    chunks, uri = len(cut.document.chunks), cut.task.source.uri
    told = cut.warnings + ((change,) if (change := readers_changed(cut.task)) else ())
    return FileOutcome(path=path, status=cut.verdict, chunks=chunks, warnings=told, uri=uri)


def settled(task: Task, verdict: Verdict) -> FileOutcome:
    """The line of a file that need not be read."""
    return FileOutcome(
        path=task.source.path, status=verdict, reason=readers_changed(task), uri=task.source.uri
    )


def readers_changed(task: Task) -> str | None:
    """How the rule that holds now differs from the one that was stored; a rule may change though no
    file does.
    """
    if task.stored is None or task.stored.readers == task.readers:
        return None
    return f"readers changed: {difference(task.stored.readers, task.readers)}"


def _put(document: Document, vectors: Mapping[int, Vectors], tools: Writing) -> None:
    """Store it; embed it again for a generation that was begun after its vectors were made."""
    for attempt in range(_PUT_ATTEMPTS):
        try:
            tools.catalog.documents.put(document, vectors, by=tools.by)
            return
        except ModelMismatch:
            if attempt == _PUT_ATTEMPTS - 1:
                raise
            texts = [piece.embedded or piece.text for piece in document.chunks]
            missing = [
                (g, embedder) for g, embedder in tools.embedders.writable() if g.id not in vectors
            ]
            vectors = {**vectors, **{g.id: embedder.passages(texts) for g, embedder in missing}}


def _chunks(item: Settled | Reading | Cut | Embedded | FileOutcome) -> int:
    """How much of a queue an item takes."""
    cut = item.cut if isinstance(item, Embedded) else item
    return len(cut.document.chunks) if isinstance(cut, Cut) else 1
