"""How far a measurement is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from indexes.cli.terminal import Progress, show_progress
from service.evaluation.arms import Arm
from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.trial import TrialWatcher

TELL_S = 10.0  # between two lines about nothing but progress


@contextmanager
def show_trial_progress(out: IO[str]) -> Iterator[TrialWatcher]:
    """What fits this output."""
    with show_progress(out, "Asking", before="Loading") as shown:
        yield TrialProgress(shown)


class TrialProgress:
    """A line for each failure, and, unless the screen is drawn anew anyway, one every few seconds."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._total = self._done = self._known = self._failed = 0
        self._begun = self._said_at = time.perf_counter()

    def expect(self, questions: int) -> None:
        self._total, self._begun = questions, time.perf_counter()
        self._shown.update(0, questions)
        if not self._shown.redrawn:
            self._shown.say(f"{questions} answers to measure.")

    def report_outcome(self, arm: Arm, case: Case, outcome: CaseOutcome, *, known: bool) -> None:
        self._done += 1
        self._known += known
        self._failed += outcome.failure is not None
        self._shown.update(self._done, self._total, f"{self._rate:.2f} answers/s{self._extras}")
        if outcome.failure:
            self._shown.say(f"failed  {arm.label}  {case.id}  {outcome.failure}")
        if not self._shown.redrawn and self._is_time_to_tell:
            self._tell()

    @property
    def _is_time_to_tell(self) -> bool:
        return time.perf_counter() - self._said_at >= TELL_S or self._done == self._total

    def _tell(self) -> None:
        rate = self._rate
        left = f", about {(self._total - self._done) / rate:.0f} s left" if rate > 0 else ""
        self._shown.say(
            f"{self._done} of {self._total} answers, {rate:.2f} a second{self._extras}{left}"
        )
        self._said_at = time.perf_counter()

    @property
    def _rate(self) -> float:
        """Answers a second, without those that were known before."""
        return (self._done - self._known) / max(time.perf_counter() - self._begun, 1e-9)

    @property
    def _extras(self) -> str:
        parts = [
            f"{self._known} known before" if self._known else "",
            f"{self._failed} failed" if self._failed else "",
        ]
        return "".join(f", {part}" for part in parts if part)
