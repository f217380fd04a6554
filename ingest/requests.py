"""One request to ingest, from wherever it came: scan, plan, run."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from typing import Protocol, runtime_checkable

from indexes.catalog import Catalog
from indexes.errors import BadInput, ClearanceError, CorpusError, SourceUnavailable
from indexes.job_kinds import IngestRequest
from indexes.model import Actor
from indexes.originals import OriginalFolder
from indexes.settings import Settings
from ingest import pipeline
from ingest.access import AccessRules, command_line_rule, read_manifest
from ingest.elements import Parsed
from ingest.embedders import Embedders
from ingest.isolation.confinement import Confinement
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.sandbox import Cutting, Parsers
from ingest.missing import find_missing
from ingest.overrides import apply_overrides
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
    _name_sources(roots, report)
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
        _carry_out(planned, tools, report)
    report.abandoned = tuple(each.id for each in catalog.generations.abandoned())


def _name_sources(roots: Sequence[Root], report: IngestReport) -> None:
    for source in dict.fromkeys(root.source for root in roots if root.source):
        report.sources.append({"name": source.name, "root": str(source.root)})
        report.watcher.say(f"Source {source.name}: {source.root}")


def _carry_out(planned: Plan, tools: IngestTools, report: IngestReport) -> None:
    """Raises CorpusError for what nobody has foreseen."""
    kept = OriginalFolder(tools.settings.home)
    try:
        kept.clean_up(tools.catalog.originals, tools.by)
        pipeline.run(planned, tools, report)
        kept.clean_up(tools.catalog.originals, tools.by)
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
    rules = AccessRules(command_line_rule(request.allow, request.deny), entries)
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
    return make_plan(apply_overrides(found, catalog), stored, prune=request.prune)


class _ToldParsers:
    """Parsers whose confinement is looked at and reported before the first file goes to them, so
    that a run which reads nothing starts none.
    """

    def __init__(self, parsers: ConfinedParsers, report: IngestReport) -> None:
        self._parsers, self._report = parsers, report
        self._told = False

    def prepare(self) -> None:
        self._parsers.prepare()

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


def check_request(request: IngestRequest, settings: Settings, catalog: Catalog) -> IngestRequest:
    """The request with the places that its paths lead to now, if a run of it could begin.

    Writes nothing. Raises BadInput and NotFound as `perform_ingest` does before it looks at files,
    and UnknownPrincipal for a name in the request's own rule that no file could be taken in under.
    """
    if request.dry_run:
        raise BadInput("A dry run writes nothing, so it is not queued.", remedy="Run it here.")
    roots = find_roots(request.paths)
    if request.source:
        assign_named_source(roots, request.source, catalog)
    else:
        assign_sources(roots, catalog, make_by=None)
    manifest = request.manifest.resolve() if request.manifest else None
    if manifest is not None:
        read_manifest(manifest)
    rule = command_line_rule(request.allow, request.deny)
    if rule is not None:
        catalog.people.check_rule(rule, refuse=settings.unknown_principals == "refuse")
    places = tuple(root.place for root in roots)
    return request.model_copy(update={"paths": places, "manifest": manifest})
