"""The ingest path: a plan in, documents with vectors in the catalog out. Read `run` first.

Whatever narrows access is written before any file is read. Parsing, chunking and embedding then
overlap, each a bounded way ahead of the next, and each document is stored in one transaction as
soon as its vectors are there. A killed run has stored whole documents only; the next run finds them
by their hash and goes on with the rest.
"""

from collections.abc import Iterable, Sequence

from ingest.plan import Plan
from ingest.report import FileOutcome, IngestReport
from ingest.stages import Stages
from ingest.steps.chunk import chunk_documents
from ingest.steps.embed import embed_documents
from ingest.steps.parse import parse_files
from ingest.steps.store import note_outcome, relabel_together, store_item
from ingest.steps.values import (
    ChangedFile,
    ChunkedDocument,
    EmbeddedDocument,
    IngestTools,
    UnchangedFile,
    WriteTools,
)
from ingest.steps.withdraw import withdraw

# chunks sorted by length together; also what a kill can cost in embedding work
WINDOW_TOKENS = 32_768
TOGETHER = 250  # files that get their readers in one transaction, at most
# so many files that need not be parsed may wait in the place of a parsed one
PARSED_WEIGHT = 64


def run(plan: Plan, tools: IngestTools, report: IngestReport) -> None:
    """Carry out the plan.

    A file that fails is a line in the report; what is raised stopped the run between two files.

    Raises StorageFull, Busy, ModelMismatch and what else the catalog or the embedder cannot get
    over.
    """
    plan = withdraw(plan, tools, report)
    if not plan.tasks:
        return
    with Stages(report.go_on) as stages:
        parsed = stages.run_ahead(
            parse_files(plan.tasks, tools, stages),
            limit=2 * tools.settings.parse_workers * PARSED_WEIGHT,
            weigh=_weigh_parsed,
        )
        write(parsed, tools, stages, report)


def write(
    parsed: Iterable[UnchangedFile | ChangedFile | FileOutcome],
    tools: WriteTools,
    stages: Stages,
    report: IngestReport,
) -> None:
    """Chunk, embed and store what was parsed, wherever it was read from."""
    window = max(1, WINDOW_TOKENS // tools.settings.chunk_tokens)
    chunked = stages.run_ahead(
        chunk_documents(parsed, tools), limit=2 * window, weigh=_count_chunks
    )
    embedded = stages.run_ahead(
        embed_documents(chunked, window, tools, stages),
        limit=max(window, TOGETHER),
        weigh=_count_chunks,
    )
    while _store_together(embedded.take_window(TOGETHER), tools, stages, report):
        pass


def _store_together(
    ready: Sequence[UnchangedFile | EmbeddedDocument | FileOutcome],
    tools: WriteTools,
    stages: Stages,
    report: IngestReport,
) -> bool:
    """False if there is nothing."""
    relabelled = relabel_together(ready, tools)
    for item in ready:
        outcome = store_item(item, tools, relabelled)
        note_outcome(outcome, tools)
        report.add(outcome)
        stages.load.remove(outcome.uri)
    return bool(ready)


def _weigh_parsed(item: UnchangedFile | ChangedFile | FileOutcome) -> int:
    return PARSED_WEIGHT if isinstance(item, ChangedFile) else 1


def _count_chunks(item: UnchangedFile | ChunkedDocument | EmbeddedDocument | FileOutcome) -> int:
    """How much of a queue an item takes."""
    chunked = item.chunked if isinstance(item, EmbeddedDocument) else item
    return len(chunked.document.chunks) if isinstance(chunked, ChunkedDocument) else 1
