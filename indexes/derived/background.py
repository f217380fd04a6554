"""The thread of a process that follows the catalog and maintains the indexes."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from indexes.derived.corpus import Corpus
from indexes.errors import ClearanceError

_FOLLOW_S = 0.25  # how long what nobody asks for may wait to be followed
_REST_S = 0.05  # between two steps of following: as long as a step took, and no longer than that
_FAILED_S = 5.0  # before a failed round is tried again

log = logging.getLogger(__name__)


@contextmanager
def background_work(corpus: Corpus, every_s: float) -> Iterator[None]:
    """A thread follows and maintains while the block runs; a checkpoint is written at its end."""
    stop = Event()
    thread = Thread(target=_work, args=(corpus, every_s, stop), name="derived", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        try:
            corpus.maintenance.save()
        except (ClearanceError, OSError) as error:
            log.warning("No checkpoint was written, so the next start takes longer: %s", error)


def _work(corpus: Corpus, every_s: float, stop: Event) -> None:
    """Begins to follow at a pace of its own: that must not depend on a search that finds work. It
    gives way to every request alike (`Precedence`).
    """
    pause, next_maintenance = min(every_s, _FOLLOW_S), time.monotonic() + every_s
    while not stop.wait(pause):
        try:
            corpus.follow(stop.is_set, lambda took: stop.wait(min(took, _REST_S)))
            if time.monotonic() >= next_maintenance:
                next_maintenance = time.monotonic() + every_s
                corpus.maintenance.run(stop.is_set)
            pause = min(every_s, _FOLLOW_S)
        # a failed round must not end the thread; searches report their own errors
        except Exception:
            pause = _FAILED_S
            log.exception("Following or maintaining the indexes failed and is tried again.")
