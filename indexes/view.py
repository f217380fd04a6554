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
    """Valid only in the state of the catalog that it was resolved in."""

    reader_sets: NDArray[np.int64]  # ascending
    id: str  # says nothing by itself; equal for two callers exactly when they can see the same documents


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    access_number: int  # while it stays the same, no reader set joins the view or leaves it
    change_number: int  # while it stays the same, nothing changes at all
    view: View


class Views:
    """Resolves principals. What is remembered is used only while nothing has changed that it depends on."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: OrderedDict[Principal, _Known] = OrderedDict()  # the key belongs to it: a view ends with it
        self._sets = 0
        self._lock = Lock()

    def resolve(self, state: ReadState, derived: Derived, principal: Principal) -> View:
        """The view in this state; `derived` must be at the same state."""
        known = self._recalled(principal)
        if known is not None and known.change_number == state.change_number:
            return known.view
        if known is not None and known.access_number == state.access_number:
            reader_sets = known.view.reader_sets
        else:
            reader_sets = state.reader_sets(principal)
        key = hmac.new(self._secret, b"view" + derived.digest(reader_sets), hashlib.sha256)
        view = View(reader_sets, key.hexdigest()[:32])
        self._keep(principal, _Known(state.access_number, state.change_number, view))
        return view

    def _recalled(self, who: Principal) -> _Known | None:
        with self._lock:
            known = self._known.get(who)
            if known is not None:
                self._known.move_to_end(who)
            return known

    def _keep(self, who: Principal, known: _Known) -> None:
        with self._lock:
            self._forget(who)
            self._known[who] = known
            self._sets += len(known.view.reader_sets)
            while len(self._known) > 1 and (len(self._known) > _CACHED or self._sets > _CACHED_SETS):
                self._forget(next(iter(self._known)))

    def _forget(self, who: Principal) -> None:
        known = self._known.pop(who, None)
        self._sets -= 0 if known is None else len(known.view.reader_sets)
