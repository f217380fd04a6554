"""What a principal can see: the reader sets it may read, and one id for all that they hold."""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import ReadState
from indexes.derived import Derived
from indexes.model import Principal

_CACHED = 10_000  # principals
_CACHED_SETS = 10_000_000  # reader sets of all of them together, 8 bytes each

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Valid only in the state of the catalog that it was resolved in."""

    reader_sets: Ints  # ascending
    id: str  # says nothing by itself; equal for two callers exactly when they can see the same documents


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Nothing in it depends on what the principal may not read, and neither does whether it still holds."""

    identities: frozenset[int]  # while they are the same, only new reader sets join the view, and none leaves it
    rules_number: int
    reader_sets: Ints
    derived: int  # the serial of the indexes that the id was made from
    changed: int  # while it is the same, so is the id
    id: str


class Views:
    """Resolves principals. What is remembered is used only while nothing has changed that it depends on.

    The same work is done for a request whether or not anything hidden has changed, so that its time does not tell.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: OrderedDict[Principal, _Known] = OrderedDict()  # the key belongs to it: a view ends with it
        self._sets = 0
        self._lock = Lock()

    def reader_sets(self, state: ReadState, derived: Derived, principal: Principal) -> Ints:
        """The reader sets that the principal may read in this state. `derived` must follow the state's catalog.

        Raises NotAuthenticated where the principal's key does not hold in it.
        """
        known = self._recalled(principal)
        since = int(known.reader_sets[-1]) if known is not None and len(known.reader_sets) else 0
        identities, new = state.identities(principal, since)
        if (
            known is None
            or known.identities != identities
            or known.rules_number != state.rules_number
            or known.derived != derived.serial  # made from another catalog, perhaps, where the same numbers mean others
        ):
            reader_sets = state.reader_sets(principal)
        elif new:
            reader_sets = np.concatenate([known.reader_sets, np.array(new, np.int64)])
        else:
            return known.reader_sets
        self._keep(
            principal,
            _Known(identities, state.rules_number, reader_sets, derived.serial, -1, ""),
        )
        return reader_sets

    def view(self, derived: Derived, principal: Principal, reader_sets: Ints) -> View:
        """The view of these reader sets, as just resolved; `derived` must have followed them."""
        changed, known = derived.changed(reader_sets), self._recalled(principal)
        same = known is not None and known.reader_sets is reader_sets and known.derived == derived.serial
        if known is not None and same and known.changed == changed:
            return View(reader_sets, known.id)
        key = hmac.new(self._secret, b"view" + derived.digest(reader_sets), hashlib.sha256)
        view = View(reader_sets, key.hexdigest()[:32])
        if known is not None and same:
            self._keep(principal, replace(known, changed=changed, id=view.id))
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
            self._sets += len(known.reader_sets)
            while len(self._known) > 1 and (len(self._known) > _CACHED or self._sets > _CACHED_SETS):
                self._forget(next(iter(self._known)))

    def _forget(self, who: Principal) -> None:
        known = self._known.pop(who, None)
        self._sets -= 0 if known is None else len(known.reader_sets)
