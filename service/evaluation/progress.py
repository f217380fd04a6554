"""How far a measurement is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from indexes.cli.terminal import printable, progress_bar
from service.evaluation.arms import Arm
from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.trial import Watcher

TELL_S = 10.0  # between two lines about nothing but progress


@contextmanager
def show_progress(out: IO[str]) -> Iterator[Watcher]:
    """What fits this output."""
    if out.isatty():
        with ProgressBar(out) as bar:
            yield bar
    else:
        yield PlainProgress(out)


class _Tally:
    """What both kinds count."""

    def __init__(self) -> None:
        self.total = self.done = self.known = self.failed = 0
        self.begun = time.perf_counter()

    def expect(self, total: int) -> None:
        self.total, self.begun = total, time.perf_counter()

    def add(self, outcome: CaseOutcome, *, known: bool) -> None:
        self.done += 1
        self.known += known
        self.failed += outcome.failure is not None

    @property
    def rate(self) -> float:
        """Answers a second, without those that were known before."""
        return (self.done - self.known) / max(time.perf_counter() - self.begun, 1e-9)

    @property
    def extras(self) -> str:
        parts = [
            f"{self.known} known before" if self.known else "",
            f"{self.failed} failed" if self.failed else "",
        ]
        return "".join(f", {part}" for part in parts if part)


class PlainProgress:
    """A line for each failure, and one every few seconds."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._tally = _Tally()
        self._said_at = time.perf_counter()

    def expect(self, questions: int) -> None:
        self._tally.expect(questions)
        self._say(f"{questions} answers to measure.")

    def report_outcome(self, arm: Arm, case: Case, outcome: CaseOutcome, *, known: bool) -> None:
        tally, now = self._tally, time.perf_counter()
        tally.add(outcome, known=known)
        if outcome.failure:
            self._say(failure_line(arm, case, outcome))
        if now - self._said_at >= TELL_S or tally.done == tally.total:
            left = (
                f", about {(tally.total - tally.done) / tally.rate:.0f} s left"
                if tally.rate > 0
                else ""
            )
            self._say(
                f"{tally.done} of {tally.total} answers, {tally.rate:.2f} a second{tally.extras}{left}"
            )
            self._said_at = now

    def _say(self, text: str) -> None:
        print(printable(text), file=self._out, flush=True)


class ProgressBar:
    """A progress bar with rate and time left; lines appear above it only for failures."""

    def __init__(self, out: IO[str]) -> None:
        self._progress = progress_bar(out)
        self._task = self._progress.add_task("Loading", total=None, rate="")
        self._tally = _Tally()

    def expect(self, questions: int) -> None:
        self._tally.expect(questions)
        self._progress.update(self._task, total=questions, description="Asking")

    def report_outcome(self, arm: Arm, case: Case, outcome: CaseOutcome, *, known: bool) -> None:
        self._tally.add(outcome, known=known)
        rate = f"{self._tally.rate:.2f} answers/s{self._tally.extras}"
        self._progress.update(self._task, advance=1, rate=rate)
        if outcome.failure:
            self._progress.console.print(printable(failure_line(arm, case, outcome)))

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._progress.stop()


def failure_line(arm: Arm, case: Case, outcome: CaseOutcome) -> str:
    return f"failed  {arm.label}  {case.id}  {outcome.failure}"
