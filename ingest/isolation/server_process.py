"""The process that forks workers, seen from its parent: started when it is needed first, and again
if it died.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from indexes.embedder import CounterRecipe
from indexes.errors import ParsersNotConfined, SourceUnavailable
from indexes.settings import Settings
from ingest.isolation.confinement import Confinement
from ingest.isolation.workers import CONTROL_TIMEOUT_S, OCR_PAGE_S, Worker

_SERVER_MODULE = "ingest.isolation.fork_server"
START_TIMEOUT_S = 120.0
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


class ServerProcess:
    """The process, and what it was told of the limits of a document."""

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

    def start(self) -> None:
        """Starts it now. What hinders that is told by `spawn`, which tries again."""
        with self._lock, contextlib.suppress(SourceUnavailable, OSError):
            self._ensure_started()

    def spawn(self, recipe: CounterRecipe | None = None) -> Worker:
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
            kill = partial(self.kill, int(reply["pid"]))
            return Worker(ours, scratch, recipe, tell=self._require_confinement, kill=kill)

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
