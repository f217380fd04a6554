"""Runs a long command quietly: one moving line while it works, its whole output only when it fails.

    python tools/progress.py "Installing packages" -- pip install ...

On a terminal the line is redrawn with the time and the command's last words; elsewhere a line comes every 20 seconds.
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

QUIET_SECONDS = 20.0
KEPT_LINES = 200


def run(title: str, command: list[str]) -> int:
    """The command's exit status. Its output is shown when that is not 0."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    try:
        _watch(title, process, lines, started)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        _finish(f"{title}: interrupted")
        return 130
    reader.join(timeout=5)
    seconds = time.monotonic() - started
    if process.returncode == 0:
        _finish(f"{title}: done in {seconds:.0f} s")
    else:
        _finish(f"{title}: FAILED after {seconds:.0f} s (exit status {process.returncode})")
        sys.stderr.write("".join(lines))
    return process.returncode


def _collect(process: "subprocess.Popen[str]", lines: "deque[str]") -> None:
    assert process.stdout is not None
    lines.extend(())
    for line in process.stdout:
        if "is ignored: it is neither a file nor a directory" not in line:
            lines.append(line)


def _watch(title: str, process: "subprocess.Popen[str]", lines: "deque[str]", started: float) -> None:
    moving = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if not moving:
        print(f"{title} …", flush=True)
    said = time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        seconds = time.monotonic() - started
        last = lines[-1].strip() if lines else ""
        if moving:
            width = shutil.get_terminal_size().columns
            print("\r\033[K" + f"{title} … {seconds:.0f} s  {last}"[: width - 1], end="", flush=True)
        elif time.monotonic() - said >= QUIET_SECONDS:
            said = time.monotonic()
            print(f"  {seconds:.0f} s  {last[:100]}", flush=True)


def _finish(text: str) -> None:
    start = "\r\033[K" if sys.stdout.isatty() else ""
    print(start + text, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit("usage: progress.py TITLE -- COMMAND [ARGUMENT ...]")
    sys.exit(run(sys.argv[1], sys.argv[3:]))
