"""Parsing in processes that can be limited and killed: a bad file is one failed document, never a
stuck service.

`Parsers` keeps a few workers, one document at a time each. Every limit is the kernel's: address
space, processor time, file size. A clock is kept here for those that wait and use no time of the
processor; it allows much more, so that a busy machine fails no document. A worker that breaks a
limit is killed with everything it started, and replaced.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from indexes.embedder import CounterRecipe
from indexes.errors import SourceError, SourceUnavailable
from indexes.settings import Settings
from ingest.elements import CutOptions, Parsed, ParseOptions
from ingest.isolation.confinement import Confinement
from ingest.isolation.private_copy import PrivateCopy
from ingest.isolation.server_process import ServerProcess
from ingest.isolation.workers import CONTROL_TIMEOUT_S, Worker

PARSER = "ingest.partition:parse"
WALL_FACTOR = 10.0  # so many times the processor time of a document may pass by the clock


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
        self._server = ServerProcess(settings, parser, tell)
        self._timeout_s = settings.parse_timeout_s
        self._wall_factor = wall_factor
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._prepared = False
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

    def prepare(self) -> None:
        """Begins to start the process that workers are forked from, and returns at once."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=self._server.start, name="parser-start", daemon=True).start()

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
        """One document after another, until there are no more."""
        worker: Worker | None = None
        while (task := [self._tasks.get()])[0] is not None:
            worker = self._serve_one(task, worker)
        if worker:
            worker.end()

    def _serve_one(self, tasks: "list[_Task | None]", worker: Worker | None) -> Worker | None:
        """The one document in this list, which is empty then: a result may be large, and nothing here
        keeps it. Returns the worker that the next document goes to.
        """
        task = tasks.pop()
        assert task is not None
        document, cutting, future = task
        if self._closed.is_set() or not future.set_running_or_notify_cancel():
            document.close()
            future.cancel()
            return worker
        try:
            with document:
                worker = self._worker_for(cutting, worker)
                future.set_result(self._parse(document, cutting, worker))
        except SourceError as error:
            stopped = SourceUnavailable("Parsing has been stopped.")
            future.set_exception(stopped if self._closed.is_set() else error)
        except Exception as error:  # nothing else may come out of the future
            told = f"The parser failed ({type(error).__name__}: {error})."
            future.set_exception(SourceUnavailable(told))
            if worker:
                worker.spent = True
        if worker and worker.spent:
            worker.end()
            return None
        return worker

    def _worker_for(self, cutting: Cutting | None, worker: Worker | None) -> Worker:
        """This worker, or a new one if there is none or if it counts with something else. Raises
        SourceUnavailable.
        """
        recipe = cutting.recipe if cutting else None
        if worker and recipe and worker.recipe is not recipe:
            worker.end()
            worker = None
        return worker or self._server.spawn(recipe)

    def _parse(self, document: PrivateCopy, cutting: Cutting | None, worker: Worker) -> Parsed:
        """Raises SourceError."""
        cut_options = cutting.options if cutting else None
        return worker.parse(
            document, self._options, cut_options, self._timeout_s, self._wall_factor
        )
