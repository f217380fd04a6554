"""Rebuilds of the indexes as jobs: asked for over HTTP, done by one thread of this process."""

from collections.abc import Mapping
from typing import Any

from indexes.catalog import Catalog, Job
from indexes.derived.rebuild import rebuild
from indexes.embedder import LoadEmbedder
from indexes.jobs import Attempt, JobRunner
from indexes.model import Actor

KIND = "rebuild"
CHECK_EVERY_S = 15.0  # jobs may also come from other processes
_ACTOR = Actor("system:rebuild")


class RebuildJobs:
    """Takes rebuild jobs from the catalog, one at a time. Searches go on meanwhile."""

    def __init__(self, catalog: Catalog, load_embedder: LoadEmbedder) -> None:
        self._catalog = catalog
        self._load_embedder = load_embedder
        handlers = {KIND: self._rebuild}
        self._runner = JobRunner(catalog.jobs, handlers, by=_ACTOR, poll_s=CHECK_EVERY_S)

    def enqueue(self, model: str | None, *, by: Actor) -> Job:
        """A job that will be done, also if this process dies now.

        model: to embed anew with. by: who asks for it.
        """
        return self._runner.enqueue(KIND, {"model": model}, by=by)

    def get(self, job_id: str) -> Job:
        """How far it is. Raises NotFound, also for a job of another kind.

        The result of such a job may name documents.
        """
        return self._runner.get(job_id)

    def start(self) -> None:
        self._runner.start()

    def stop(self) -> None:
        """A rebuild at work goes on in the next process, where it stopped."""
        self._runner.stop()

    def _rebuild(self, payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        model = payload.get("model")
        built = rebuild(self._catalog, model, self._load_embedder, attempt.report, by=_ACTOR)
        return {"generation": built.id, "model": built.model, "dimension": built.dimension}
