"""What a check finds, and how checks are run: each alone, each for a few seconds at most."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from indexes.errors import ClearanceError
from indexes.settings import Settings

LIMIT_S = 5.0
State = Literal["good", "advice", "wrong", "unknown"]
STATES: tuple[State, ...] = ("good", "advice", "wrong", "unknown")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `unknown`: it could not be looked at."""

    state: State
    told: str
    remedy: str | None = None


def good(told: str) -> Finding:
    return Finding("good", told)


def advice(told: str, remedy: str) -> Finding:
    return Finding("advice", told, remedy)


def wrong(told: str, remedy: str) -> Finding:
    return Finding("wrong", told, remedy)


def unknown(told: str, remedy: str | None = None) -> Finding:
    return Finding("unknown", told, remedy)


Look = Callable[[Settings], Finding | Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """Reads something and judges it.

    needs: another check, without which this one is left out if that one found something wrong: it
    would only say the same again.
    """

    name: str
    look: Look = field(repr=False)
    needs: str | None = None
    limit_s: float = LIMIT_S


Findings = Mapping[str, Sequence[Finding]]
"""By check, in the order of the checks."""


def run_checks(checks: Sequence[Check], settings: Settings) -> Findings:
    """What all of them find. A check that fails or takes too long is a finding, and hinders no other."""
    first = _run_together([check for check in checks if check.needs is None], settings)
    later = [
        check
        for check in checks
        if check.needs is not None and all(map(_is_usable, first.get(check.needs, ())))
    ]
    found = {**first, **_run_together(later, settings)}
    return {check.name: found[check.name] for check in checks if check.name in found}


def exit_code_of(findings: Iterable[Finding]) -> int:
    """1 if something is wrong, else 2 if something could not be looked at, else 0."""
    states = {finding.state for finding in findings}
    return 1 if "wrong" in states else 2 if "unknown" in states else 0


def _is_usable(finding: Finding) -> bool:
    return finding.state in ("good", "advice")


def _run_together(checks: Sequence[Check], settings: Settings) -> dict[str, Sequence[Finding]]:
    begun = time.monotonic()
    running = [_Running(check, settings) for check in checks]
    return {each.check.name: each.wait_until(begun + each.check.limit_s) for each in running}


class _Running:
    """A check in a thread of its own, which hinders nothing if it never ends."""

    def __init__(self, check: Check, settings: Settings) -> None:
        self.check = check
        self._settings = settings
        self._found: Sequence[Finding] | None = None
        self._thread = threading.Thread(target=self._run, name=f"check-{check.name}", daemon=True)
        self._thread.start()

    def wait_until(self, deadline: float) -> Sequence[Finding]:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._found is None:
            told = f"It was not told within {self.check.limit_s:g} seconds."
            return (unknown(told, "Try again when the machine is less busy."),)
        return self._found

    def _run(self) -> None:
        try:
            found = self.check.look(self._settings)
        except ClearanceError as error:
            found = unknown(str(error), error.remedy)
        except Exception as error:  # whatever is wrong with one check is a line
            # without the message, which may hold anything
            found = unknown(f"The check failed ({type(error).__name__}).")
        self._found = (found,) if isinstance(found, Finding) else tuple(found)
