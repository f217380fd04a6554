"""Rebuilds of the indexes as jobs: asked for over HTTP, done by one thread of this process."""

from collections.abc import Mapping
from typing import Any

from indexes.catalog import Catalog
from indexes.derived.comparison import LEAST_OVERLAP
from indexes.derived.rebuild import perform_rebuild
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

    def __init__(
        self, catalog: Catalog, load_embedder: LoadEmbedder, least_overlap: float = LEAST_OVERLAP
    ) -> None:
        """least_overlap: with what the former vectors find, if a job names none."""
        handlers = {REBUILD: self._rebuild}
        super().__init__(catalog.jobs, handlers, by=_ACTOR, poll_s=CHECK_EVERY_S)
        self._catalog = catalog
        self._load_embedder = load_embedder
        self._least_overlap = least_overlap

    def _rebuild(self, payload: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        return perform_rebuild(
            self._catalog,
            RebuildRequest.of(payload),
            self._load_embedder,
            attempt.report,
            by=_ACTOR,
            job=attempt.job_id,
            least_overlap=self._least_overlap,
        )
