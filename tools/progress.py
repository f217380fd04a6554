"""Shows that something slow is at work: one moving line on a terminal, a line every 20 seconds
elsewhere.

As a command it runs another one quietly and shows that one's whole output only when it fails:

    python tools/progress.py "Installing packages" -- pip install ...

Standard library only, because it runs before anything is installed.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 20.0
KEPT_LINES = 200
# pip, once for each package, where a local folder lacks it
NOISE = "is ignored: it is neither a file nor a directory"


class Progress:
    """One slow step: `tick` while it goes on, then `finish` once. quiet: no first line, where no
    line can move.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self.title = title
        self.started = self.said = time.monotonic()
        self.moving = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        if not self.moving and not quiet:
            print(f"{title} …", flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def tick(self, last_words: str = "") -> None:
        if self.moving:
            line = f"{self.title} … {self.seconds:.0f} s  {last_words}"
            print("\r\033[K" + line[: shutil.get_terminal_size().columns - 1], end="", flush=True)
        elif time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            print(f"  {self.seconds:.0f} s  {last_words[:100]}", flush=True)

    @contextmanager
    def ticking(self) -> "Iterator[None]":
        """Ticks by itself while the block runs, and leaves nothing on the line."""
        done = threading.Event()

        def tick() -> None:
            while not done.wait(0.5):
                self.tick()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            if self.moving:
                print("\r\033[K", end="", flush=True)

    def finish(self, outcome: str) -> None:
        start = "\r\033[K" if self.moving else ""
        print(f"{start}{self.title}: {outcome}", flush=True)


def run(title: str, command: "list[str]", cwd: "os.PathLike[str] | None" = None) -> int:
    """The command's exit status."""
    progress = Progress(title)
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            time.sleep(0.2)
            progress.tick(lines[-1].strip() if lines else "")
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        progress.finish("interrupted")
        raise
    reader.join(timeout=5)
    if process.returncode == 0:
        progress.finish(f"done in {progress.seconds:.0f} s")
    else:
        progress.finish(f"FAILED after {progress.seconds:.0f} s, exit status {process.returncode}")
        sys.stderr.write("".join(lines))
    return process.returncode


def _collect(process: "subprocess.Popen[str]", lines: "deque[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if NOISE not in line:
            lines.append(line)


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit("usage: progress.py TITLE -- COMMAND [ARGUMENT ...]")
    try:
        sys.exit(run(sys.argv[1], sys.argv[3:]))
    except KeyboardInterrupt:
        sys.exit(130)
