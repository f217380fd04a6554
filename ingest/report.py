"""What happened to each file, for people and for programs."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from indexes.cli.terminal import Progress, printable
from indexes.errors import ClearanceError, NoReaders, SourceRefused
from indexes.losses import add_up_losses, name_losses
from indexes.model import Loss
from ingest.isolation.confinement import Confinement
from ingest.rule_names import UnknownName

Status = Literal[
    "new", "changed", "relabelled", "moved", "unchanged", "removed", "failed", "refused"
]
STATUSES: tuple[Status, ...] = (
    "new",
    "changed",
    "relabelled",
    "moved",
    "unchanged",
    "removed",
    "failed",
    "refused",
)
PROBLEMS: frozenset[Status] = frozenset({"failed", "refused"})
STALE = "The version stored before stays, for those whom both the old and the new rule allow."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """One line of the report."""

    path: str
    status: Status
    chunks: int = 0
    reason: str | None = None
    remedy: str | None = None
    warnings: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()  # what stands in the file and was not stored; also in `warnings`
    uri: str | None = None  # for the catalog; never told
    stale: bool = False  # an older version of this file is still in the catalog

    def as_dict(self) -> dict[str, Any]:
        given = {
            "path": self.path,
            "status": self.status,
            "chunks": self.chunks,
            "stale": self.stale,
        }
        return given | {
            "reason": self.reason,
            "remedy": self.remedy,
            "warnings": list(self.warnings),
            "losses": [asdict(loss) for loss in self.losses],
        }


def failed_outcome(
    path: str, error: ClearanceError, *, stale: bool, uri: str | None = None
) -> FileOutcome:
    """The line of a file that could not be taken in."""
    status: Status = "refused" if isinstance(error, SourceRefused | NoReaders) else "failed"
    return FileOutcome(
        path=path, status=status, reason=str(error), remedy=error.remedy, stale=stale, uri=uri
    )


class IngestWatcher(Protocol):
    """Is told while the work goes on."""

    def expect_files(self, files: int) -> None: ...

    def show_outcome(self, outcome: FileOutcome) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass
class IngestReport:
    """Collects the outcomes of one run."""

    watcher: IngestWatcher
    # is asked while files are read, from any thread; what it raises ends the run
    go_on: Callable[[], None] = lambda: None
    dry_run: bool = False
    outcomes: list[FileOutcome] = field(default_factory=list)
    unknown: tuple[UnknownName, ...] = ()  # names in rules that nobody has declared
    prune_anyway: bool = False
    missing: int = 0  # documents whose files are gone, and that stay
    # name and root of each that was ingested
    sources: list[dict[str, str]] = field(default_factory=list)
    # generations under construction that nobody builds, and that got no vectors
    abandoned: tuple[int, ...] = ()
    interrupted: bool = False
    # of the processes that parsed; None if nothing had to be parsed
    confinement: Confinement | None = None
    error: ClearanceError | None = None  # what stopped the run before its end
    started: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def add(self, outcome: FileOutcome) -> None:
        self.outcomes.append(outcome)
        self.watcher.show_outcome(outcome)

    def close(self) -> None:
        self.seconds = time.perf_counter() - self.started

    @property
    def totals(self) -> dict[str, int]:
        counted = Counter(outcome.status for outcome in self.outcomes)
        return {status: counted[status] for status in STATUSES}

    @property
    def written(self) -> list[FileOutcome]:
        return [outcome for outcome in self.outcomes if outcome.status in ("new", "changed")]

    @property
    def problems(self) -> list[FileOutcome]:
        return [outcome for outcome in self.outcomes if outcome.status in PROBLEMS]

    @property
    def lacking(self) -> list[FileOutcome]:
        """Files that were stored without all that stands in them."""
        return [outcome for outcome in self.outcomes if outcome.losses]

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What all files of this run lack, added up."""
        return add_up_losses(loss for outcome in self.lacking for loss in outcome.losses)

    @property
    def succeeded(self) -> bool:
        return not (self.problems or self.interrupted or self.error)

    def summary(self, most: int | None = None) -> dict[str, Any]:
        """For programs. most: at most this many files are listed, those with problems first."""
        files = sorted(self.outcomes, key=lambda o: o.path)
        if most is not None:
            files = sorted(files, key=lambda o: o.status not in PROBLEMS)[:most]
        chunks = sum(outcome.chunks for outcome in self.written)
        return {
            "succeeded": self.succeeded,
            "interrupted": self.interrupted,
            "error": None
            if self.error is None
            else {"reason": str(self.error), "remedy": self.error.remedy},
            "dry_run": self.dry_run,
            "confinement": None if self.confinement is None else self.confinement.as_dict(),
            "sources": self.sources,
            "missing": self.missing,
            "abandoned_generations": list(self.abandoned),
            "totals": self.totals,
            "lacking": len(self.lacking),
            "losses": [asdict(loss) for loss in self.losses],
            "chunks": chunks,
            "seconds": round(self.seconds, 3),
            "documents_per_second": round(_rate(len(self.written), self.seconds), 3),
            "chunks_per_second": round(_rate(chunks, self.seconds), 3),
            "unknown_principals": [each.as_dict() for each in self.unknown],
            "files": [outcome.as_dict() for outcome in files],
        }

    def lines(self) -> Iterable[str]:
        """For people: what went wrong and how to mend it, then the totals."""
        noted = sorted(
            (o for o in self.outcomes if o.status in PROBLEMS or o.warnings), key=lambda o: o.path
        )
        for outcome in noted:
            yield from _describe(outcome)
        yield from (printable(f"! {each}") for each in self.unknown)
        for number in self.abandoned:
            yield f"! Nobody builds generation {number} any more, so nothing was embedded for it:"
            yield "           → clearance generations list says how to go on with it, or to end it."
        if not (self.outcomes or self.missing):
            if not (self.error or self.interrupted):
                yield "There are no documents to ingest here."
            return
        counts = ", ".join(f"{count} {status}" for status, count in self.totals.items() if count)
        yield f"{'Would be' if self.dry_run else 'Done'}: {counts or 'nothing'}."
        if self.written and not self.dry_run:
            yield self._describe_speed()
        yield from self._what_is_missing()

    def _describe_speed(self) -> str:
        documents = len(self.written)
        chunks = sum(outcome.chunks for outcome in self.written)
        return (
            f"{documents} documents, {chunks} chunks in {self.seconds:.1f} s "
            f"({_rate(documents, self.seconds):.2f} documents/s, "
            f"{_rate(chunks, self.seconds):.1f} chunks/s)."
        )

    def _what_is_missing(self) -> Iterator[str]:
        """What documents lack, documents that lack their files, and the end of the run."""
        if self.losses:
            files = "1 file lacks" if len(self.lacking) == 1 else f"{len(self.lacking)} files lack"
            yield printable(f"{files} something: {name_losses(self.losses)}.")
        if self.missing:
            yield f"{self.missing} documents have no file any more and stay; --prune removes them."
        if self.interrupted:
            yield "Interrupted. Everything stored so far is complete; run the same command again to go on."


