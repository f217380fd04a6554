"""Rebuilds of the indexes as jobs: asked for over HTTP, done by one thread of this process."""

from collections.abc import Mapping
from typing import Any

from indexes.catalog import Catalog
from indexes.derived.rebuild import rebuild
from indexes.embedder import LoadEmbedder
from indexes.job_kinds import REBUILD, RebuildRequest
from indexes.jobs import Attempt, JobRunner
from indexes.model import Actor

CHECK_EVERY_S = 15.0  # jobs may also come from other processes
_ACTOR = Actor("system:rebuild")


class RebuildJobs(JobRunner):
    """Takes rebuild jobs from the catalog, one at a time. Searches go on meanwhile.

    Jobs of other kinds are not found here: the result of an ingestion names documents.
    """

    def __init__(self, catalog: Catalog, load_embedder: LoadEmbedder) -> None:
        handlers = {REBUILD: self._rebuild}
        super().__init__(catalog.jobs, handlers, by=_ACTOR, poll_s=CHECK_EVERY_S)
        self._catalog = catalog
        self._load_embedder = load_embedder

    def _rebuild(self, payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        model = RebuildRequest.of(payload).model
        built = rebuild(self._catalog, model, self._load_embedder, attempt.report, by=_ACTOR)
        return {"generation": built.id, "model": built.model, "dimension": built.dimension}
