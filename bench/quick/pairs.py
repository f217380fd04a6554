"""Both sides take turns: a process each, of which one works while the other waits."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.http_wrk import ONE_THREAD
from bench.quick.comparing import Pair
from bench.quick.works import Cost

MOST_PAIRS = 200


class Skipped(Exception):
    """A work that cannot be compared, and why."""


class Failed(Exception):
    """The working tree cannot do a work."""


class SideProcess:
    """Does works, with the product of one checkout."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, work: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):  # which `result` tells
            self._process.stdin.write(work + "\n")
            self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """As `child` tells it. Raises Failed if the process is gone."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"the process ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def run_sides(
    base: Path, now: Path, folder: Path, models: Path
) -> Iterator[tuple[SideProcess, SideProcess]]:
    """folder: for what they write. models: a home whose models both use."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(_run_side(checkout, folder / name, models))
            for name, checkout in (("base", base), ("now", now))
        ]
        yield started[0], started[1]


@contextmanager
def _run_side(checkout: Path, folder: Path, models: Path) -> Iterator[SideProcess]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")}
    # neither the current folder nor the order of a set makes a difference between the sides
    there = {"PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0"}
    folder.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.quick.child", str(folder), str(models)],
        env={**ours, **ONE_THREAD, **there},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield SideProcess(process)
    finally:
        assert process.stdin
        with suppress(BrokenPipeError):
            process.stdin.close()  # which it ends on, and stops what it started
        process.wait(60)


def take_pairs(
    work: str, base: SideProcess, now: SideProcess, seconds: float, least: int
) -> list[Pair]:
    """As many as this time allows, but not too few; who is first changes from pair to pair.

    Raises Skipped, Failed.
    """
    _make_ready(work, base, now)
    pairs: list[Pair] = []
    begun = time.monotonic()
    while len(pairs) < least or (len(pairs) < MOST_PAIRS and time.monotonic() - begun < seconds):
        if len(pairs) % 2:
            second, first = _do(work, now), _do(work, base)
            pairs.append((first, second))
        else:
            pairs.append((_do(work, base), _do(work, now)))
    return pairs


def _make_ready(work: str, base: SideProcess, now: SideProcess) -> None:
    """Both at once, for it is not measured. Raises Skipped, Failed."""
    for side in (base, now):
        side.begin(work)
    base_told, now_told = base.result(), now.result()
    if "failed" in now_told:
        raise Failed(now_told["failed"])
    if "not_ready" in now_told:
        raise Skipped(f"skipped, not ready: {now_told['not_ready']}")
    if "failed" in base_told:
        raise Skipped(f"not in the base: {base_told['failed']}")
    if "not_ready" in base_told:
        raise Skipped(f"skipped, not ready in the base: {base_told['not_ready']}")


def _do(work: str, side: SideProcess) -> Cost:
    """Raises Failed."""
    side.begin(work)
    told = side.result()
    if "failed" in told:
        raise Failed(told["failed"])
    return Cost(**told)
