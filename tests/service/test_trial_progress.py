"""What people see of a measurement while it goes on."""

import io
from typing import Any

import pytest

from indexes.cli.terminal import PlainProgress, ProgressBar
from service.answering.values import Ask
from service.evaluation.arms import Arm
from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome
from service.evaluation.progress import TrialProgress

CASE = Case(id="7", question="Who?", user="user:ada", answerable=True)
DONE = CaseOutcome(text="Ada.", abstained=False)
FAILED = CaseOutcome(text="", abstained=False, failure="No \x1b[31mserver.")


@pytest.fixture
def arm() -> Arm:
    nobody: Any = None  # nothing is asked here
    return Arm(label="brief", ask=Ask(question="Who?"), answerer=nobody, templates=None)


def test_without_a_terminal_failures_and_the_end_are_told_in_lines(arm: Arm) -> None:
    progress = TrialProgress(PlainProgress(out := io.StringIO()))
    progress.expect(3)
    progress.report_outcome(arm, CASE, DONE, known=True)
    progress.report_outcome(arm, CASE, FAILED, known=False)
    progress.report_outcome(arm, CASE, DONE, known=False)
    first, failure, end = out.getvalue().splitlines()
    assert first == "3 answers to measure."
    assert failure == "failed  brief  7  No \N{REPLACEMENT CHARACTER}[31mserver."
    assert end.startswith("3 of 3 answers, ")
    assert end.endswith(" a second, 1 known before, 1 failed, about 0 s left")


def test_on_a_terminal_only_failures_have_lines(arm: Arm) -> None:
    with ProgressBar(out := io.StringIO(), "Asking", "Loading") as shown:
        progress = TrialProgress(shown)
        progress.expect(2)
        progress.report_outcome(arm, CASE, DONE, known=False)
        progress.report_outcome(arm, CASE, FAILED, known=False)
    said = out.getvalue()
    assert "failed  brief  7  No" in said
    assert "answers to measure" not in said
    assert "Asking" in said
    assert "2/2" in said
    assert "answers/s, 1 failed" in said
