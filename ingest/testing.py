"""Fakes of the ingest side: a parser that does what its file says, and an embedder that tells what
it was asked for.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.errors import SourceRefused
from indexes.testing import HashingEmbedder
from ingest.elements import Element, Parsed, ParseOptions
from ingest.isolation.private_copy import IN_MEMORY_BYTES, PrivateCopy


def obey(path: Path, options: ParseOptions, page_read: Callable[[], None]) -> Parsed:
    """The file's first word is the deed, the rest its argument."""
    deed, _, rest = path.read_text(encoding="utf-8").partition(" ")
    return _text(_DEEDS[deed](rest, page_read))


def _text(text: str) -> Parsed:
    element = Element(kind="text", text=text)
    return Parsed(
        title=None, elements=(element,), media_type="text/plain", language=None, page_kind=None
    )


def _hang(rest: str, page_read: Callable[[], None]) -> str:
    time.sleep(3_600)
    return rest


def _hang_with_child(rest: str, page_read: Callable[[], None]) -> str:
    """A process that the test finds by its argument; it has left the group of its parent."""
    subprocess.Popen(["sleep", rest], start_new_session=True).wait()
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
        file.truncate(1 << 40)
    return rest


def _refuse(rest: str, page_read: Callable[[], None]) -> str:
    raise SourceRefused(rest, remedy="Ask nicely.")


def _wait(rest: str, page_read: Callable[[], None]) -> str:
    """Uses no time of the processor, as on a machine with other things to do."""
    time.sleep(float(rest))
    return rest


def _slow_pages(rest: str, page_read: Callable[[], None]) -> str:
    for _ in range(int(rest)):
        time.sleep(0.4)
        page_read()
    return "read"


_DEEDS: dict[str, Callable[[str, Callable[[], None]], str]] = {
    "say": lambda rest, _: rest,
    "pid": lambda rest, _: str(os.getpid()),
    "files": lambda rest, _: " ".join(sorted(path.name for path in Path.cwd().iterdir())),
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
    "wait": _wait,
}


def private_copy_of(path: Path) -> PrivateCopy:
    """The file of this name as parsers take it, for tests and benchmarks that judge nobody's
    rights.
    """
    content = path.read_bytes()
    copy = PrivateCopy.new(path.name, min(len(content), IN_MEMORY_BYTES), path.parent)
    copy.write(content)
    copy.seal()
    return copy


class SpyEmbedder(HashingEmbedder):
    """A HashingEmbedder that remembers every batch of passages, and can be slow."""

    def __init__(self, name: str = "hashing", *, seconds_per_text: float = 0.0) -> None:
        super().__init__(name=name)
        self.batches: list[list[str]] = []
        self._seconds = seconds_per_text

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        time.sleep(self._seconds * len(texts))
        return super().passages(texts)

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


def paragraphs(path: Path, options: ParseOptions, page_read: Callable[[], None]) -> Parsed:
    """A parser that needs no library: real processes, started at once."""
    elements = tuple(
        Element(kind="text", text=part) for part in path.read_text(encoding="utf-8").split("\n\n")
    )
    return Parsed(
        title=None, elements=elements, media_type="text/plain", language=None, page_kind=None
    )


def command(arguments: str) -> int:
    """The ingest command, hashed and on plain text only, to be run and killed: `python -m
    ingest.testing JSON`.

    arguments: an object with `settings`, `request`, and `seconds_per_text`, how slow embedding is.
    parser: another one than `paragraphs`. Without a request the jobs that wait are done; with `once: false` those that come, too.
    """
    from indexes.job_kinds import IngestRequest
    from indexes.settings import Settings

    # late: workers that only parse must not import all of this
    from ingest.cli.ingest import ingest_once
    from ingest.isolation.sandbox import Parsers
    from ingest.worker import do_jobs

    given = json.loads(arguments)
    embedder = SpyEmbedder(seconds_per_text=given["seconds_per_text"])
    settings = Settings.model_validate(given["settings"])
    parsers = partial(Parsers, parser=given.get("parser", "ingest.testing:paragraphs"))
    if "request" not in given:
        once = given.get("once", True)
        do_jobs(settings, once=once, load=lambda *_: embedder, make_parsers=parsers, poll_s=0.1)
        return 0
    request = IngestRequest.model_validate(given["request"])
    return ingest_once(
        request, settings, as_json=True, load=lambda *_: embedder, make_parsers=parsers
    )


if __name__ == "__main__":
    raise SystemExit(command(sys.argv[1]))
