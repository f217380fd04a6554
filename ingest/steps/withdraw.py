"""What a run takes away from someone: narrower readers, moves, removals. It comes before any file
is read.
"""

from collections import Counter
from collections.abc import Sequence

from indexes.errors import UnknownPrincipal
from ingest import moves
from ingest.access import NOBODY
from ingest.plan import Plan, Relabel
from ingest.report import FileOutcome, IngestReport, failed_outcome
from ingest.steps.store import note_outcome
from ingest.steps.values import WriteTools

TOGETHER = 250  # documents that lose readers in one transaction, at most


def withdraw(plan: Plan, tools: WriteTools, report: IngestReport) -> Plan:
    """What takes text away from someone, and then the lines of files that are not read.

    Returns the plan of what is left to do.
    """
    _note_rules(plan, tools)
    for start in range(0, len(plan.relabel), TOGETHER):
        _narrow_together(plan.relabel[start : start + TOGETHER], tools)
    plan = moves.carry_out(plan, tools.catalog, tools.settings, tools.by)
    if plan.prune:
        _prune(plan, tools, report)
    else:
        report.missing = len(plan.gone)
        files = ((gone.uri, gone.path) for gone in plan.gone)
        tools.catalog.failures.note_gone(files, by=tools.by)
        tell_closed(plan, report)
    for refusal in plan.refused:
        outcome = failed_outcome(
            refusal.source.path, refusal.problem, stale=refusal.stored, uri=refusal.source.uri
        )
        note_outcome(outcome, tools)
        report.add(outcome)
    return plan


def tell_closed(plan: Plan, report: IngestReport) -> None:
    """A line for each root below which documents without a file were closed by this run."""
    closed = {relabel.uri for relabel in plan.relabel if not relabel.readers.allow}
    counted = Counter(gone.root for gone in plan.gone if gone.uri in closed)
    for root, count in sorted(counted.items()):
        here = next(gone.path for gone in plan.gone if gone.root == root).split("/")[0]
        reason = f"{count} of {plan.held[root]} documents have no file and no rule for them any more: nobody reads them."
        remedy = "See whether the folder is there and mounted: the next run that finds them opens them. --prune removes them"
        report.add(FileOutcome(path=f"{here}/", status="refused", reason=reason, remedy=remedy))


def _note_rules(plan: Plan, tools: WriteTools) -> None:
    """So that whoever changes a document's own readers does it under the rule of today."""
    if not plan.rules:
        return
    try:
        tools.catalog.overrides.note_rules(plan.rules, by=tools.by)
    except UnknownPrincipal:  # removed since the rules were read
        nobody = dict.fromkeys(plan.rules, NOBODY)
        tools.catalog.overrides.note_rules(nobody, by=tools.by)


def roots_over_limit(plan: Plan, limit: float, report: IngestReport) -> frozenset[str]:
    """The roots that would lose more than may go at once: each is a line, and none of its documents
    is removed.
    """
    counted = Counter(gone.root for gone in plan.gone)
    kept = frozenset(root for root, count in counted.items() if count > limit * plan.held[root])
    if report.prune_anyway:
        return frozenset()
    for root in sorted(kept):
        here = next(gone.path for gone in plan.gone if gone.root == root).split("/")[0]
        lost = f"{counted[root]} of {plan.held[root]} documents have no file any more."
        reason = f"{lost} None was removed."
        remedy = "See whether the folder is there and mounted; if they are to go: --prune-anyway"
        report.add(FileOutcome(path=f"{here}/", status="refused", reason=reason, remedy=remedy))
    return kept


def _prune(plan: Plan, tools: WriteTools, report: IngestReport) -> None:
    kept = roots_over_limit(plan, tools.settings.prune_limit, report)
    for gone in plan.gone:
        if gone.root not in kept:
            tools.catalog.documents.delete(gone.uri, by=tools.by)
            tools.catalog.failures.clear(gone.uri, by=tools.by)
            report.add(FileOutcome(path=gone.path, status="removed"))


def _narrow_together(relabels: Sequence[Relabel], tools: WriteTools) -> None:
    try:
        tools.catalog.documents.narrow_all({one.uri: one.readers for one in relabels}, by=tools.by)
    except UnknownPrincipal:
        for one in relabels:
            _narrow_readers(one, tools)


def _narrow_readers(relabel: Relabel, tools: WriteTools) -> None:
    try:
        tools.catalog.documents.narrow(relabel.uri, relabel.readers, by=tools.by)
    except UnknownPrincipal:  # removed since the rules were read: what they deny now is not known
        tools.catalog.documents.narrow(relabel.uri, NOBODY, by=tools.by)
