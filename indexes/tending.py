"""A process's background work on its derived indexes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from indexes.corpus import Corpus
from indexes.errors import ClearanceError

log = logging.getLogger(__name__)


@contextmanager
def tending(corpus: Corpus, every_s: float) -> Iterator[None]:
    """A thread tends the corpus while the block runs; a checkpoint is written at its end."""
    stop = Event()
    thread = Thread(target=_tend, args=(corpus, every_s, stop), name="tending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        try:
            corpus.save()
        except (ClearanceError, OSError) as error:
            log.warning("No checkpoint was written, so the next start takes longer: %s", error)


def _tend(corpus: Corpus, every_s: float, stop: Event) -> None:
    while not stop.wait(every_s):
        try:
            corpus.tend(stop.is_set)
        except Exception:  # a failed round must not end the thread; searches report their own errors
            log.exception("Tending the indexes failed and is tried again.")
