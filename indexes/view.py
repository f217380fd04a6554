"""What a principal can see: the reader sets it may read, and one id for all that they hold."""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import ReadState
from indexes.derived import Derived
from indexes.model import Principal

_CACHED = 10_000  # principals
_CACHED_SETS = 10_000_000  # reader sets of all of them together, 8 bytes each


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Valid only inside the reading transaction that it was resolved in."""

    reader_sets: NDArray[np.int64]  # ascending
    id: str  # says nothing by itself; equal for two callers exactly when they can see the same documents


class Views:
    """Resolves principals. What is remembered is used only while no group, user or reader set has changed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: OrderedDict[tuple[str, frozenset[str]], tuple[int, NDArray[np.int64]]] = OrderedDict()
        self._sets = 0
        self._lock = Lock()

    def resolve(self, state: ReadState, derived: Derived, principal: Principal) -> View:
        """The view in this state; `derived` must be at the same state."""
        reader_sets = self._reader_sets(state, principal)
        key = hmac.new(self._secret, b"view" + derived.digest(reader_sets), hashlib.sha256)
        return View(reader_sets, key.hexdigest()[:32])

    def _reader_sets(self, state: ReadState, principal: Principal) -> NDArray[np.int64]:
        name, number = (principal.name, principal.groups), state.access_number
        with self._lock:
            known = self._known.get(name)
            if known is not None and known[0] == number:
                self._known.move_to_end(name)
                return known[1]
        reader_sets = state.reader_sets(principal)
        with self._lock:
            self._forget(name)
            self._known[name] = (number, reader_sets)
            self._sets += len(reader_sets)
            while len(self._known) > 1 and (len(self._known) > _CACHED or self._sets > _CACHED_SETS):
                self._forget(next(iter(self._known)))
        return reader_sets

    def _forget(self, name: tuple[str, frozenset[str]]) -> None:
        known = self._known.pop(name, None)
        self._sets -= 0 if known is None else len(known[1])
