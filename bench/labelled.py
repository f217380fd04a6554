"""The labelled sets of the developer data, for the benches that ask their questions.

Answers on them are measured by `clearance eval`; see `clearance ingest-set --help` and `clearance
eval --help`.
"""

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.cli.terminal import PlainProgress
from indexes.embedder import Embedder
from indexes.settings import Settings
from ingest import set_documents
from ingest.embedders import Embedders
from ingest.report import FileProgress, IngestReport
from ingest.steps.values import WriteTools

DATA = Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))


def rows(name: str, part: str) -> Iterator[dict[str, Any]]:
    """The rows of one file of a set, such as `corpus` or `queries`."""
    with gzip.open(DATA / "retrieval" / name / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def store(
    name: str, catalog: Catalog, embedder: Embedder, settings: Settings
) -> dict[str, set[str]]:
    """Takes a set in, unless all of it is there.

    Returns who may read each document: ids of users, by its own.
    """
    given = set_documents.read_set(DATA / "retrieval" / name, users=DATA / "acl" / "users.jsonl")
    if len(catalog.documents.stored(f"set:{name}/")) < len(given.texts):
        embedders = Embedders(catalog, settings.embedding_model, lambda *_: embedder, by=BENCH)
        report = IngestReport(watcher=FileProgress(PlainProgress(sys.stderr)))
        set_documents.ingest_set(
            given,
            WriteTools(catalog=catalog, settings=settings, embedders=embedders, by=BENCH),
            report,
        )
    may = {row.id: (given.readers or {}).get(row.id, frozenset()) for row in given.texts}
    return {
        document: {
            user.removeprefix("user:")
            for user, groups in given.people.items()
            if who & {user, *groups}
        }
        for document, who in may.items()
    }
