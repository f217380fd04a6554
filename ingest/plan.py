"""What a run will do, as values: a pure comparison of the files with what the catalog holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from indexes.errors import SourceError
from indexes.formats import INSIDE
from indexes.model import Readers, StoredDocument
from ingest.access import NOBODY, narrow_readers
from ingest.judged_files import SourceFile
from ingest.missing import missing_uris
from ingest.sources import Scan, is_closed_archive

Verdict = Literal["new", "changed", "relabelled", "moved", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """Narrower readers for a stored document, to be applied before anything is read."""

    uri: str
    readers: Readers


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneDocument:
    """A stored document whose file is no longer there."""

    uri: str
    path: str
    content_hash: str
    title: str
    root: str  # the uri prefix of what was asked for
    original: str | None  # SHA-256 of its file's bytes, if they are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file that may be read, and what is stored of it."""

    source: SourceFile
    readers: Readers  # of the rule; the catalog adds what was said of the path over HTTP
    stored: StoredDocument | None
    moved_from: str | None = None  # the path under which it was stored until this run

    @property
    def wanted(self) -> Readers:
        """Who will read it."""
        return self.source.own.under(self.readers) if self.source.own else self.readers

    def verdict(self, content_hash: str) -> Verdict:
        if self.stored is None:
            return "new"
        if self.stored.content_hash != content_hash:
            return "changed"
        if self.moved_from is not None:
            return "moved"
        return "relabelled" if self.stored.readers != self.wanted else "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that is not read. `stored`: an older version of it is in the catalog and stays there."""

    source: SourceFile
    problem: SourceError
    stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """In the order in which it is carried out: first what takes text away from someone, then what
    takes time.
    """

    gone: tuple[GoneDocument, ...]  # by --prune these go, unless their files have only been moved
    prune: bool
    held: Mapping[str, int]  # how many documents were stored below each root, by its uri prefix
    relabel: tuple[Relabel, ...]
    refused: tuple[RefusedFile, ...]
    # of the paths of which something was said over HTTP: the rule that was found there
    rules: Mapping[str, Readers]
    # stored documents with other readers first: for them a hash settles everything
    tasks: tuple[Task, ...]

    @property
    def files(self) -> int:
        return (len(self.gone) if self.prune else 0) + len(self.refused) + len(self.tasks)


def make_plan(found: Scan, stored: Mapping[str, StoredDocument], *, prune: bool) -> Plan:
    """What to do so that the catalog says what the files say.

    stored: what the catalog holds below the scanned roots, by uri. A document is gone only below a
    given path, and never below a folder that could not be listed. A document whose file has lost
    its readers is for nobody; one without a file is for no more people than the rule in its place
    allows.
    """
    relabels: list[Relabel] = []
    refusals: list[RefusedFile] = [
        _make_refusal(folder, stored=False) for folder in found.unreadable
    ]
    tasks: list[Task] = []
    for source in found.sources:
        known = stored.get(source.uri)
        for one in _stored_of(source, stored):
            relabels += _narrow(one, source.wanted)
        if source.problem is not None or source.readers is None:
            refusals.append(_make_refusal(source, stored=known is not None))
        else:
            tasks.append(Task(source=source, readers=source.readers, stored=known))
    for lost in found.missing:
        relabels += _narrow(stored[lost.uri], lost.wanted)
    tasks.sort(key=lambda task: task.stored is None or task.stored.readers == task.wanted)
    return Plan(
        gone=_find_gone(found, stored),
        prune=prune,
        held={root.prefix: sum(root.covers(uri) for uri in stored) for root in found.roots},
        relabel=tuple(relabels),
        refused=tuple(refusals),
        rules={
            source.uri: source.readers or NOBODY
            for source in (*found.sources, *found.missing)
            if source.own is not None
        },
        tasks=tuple(tasks),
    )


def _narrow(stored: StoredDocument, readers: Readers | None) -> Iterator[Relabel]:
    """What the rule in force takes away from the stored readers, if it does. readers: if None,
    nobody may read.
    """
    if stored.readers == readers:
        return
    safe = narrow_readers(stored.readers, readers or NOBODY)
    if safe != stored.readers:
        yield Relabel(uri=stored.uri, readers=safe if readers else NOBODY)


def _stored_of(
    source: SourceFile, stored: Mapping[str, StoredDocument]
) -> Iterator[StoredDocument]:
    """What is stored of a file; of an archive that cannot be opened, of all that was in it."""
    if source.uri in stored:
        yield stored[source.uri]
    if is_closed_archive(source):
        inside = source.uri + INSIDE
        yield from (stored[uri] for uri in sorted(stored) if uri.startswith(inside))


def _make_refusal(source: SourceFile, *, stored: bool) -> RefusedFile:
    if source.problem is None:
        raise ValueError(f"{source.path} has neither readers nor a problem")
    return RefusedFile(source=source, problem=source.problem, stored=stored)


def _find_gone(found: Scan, stored: Mapping[str, StoredDocument]) -> tuple[GoneDocument, ...]:
    return tuple(
        GoneDocument(
            uri=uri, path=root.path_of(uri), content_hash=stored[uri].content_hash, title=stored[uri].title,
            root=root.prefix, original=stored[uri].original,
        )
        for uri, root in missing_uris(found, stored)
    )  # fmt: skip
