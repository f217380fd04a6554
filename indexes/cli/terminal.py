"""What long commands share: they end well when told to, and show on a terminal how far they are."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import rich.progress

INTERRUPTED = 130
"""Exit code of a command that was told to end before it was done."""


@contextmanager
def graceful() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    """As Ctrl-C, also in a job that a shell started in the background, where Ctrl-C is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def printable(text: str) -> str:
    """The text without anything that could steer a terminal: names and answers are written by
    strangers.
    """
    if text.isprintable():  # nearly always, and asked of the whole it costs nothing
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class Progress(Protocol):
    """Shows how far a command is."""

    @property
    def redrawn(self) -> bool:
        """Whether the screen shows it anew all the time, so that what goes well needs no line."""
        ...

    def update(self, done: int, total: int, rate: str = "") -> None:
        """rate: what else to show beside the bar."""
        ...

    def say(self, text: str) -> None:
        """A line of its own, with nothing in it that could steer a terminal."""
        ...


@contextmanager
def show_progress(out: IO[str], doing: str, before: str = "Looking") -> Iterator[Progress]:
    """What fits this output: a bar on a terminal, lines alone elsewhere.

    doing: stands beside the bar. before: stands there until something is known of how far it is.
    """
    if out.isatty():
        with ProgressBar(out, doing, before) as bar:
            yield bar
    else:
        yield PlainProgress(out)


class PlainProgress:
    """Lines alone."""

    redrawn = False

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def update(self, done: int, total: int, rate: str = "") -> None:
        """Nothing is printed."""

    def say(self, text: str) -> None:
        print(printable(text), file=self._out, flush=True)


class ProgressBar:
    """A bar with count, rate and time left; lines appear above it, and nothing in them is markup."""

    redrawn = True

    def __init__(self, out: IO[str], doing: str, before: str = "Looking") -> None:
        self._doing = doing
        self._shown = progress_bar(out)
        self._task = self._shown.add_task(before, total=None, rate="")

    def update(self, done: int, total: int, rate: str = "") -> None:
        self._shown.update(
            self._task, completed=done, total=total, rate=rate, description=self._doing
        )

    def say(self, text: str) -> None:
        self._shown.console.print(printable(text))

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._shown.stop()


def progress_bar(out: IO[str]) -> "rich.progress.Progress":
    """A bar with count, rate and time left; a task of it has the field `rate`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(file=out, markup=False, highlight=False, emoji=False),
    )