def outcome_line(outcome: FileOutcome) -> str:
    size = (
        f"  {outcome.chunks} chunks"
        if outcome.status in ("new", "changed") and outcome.chunks
        else ""
    )
    reason = f"  {outcome.reason}" if outcome.reason else ""
    return printable(f"{outcome.status:<10} {outcome.path}{size}{reason}")


def _describe(outcome: FileOutcome) -> Iterable[str]:
    yield outcome_line(outcome)
    if outcome.remedy:
        yield printable(f"           → {outcome.remedy}")
    if outcome.stale:
        yield f"           → {STALE}"
    for warning in outcome.warnings:
        yield printable(f"           ! {warning}")


def _rate(amount: int, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0


class FileProgress:
    """Tells people of each file that something was done with; if the screen is drawn anew anyway,
    only of problems.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._files = self._done = self._chunks = 0
        self._begun = time.perf_counter()

    def expect_files(self, files: int) -> None:
        self._files = files
        self._shown.update(0, files)
        if not self._shown.redrawn:
            self.say(f"{files} files.")

    def show_outcome(self, outcome: FileOutcome) -> None:
        self._done += 1
        self._chunks += outcome.chunks
        rate = _rate(self._chunks, time.perf_counter() - self._begun)
        self._shown.update(self._done, self._files, f"{rate:.1f} chunks/s")
        noted = self._shown.redrawn or outcome.status == "unchanged"
        if outcome.status in PROBLEMS or not noted:
            self.say(outcome_line(outcome))

    def say(self, text: str) -> None:
        self._shown.say(text)
