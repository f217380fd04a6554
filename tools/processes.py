"""Servers that a script starts and that never outlive it: stopped with their children, however the
script ends.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.progress import Progress

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
LOG_TAIL_LINES = 30


class ServerFailed(Exception):
    """A server ended, or did not get ready in time. Carries the end of its log."""


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path | None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a process group of its own.

    Left, it is asked to stop, then what remains of the group is killed.

    log: takes what it prints; None lets it print to where this script prints.
    """
    output = subprocess.DEVNULL if log is None else _open_log(log)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None if log is None else output,
            stderr=None if log is None else subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            # so that Ctrl-C reaches only the script, which then stops its servers in order
            start_new_session=True,
            preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
        )
    finally:
        if log is not None:
            os.close(output)
    try:
        yield process
    finally:
        stop(process)


def _open_log(log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process and whatever is left of its group.

    A second Ctrl-C meanwhile shortens the wait.
    """
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        with suppress(ProcessLookupError):
            # the group's number is the number of its first process
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(
    url: str, process: "subprocess.Popen[bytes]", *, title: str, log: Path, limit_s: float
) -> float:
    """Seconds until the address answered 200.

    Raises ServerFailed when the process ends or the time is over.
    """
    progress = Progress(title)
    while not answers(url):
        if process.poll() is not None:
            progress.finish(f"ended with exit status {process.returncode}")
            raise ServerFailed(
                f"{title}: ended with exit status {process.returncode}.\n{read_tail(log)}"
            )
        if progress.seconds > limit_s:
            progress.finish(f"not ready after {limit_s:.0f} s")
            raise ServerFailed(f"{title}: not ready after {limit_s:.0f} s.\n{read_tail(log)}")
        progress.tick(read_last_line(log))
        time.sleep(0.25)
    progress.finish(f"ready after {progress.seconds:.0f} s")
    return progress.seconds


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def read_tail(log: Path) -> str:
    return "\n".join(
        log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    )


def read_last_line(log: Path) -> str:
    """The last words of a log, for a progress line."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""
    return ""


def free_port() -> int:
    """A port that nobody on this machine listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def terminating() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what it started is stopped then too.

    Ctrl-C itself, too: a shell starts background jobs with that signal ignored, and Python would
    leave it so.
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> Callable[[], None]:
    """To be called in the child: the kernel ends it when the script is killed without a chance to
    tidy up.
    """
    # looked up before the fork; after it, only async-safe calls are
    prctl = ctypes.CDLL(None).prctl

    def child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return child
