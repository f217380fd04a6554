"""One worker of the sandbox, seen from its parent: documents go to it one at a time, and what comes
back is checked.
"""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from indexes.embedder import CounterRecipe
from indexes.errors import SourceError, SourceTooCostly, SourceUnavailable
from ingest.elements import CutOptions, Parsed, ParseOptions
from ingest.isolation import protocol
from ingest.isolation.confinement import Confinement
from ingest.isolation.private_copy import PrivateCopy

ENDING_S = 5.0  # for the process of a document to be gone
CONTROL_TIMEOUT_S = 30.0
OCR_PAGE_S = 20.0  # more time for every page that OCR has finished: a long scan is slow, not stuck
_OUT_OF_TIME = "used more processor time than one document may"


class Worker:
    """A place apart with one process at a time in it, each for one document."""

    def __init__(
        self,
        connection: socket.socket,
        scratch: Path,
        recipe: CounterRecipe | None,
        *,
        tell: Callable[[Confinement], None],
        kill: Callable[[], None],
    ) -> None:
        """tell: is called with what holds each process. kill: ends all of them."""
        self.recipe = recipe  # of the counter that its processes have
        self._connection, self._scratch = connection, scratch
        self._tell, self._kill = tell, kill
        self.spent = False
        self._dead = False

    def parse(
        self,
        document: PrivateCopy,
        options: ParseOptions,
        cut_options: CutOptions | None,
        timeout_s: float,
        wall_factor: float,
    ) -> Parsed:
        """Raises SourceError. After a limit was broken the worker is spent and its process is dead.

        timeout_s: of processor time; the clock allows so many times as much.
        """
        deadline, pages = time.monotonic() + wall_factor * timeout_s, 0
        try:
            ending = Path(document.name).suffix
            with (
                document.in_memory() as sealed,
                self._hand_over(sealed, ending, options, cut_options) as channel,
            ):
                self._await_confinement(channel)
                while "beat" in (message := protocol.receive(channel, deadline)):
                    pages += 1
                    if pages <= options.max_ocr_pages:
                        deadline += wall_factor * OCR_PAGE_S
                parsed = protocol.receive_parsed(message, channel, deadline)
            self._await_end()
            return parsed
        except protocol.DeadlinePassed as error:
            self.end()
            allowed = timeout_s + OCR_PAGE_S * min(pages, options.max_ocr_pages)
            raise SourceTooCostly(
                f"It was not parsed within {wall_factor * allowed:g} seconds.",
                remedy="Split the file, or raise CLEARANCE_PARSE_TIMEOUT_S.",
            ) from error
        except protocol.ConnectionClosed as error:
            ended = self._await_end()
            limit = "TIMEOUT_S" if ended == _OUT_OF_TIME else "MEMORY_MB"
            raise SourceTooCostly(
                f"Its parser {ended}.",
                remedy=f"Split the file, or raise CLEARANCE_PARSE_{limit}.",
            ) from error
        except SourceError:
            self._await_end()
            raise

    def probe(self) -> Confinement:
        """What holds a process here. Raises SourceUnavailable, ParsersNotConfined."""
        document = os.memfd_create("nothing", os.MFD_CLOEXEC)
        try:
            with self._hand_over(document, "", None, None) as channel:
                held = self._await_confinement(channel)
            self._await_end()
            return held
        except (protocol.DeadlinePassed, protocol.ConnectionClosed) as error:
            self.end()
            raise SourceUnavailable("A parsing process ended before it was confined.") from error
        finally:
            os.close(document)

    @contextlib.contextmanager
    def _hand_over(
        self,
        document: int,
        suffix: str,
        options: ParseOptions | None,
        cut_options: CutOptions | None,
    ) -> Iterator[socket.socket]:
        """The way to a new process that has the document, by descriptor: it cannot open files by
        their names.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            with theirs:
                task = {
                    "suffix": os.fsencode(suffix).hex(),
                    "options": asdict(options) if options else None,
                    "cutting": asdict(cut_options) if cut_options else None,
                }
                protocol.send(self._connection, task, (document, theirs.fileno()))
            yield ours

    def _await_confinement(self, channel: socket.socket) -> Confinement:
        """The first that the process says, before it has looked at the document.

        Raises ParsersNotConfined.
        """
        told = protocol.receive(channel, time.monotonic() + CONTROL_TIMEOUT_S)
        held = Confinement.from_dict(told["confinement"])
        self._tell(held)
        return held

    def _await_end(self) -> str:
        """How the process ended; waits until nothing is left of it.

        A worker that cannot say so is spent.
        """
        try:
            return _describe_end(
                protocol.receive(self._connection, time.monotonic() + ENDING_S)["ended"]
            )
        except (protocol.DeadlinePassed, protocol.ConnectionClosed):
            self.end()
            return _describe_end(-signal.SIGKILL)

    def end(self) -> None:
        """Once only: afterwards its id may be another process's."""
        self.spent = True
        if self._dead:
            return
        self._dead = True
        self._connection.close()
        self._kill()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _describe_end(code: int) -> str:
    """code: as `os.waitstatus_to_exitcode` tells."""
    if code >= 0:
        return "ended without an answer"
    number = -code
    if number == signal.SIGXCPU:
        return _OUT_OF_TIME
    if number == signal.SIGXFSZ:
        return "wrote a file larger than it may"
    if number == signal.SIGKILL:
        return "was killed, most likely for the memory it used"
    return f"crashed ({signal.Signals(number).name})"
