"""A dry run: the lines that a run would write, as far as hashes tell."""

from indexes.errors import SourceError
from indexes.settings import Settings
from ingest import moves
from ingest.judged_files import content_hash, open_judged_file
from ingest.plan import Plan, Task
from ingest.report import FileOutcome, IngestReport, failed_outcome
from ingest.steps.store import unchanged_outcome
from ingest.steps.withdraw import roots_over_limit, tell_closed


def preview(plan: Plan, settings: Settings, report: IngestReport) -> None:
    """The lines that `pipeline.run` would write; nothing is parsed or stored."""
    plan = moves.predict(plan, settings)
    kept = roots_over_limit(plan, settings.prune_limit, report) if plan.prune else frozenset[str]()
    if not plan.prune:
        tell_closed(plan, report)
    for gone in plan.gone if plan.prune else ():
        if gone.root not in kept:
            report.add(FileOutcome(path=gone.path, status="removed"))
    for refusal in plan.refused:
        report.add(failed_outcome(refusal.source.path, refusal.problem, stale=refusal.stored))
    for task in plan.tasks:
        report.add(_predict_outcome(task, settings))


def _predict_outcome(task: Task, settings: Settings) -> FileOutcome:
    try:
        with open_judged_file(task.source) as file:
            verdict = task.verdict(content_hash(file, task.source, settings))
    except SourceError as error:
        return failed_outcome(
            task.source.path, error, stale=task.stored is not None, uri=task.source.uri
        )
    return unchanged_outcome(task, verdict)
