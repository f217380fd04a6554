"""Many readers or one writer, within one process. A waiting writer goes before new readers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition


class ReadWriteLock:
    """Not reentrant."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._readers = 0
        self._writing = False
        self._waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            while self._writing or self._waiting:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:  # nobody waits for fewer readers
                    self._changed.notify_all()

    @contextmanager
    def writing(self, patience_s: float = 0.0) -> Iterator[Callable[[], None]]:
        """Gives a function that turns the rest of the block into reading, without letting another
        writer in between.

        patience_s: how long to let new readers go first.
        """
        sharing = False

        def share() -> None:
            nonlocal sharing
            with self._changed:
                sharing, self._writing = True, False
                self._readers += 1
                self._changed.notify_all()

        with self._changed:
            if not (patience_s and self._changed.wait_for(self._is_idle, patience_s)):
                self._wait_before_readers()
            self._writing = True
        try:
            yield share
        finally:
            self._end_turn(sharing=sharing)

    def _wait_before_readers(self) -> None:
        """Waits until nobody reads or writes; no new reader begins meanwhile."""
        self._waiting += 1
        try:
            self._changed.wait_for(lambda: not self._writing and not self._readers)
        finally:
            self._waiting -= 1
            # if this one was interrupted: for the readers that waited for it
            self._changed.notify_all()

    def _end_turn(self, *, sharing: bool) -> None:
        """Ends the block of a writer. sharing: whether it only reads by now."""
        with self._changed:
            if sharing:
                self._readers -= 1
            else:
                self._writing = False
            self._changed.notify_all()

    def _is_idle(self) -> bool:
        return not (self._readers or self._writing or self._waiting)
