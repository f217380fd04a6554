"""Fakes of the ingest side: a parser that does what its file says, to show what the sandbox does about it."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from indexes.errors import SourceRefused
from ingest.elements import Element, Parsed, ParseOptions


def obey(path: Path, options: ParseOptions, page_read: Callable[[], None]) -> Parsed:
    """The file's first word is the deed, the rest its argument."""
    deed, _, rest = path.read_text(encoding="utf-8").partition(" ")
    return _text(_DEEDS[deed](rest, page_read))


def _text(text: str) -> Parsed:
    element = Element(kind="text", text=text)
    return Parsed(title=None, elements=(element,), media_type="text/plain", language=None, page_kind=None)


def _hang(rest: str, page_read: Callable[[], None]) -> str:
    time.sleep(3_600)
    return rest


def _hang_with_child(rest: str, page_read: Callable[[], None]) -> str:
    child = subprocess.Popen(["sleep", "3600"])
    Path(rest).write_text(str(child.pid), encoding="ascii")
    child.wait()
    return rest


def _spin(rest: str, page_read: Callable[[], None]) -> str:
    while True:
        pass


def _crash(rest: str, page_read: Callable[[], None]) -> str:
    return ctypes.string_at(0).decode()


def _vanish(rest: str, page_read: Callable[[], None]) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return rest


def _grow(rest: str, page_read: Callable[[], None]) -> str:
    held = []
    while True:
        held.append(bytearray(64 << 20))


def _fill_disk(rest: str, page_read: Callable[[], None]) -> str:
    with Path("full").open("wb") as file:
        while True:
            file.write(bytes(64 << 20))


def _refuse(rest: str, page_read: Callable[[], None]) -> str:
    raise SourceRefused(rest, remedy="Ask nicely.")


def _slow_pages(rest: str, page_read: Callable[[], None]) -> str:
    for _ in range(int(rest)):
        time.sleep(0.4)
        page_read()
    return "read"


_DEEDS: dict[str, Callable[[str, Callable[[], None]], str]] = {
    "say": lambda rest, _: rest,
    "pid": lambda rest, _: str(os.getpid()),
    "environment": lambda rest, _: "\n".join(sorted(os.environ)),
    "hang": _hang,
    "hang-with-child": _hang_with_child,
    "spin": _spin,
    "crash": _crash,
    "vanish": _vanish,
    "grow": _grow,
    "fill-disk": _fill_disk,
    "refuse": _refuse,
    "slow-pages": _slow_pages,
}
