"""One request to ingest, from wherever it came: scan, plan, run."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexes.catalog import Catalog
from indexes.embedder import LoadEmbedder, load
from indexes.errors import BadInput, ClearanceError, CorpusError, SourceUnavailable
from indexes.model import Actor
from indexes.settings import Settings
from ingest import pipeline
from ingest.access import Rules, command_line_rule, read_manifest
from ingest.elements import Parsed
from ingest.embedders import Embedders
from ingest.isolation.confinement import Confinement
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.sandbox import Cutting, Parsers
from ingest.missing import find_missing
from ingest.plan import Plan, make_plan
from ingest.preview import preview
from ingest.report import IngestReport
from ingest.roots import Root, assign_named_source, assign_sources, find_roots
from ingest.rule_names import resolve_names
from ingest.sources import scan
from ingest.steps.values import IngestTools, ParserPool

MakeParsers = Callable[[Settings], AbstractContextManager[ParserPool]]

log = logging.getLogger(__name__)


@runtime_checkable
class ConfinedParsers(ParserPool, Protocol):
    """Parsers that can say what holds their processes, before they are given anything."""

    def check(self) -> Confinement: ...


class IngestRequest(BaseModel):
    """What to ingest: the arguments of the command, and the payload of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[Path, ...] = Field(min_length=1)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    collection: str = Field("default", min_length=1, max_length=200)
    manifest: Path | None = None
    prune: bool = False
    prune_anyway: bool = False
    source: str | None = None  # the one path is the root of this source, wherever it was seen last
    dry_run: bool = False

    @classmethod
    def of(cls, given: Any) -> Self:
        """Raises BadInput, naming what is wrong."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise BadInput(f"{wrong}.") from error


def perform_ingest(
    request: IngestRequest,
    settings: Settings,
    catalog: Catalog | None,
    embedders: Embedders | None,
    report: IngestReport,
    make_parsers: MakeParsers | None = None,
    *,
    by: Actor,
) -> None:
    """Scan, plan, run. Without a catalog (a dry run before the first ingest) every file is new.

    by: who started it.

    Raises BadInput for a request that cannot be carried out, CorpusError and others for what
    stopped it half-way.
    """
    writes = not request.dry_run and embedders is not None
    roots = _find_places(request, catalog, by if writes else None)
    for source in dict.fromkeys(root.source for root in roots if root.source):
        report.sources.append({"name": source.name, "root": str(source.root)})
        report.watcher.say(f"Source {source.name}: {source.root}")
    report.prune_anyway = request.prune_anyway
    planned = _plan_run(request, roots, settings, catalog, report)
    report.watcher.expect_files(planned.files)
    if request.dry_run or catalog is None or embedders is None:
        preview(planned, settings, report)
        return
    with (make_parsers or Parsers)(settings) as parsers:
        told = _ToldParsers(parsers, report) if isinstance(parsers, ConfinedParsers) else parsers
        tools = IngestTools(
            catalog=catalog, settings=settings, embedders=embedders, parsers=told, by=by
        )
        try:
            pipeline.run(planned, tools, report)
        except (ClearanceError, MemoryError):
            raise
        except Exception as error:
            log.exception("The run was stopped")
            remedy = "Mend the cause, then run the same command again."
            raise CorpusError(f"{type(error).__name__}: {error}", remedy=remedy) from error


def _find_places(
    request: IngestRequest, catalog: Catalog | None, make_by: Actor | None
) -> tuple[Root, ...]:
    """The paths of the request in their sources. Raises BadInput, NotFound."""
    roots = find_roots(request.paths)
    if request.source:
        return assign_named_source(roots, request.source, catalog)
    return assign_sources(roots, catalog, make_by=make_by)


def _plan_run(
    request: IngestRequest,
    roots: tuple[Root, ...],
    settings: Settings,
    catalog: Catalog | None,
    report: IngestReport,
) -> Plan:
    """What there is, under which rules, against what is stored. Raises BadInput."""
    entries = read_manifest(request.manifest) if request.manifest else {}
    rules = Rules(command_line_rule(request.allow, request.deny), entries)
    # a name to leave out, not one to open
    own = frozenset({request.manifest.resolve()} if request.manifest else ())
    most = settings.max_file_mb * 1_000_000
    found = scan(roots, rules, collection=request.collection, max_bytes=most, skip=own)
    stored = {
        uri: document
        for root in roots
        if catalog
        for uri, document in catalog.documents.stored(root.prefix).items()
    }
    found, report.unknown = resolve_names(
        find_missing(found, stored, rules), catalog, refuse=settings.unknown_principals == "refuse"
    )
    return make_plan(found, stored, prune=request.prune)


class _ToldParsers:
    """Parsers whose confinement is looked at and reported before the first file goes to them, so
    that a run which reads nothing starts none.
    """

    def __init__(self, parsers: ConfinedParsers, report: IngestReport) -> None:
        self._parsers, self._report = parsers, report
        self._told = False

    def submit(self, document: PrivateCopy, cutting: Cutting) -> Future[Parsed]:
        """Raises ParsersNotConfined. If a parser cannot start, each file says so."""
        if not self._told:
            try:
                with suppress(SourceUnavailable):
                    self._report.confinement = self._parsers.check()
                    self._report.watcher.say(self._report.confinement.describe())
            except BaseException:
                document.close()
                raise
            self._told = True
        return self._parsers.submit(document, cutting)


def embedder_loader(settings: Settings, say: Callable[[str], None] = log.info) -> LoadEmbedder:
    """Loads the embedder of a model by its name, with the other settings as they are."""
    return lambda model: load(settings.model_copy(update={"embedding_model": model}), say)
