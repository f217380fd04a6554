"""What goes from one step of a run to the next, and what the steps work with."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.model import Actor, Document
from indexes.settings import Settings
from ingest.elements import Parsed
from ingest.embedders import Embedders
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.sandbox import Cutting
from ingest.plan import Task, Verdict

Vectors = NDArray[np.float32]


class ParserPool(Protocol):
    """Files to documents that are parsed and cut, elsewhere: `ingest.isolation.Parsers`.

    A result raises SourceError and nothing else.
    """

    def prepare(self) -> None:
        """There will be files: whatever takes time to start may begin now. Returns at once."""
        ...

    def submit(self, document: PrivateCopy, cutting: Cutting) -> Future[Parsed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTools:
    """The long-lived objects that storing documents takes."""

    catalog: Catalog
    settings: Settings
    embedders: Embedders
    by: Actor  # who started the run


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTools(WriteTools):
    """The long-lived objects of a run."""

    parsers: ParserPool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedFile:
    """The stored text is the file's text; at most the readers differ."""

    task: Task
    verdict: Verdict
    original: str | None = None  # SHA-256 of its bytes, if they are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file whose text is to be stored. Without `parsed`, it is on its way through a parser."""

    task: Task
    verdict: Verdict
    content_hash: str
    original: str | None = None  # SHA-256 of its bytes, if they are kept
    parsed: Parsed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkedDocument:
    """A document without vectors yet."""

    task: Task
    verdict: Verdict
    document: Document
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedDocument:
    """A document that can be stored; vectors by generation id."""

    chunked: ChunkedDocument
    vectors: Mapping[int, Vectors]
