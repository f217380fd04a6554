"""What a leak test found, in words and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from service.leaktest.statistics import Separation


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that reached somebody who may not know it."""

    check: str
    door: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeComparison:
    """One comparison of durations."""

    what: str
    aim: float
    found: Separation
    control: Separation  # the same with nothing hidden on either side


@dataclass(slots=True, kw_only=True)
class LeakReport:
    url: str
    version: str = ""
    # how many comparisons or requests, by check
    tried: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    # doors that answer differently although nothing has changed
    unsteady: list[str] = field(default_factory=list)
    timed: list[TimeComparison] = field(default_factory=list)

    def add(self, check: str, tried: int, found: Sequence[tuple[str, str]]) -> None:
        """found: (door, what)."""
        self.tried[check] = self.tried.get(check, 0) + tried
        self.findings += [Finding(check, door, what) for door, what in found]

    @property
    def clean(self) -> bool:
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "version": self.version,
            "leaks": not self.clean,
            "tried": self.tried,
            "findings": [asdict(finding) for finding in self.findings],
            "unsteady": self.unsteady,
            "timing": [asdict(timed) for timed in self.timed],
        }

    def describe(self) -> list[str]:
        said = [
            f"{check}: {number} tried, {self._describe_count(check)}"
            for check, number in self.tried.items()
        ]
        for timed in self.timed:
            found, again = timed.found, timed.control
            said.append(
                f"time of {timed.what}: {found.median:.2f} against {found.control_median:.2f} ms, AUC {found.auc:.3f}"
                f" ({found.low:.3f} to {found.high:.3f}), aim {timed.aim:.2f}, with nothing hidden {again.auc:.3f}"
            )
        if self.unsteady:
            said.append(
                f"{len(self.unsteady)} doors answer differently although nothing has changed, so they say nothing"
                f" here: {', '.join(self.unsteady[:5])}"
            )
        said += [
            f"LEAK ({finding.check}) {finding.door}: {finding.what}" for finding in self.findings
        ]
        said.append(
            "Nothing was found." if self.clean else f"{len(self.findings)} leaks were found."
        )
        return said

    def _describe_count(self, check: str) -> str:
        number = sum(finding.check == check for finding in self.findings)
        return "nothing found" if number == 0 else f"{number} found"
