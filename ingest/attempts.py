"""What a job's attempt is told of the ingestion that it does."""

import logging

from indexes.jobs import Attempt
from ingest.report import FileOutcome

log = logging.getLogger(__name__)


class AttemptWatcher:
    """Tells a job how far its ingestion is. If the job must end, it ends between two files."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._done = 0
        self._total = 0

    def expect_files(self, files: int) -> None:
        self._total = files
        self._attempt.report(self._done, self._total)

    def show_outcome(self, outcome: FileOutcome) -> None:
        self._done += 1
        self._attempt.report(self._done, self._total)

    def say(self, text: str) -> None:
        log.info("%s", text)
