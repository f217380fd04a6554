"""Parsing in processes that can be limited and killed: a bad file is one failed document, never a
stuck service.

`Parsers` keeps a few workers, one document at a time each. Every limit is the kernel's: address
space, processor time, file size. A clock is kept here for those that wait and use no time of the
processor; it allows much more, so that a busy machine fails no document. A worker that breaks a
limit is killed with everything it started, and replaced.
"""

import contextlib
import json
import logging
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from indexes.embedder import CounterRecipe
from indexes.errors import ParsersNotConfined, SourceError, SourceTooCostly, SourceUnavailable
from indexes.settings import Settings
from ingest.elements import CutOptions, Parsed, ParseOptions
from ingest.isolation import protocol
from ingest.isolation.confinement import Confinement
from ingest.isolation.private_copy import PrivateCopy

PARSER = "ingest.partition:parse"
_SERVER_MODULE = "ingest.isolation.fork_server"
ENDING_S = 5.0  # for the process of a document to be gone
WALL_FACTOR = 10.0  # so many times the processor time of a document may pass by the clock
OCR_PAGE_S = 20.0  # more time for every page that OCR has finished: a long scan is slow, not stuck
START_TIMEOUT_S = 120.0
CONTROL_TIMEOUT_S = 30.0
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TZ", "SYSTEMROOT")
_FIXED_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a document is cut where it is parsed, and what counts its tokens there."""

    recipe: CounterRecipe
    options: CutOptions


_Task = tuple[PrivateCopy, Cutting | None, Future[Parsed]]

log = logging.getLogger(__name__)


def _options_of(settings: Settings) -> ParseOptions:
    return ParseOptions(
        ocr=settings.ocr,
        hidden_text=settings.hidden_text,
        max_file_mb=settings.max_file_mb,
        max_ocr_pages=settings.max_ocr_pages,
    )


class Parsers:
    """A pool of limited parsing processes. Use as a context manager; `submit` from any thread."""

    def __init__(
        self,
        settings: Settings,
        options: ParseOptions | None = None,
        *,
        parser: str = PARSER,
        tell: Callable[[Confinement], None] = lambda held: log.info("%s", held.describe()),
        wall_factor: float = WALL_FACTOR,
    ) -> None:
        """tell: is called with what holds the parsing processes, once and again if that changes.
        wall_factor: how many times its processor time a document may take by the clock.
        """
        self._options = options or _options_of(settings)
        self._server = _ForkServer(settings, parser, tell)
        self._timeout_s = settings.parse_timeout_s
        self._wall_factor = wall_factor
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"parser-{n}", daemon=True)
            for n in range(settings.parse_workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, document: PrivateCopy, cutting: Cutting | None = None) -> "Future[Parsed]":
        """The document, in the future; cut, if that is asked for.

        Its result raises subclasses of SourceError and nothing else.

        The copy is closed here, whatever comes of it.
        """
        future: Future[Parsed] = Future()
        if self._closed.is_set():
            document.close()
            future.set_exception(SourceUnavailable("Parsing has been stopped."))
        else:
            self._tasks.put((document, cutting, future))
        return future

    def check(self) -> Confinement:
        """What holds the processes that parse here. Raises SourceUnavailable, ParsersNotConfined."""
        worker = self._server.spawn()
        try:
            return worker.probe()
        finally:
            worker.end()

    def close(self) -> None:
        """Kills every worker and whatever it started; what was not finished is cancelled or fails
        as unavailable.
        """
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task[0].close()
                    task[2].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        self._server.close()
        for thread in self._threads:
            thread.join(timeout=CONTROL_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        worker: _Worker | None = None
        while (task := self._tasks.get()) is not None:
            document, cutting, future = task
            if self._closed.is_set() or not future.set_running_or_notify_cancel():
                document.close()
                future.cancel()
                continue
            try:
                with document:
                    recipe = cutting.recipe if cutting else None
                    if worker and recipe and worker.recipe is not recipe:
                        worker.end()
                        worker = None
                    worker = worker or self._server.spawn(recipe)
                    parsed = worker.parse(
                        document, self._options, cutting, self._timeout_s, self._wall_factor
                    )
                future.set_result(parsed)
            except SourceError as error:
                future.set_exception(
                    SourceUnavailable("Parsing has been stopped.")
                    if self._closed.is_set()
                    else error
                )
            except Exception as error:  # nothing else may come out of the future
                future.set_exception(
                    SourceUnavailable(f"The parser failed ({type(error).__name__}: {error}).")
                )
                if worker:
                    worker.spent = True
            if worker and worker.spent:
                worker.end()
                worker = None
        if worker:
            worker.end()


class _Worker:
    """A place apart with one process at a time in it, each for one document."""

    def __init__(
        self,
        server: "_ForkServer",
        pid: int,
        connection: socket.socket,
        scratch: Path,
        tell: Callable[[Confinement], None],
        recipe: CounterRecipe | None,
    ) -> None:
        self.recipe = recipe  # of the counter that its processes have
        self._server, self._pid, self._connection, self._scratch = (
            server,
            pid,
            connection,
            scratch,
        )
        self._tell = tell
        self.spent = False
        self._dead = False

    def parse(
        self,
        document: PrivateCopy,
        options: ParseOptions,
        cutting: Cutting | None,
        timeout_s: float,
        wall_factor: float,
    ) -> Parsed:
        """Raises SourceError. After a limit was broken the worker is spent and its process is dead.

        timeout_s: of processor time; the clock allows so many times as much.
        """
        deadline, pages = time.monotonic() + wall_factor * timeout_s, 0
        cut_options = cutting.options if cutting else None
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
        self._server.kill(self._pid)
        shutil.rmtree(self._scratch, ignore_errors=True)


_OUT_OF_TIME = "used more processor time than one document may"


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


@contextlib.contextmanager
def _recipe_file(recipe: CounterRecipe | None) -> Iterator[int | None]:
    """What a counter is made of, in memory, for a process that can open no file of ours."""
    if recipe is None:
        yield None
        return
    with os.fdopen(os.memfd_create("counter", os.MFD_CLOEXEC), "w+b", buffering=0) as file:
        view = memoryview(recipe.data)
        while view:
            view = view[file.write(view) :]
        yield file.fileno()


class _ForkServer:
    """The process that forks workers, started when it is needed first, and again if it died."""

    def __init__(
        self, settings: Settings, parser: str, tell: Callable[[Confinement], None]
    ) -> None:
        self._limits = {
            "memory_mb": settings.parse_memory_mb,
            "cpu_s": settings.parse_timeout_s,
            "page_s": OCR_PAGE_S,
            "required": settings.confinement == "require",
            # what a process that reads strangers' files must not be able to open
            "out_of_reach": [f"/proc/{os.getpid()}/environ", str(settings.home.absolute())],
        }
        self._tell = tell
        self._told: Confinement | None = None
        self._parser = parser
        self._scratch = Path()  # made with the process, and removed by it
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False
        self._spawned = 0

    def spawn(self, recipe: CounterRecipe | None = None) -> _Worker:
        """A fresh worker, whose processes have this counter. Raises SourceUnavailable if none can be
        started.
        """
        with self._lock:
            control = self._ensure_started()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self._spawned += 1
            scratch = self._scratch / f"worker-{self._spawned}"
            scratch.mkdir(mode=0o700)
            request: dict[str, Any] = {**self._limits, "scratch": str(scratch)}
            with theirs, _recipe_file(recipe) as file:
                if recipe and file is not None:
                    request |= {"maker": recipe.maker, "max_tokens": recipe.max_tokens}
                files = (theirs.fileno(), *(() if file is None else (file,)))
                reply = self._ask(control, json.dumps(request).encode(), files)
            return _Worker(
                self, int(reply["pid"]), ours, scratch, self._require_confinement, recipe
            )

    def _require_confinement(self, held: Confinement) -> None:
        """Tells what holds a parsing process, if that is new. Raises ParsersNotConfined."""
        if held != self._told:
            self._told = held
            self._tell(held)
        if not held.enough or (self._limits["required"] and held.missing):
            raise ParsersNotConfined(held.describe())

    def kill(self, pid: int) -> None:
        with self._lock:
            if self._control is None or self._closed:
                return
            with contextlib.suppress(SourceUnavailable):
                self._ask(self._control, json.dumps({"kill": pid}).encode())

    def close(self) -> None:
        """Without its control socket the fork server kills its workers and ends. If it is stuck, it
        is killed.
        """
        self._closed = True
        with self._lock:
            self._stop()

    def _ask(
        self, control: socket.socket, request: bytes, files: Sequence[int] = ()
    ) -> dict[str, Any]:
        try:
            if not files:
                control.send(request)
            else:
                socket.send_fds(control, [request], files)
            data = control.recv(65_536)
        except OSError as error:
            self._stop()
            raise SourceUnavailable("The parsing process does not answer.") from error
        if not data:
            self._stop()
            raise SourceUnavailable("The parsing process has ended.")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _ensure_started(self) -> socket.socket:
        if self._closed:
            raise SourceUnavailable("Parsing has been stopped.")
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._scratch = Path(tempfile.mkdtemp(prefix="clearance-parsers-"))
        # each worker may have a user of its own, and a folder in here that is its alone
        self._scratch.chmod(0o711)
        with theirs, (self._scratch / "fork-server.log").open("w+b") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    _SERVER_MODULE,
                    str(theirs.fileno()),
                    self._parser,
                    str(self._scratch),
                ],
                pass_fds=[theirs.fileno()],
                env=self._environment(),
                cwd=self._scratch,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
            theirs.close()
            self._control = ours
            self._await_start(ours, log)
        ours.settimeout(CONTROL_TIMEOUT_S)
        return ours

    def _environment(self) -> dict[str, str]:
        """Only what parsing needs: no key or password of the service is in it."""
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        here = str(Path(__file__).resolve().parents[2])
        return {
            **passed,
            **_FIXED_ENVIRONMENT,
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "PYTHONPATH": here,
        }

    def _await_start(self, control: socket.socket, log: BinaryIO) -> None:
        """Raises SourceUnavailable with the last line that the process wrote."""
        control.settimeout(START_TIMEOUT_S)
        with contextlib.suppress(OSError):
            if control.recv(1_024):
                return
        self._stop()
        log.seek(0)
        told = log.read().decode("utf-8", "replace").strip().splitlines()
        raise SourceUnavailable(
            f"The parsing process cannot be started: {told[-1] if told else 'it gave no reason'}."
        )

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            shutil.rmtree(self._scratch, ignore_errors=True)
