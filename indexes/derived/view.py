"""What a principal can see: the reader sets it may read, and one id for all that they hold."""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.access import Asker
from indexes.catalog.reading import ReadState
from indexes.derived.snapshot import Snapshot
from indexes.model import Identities, Principal

_CACHED = 10_000  # principals
_CACHED_SETS = 10_000_000  # reader sets of all of them together, 8 bytes each

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Valid only in the state of the catalog that it was resolved in."""

    reader_sets: Ints  # ascending
    # says nothing by itself; equal for two callers exactly when they can see the same documents
    id: str


@dataclass(frozen=True, slots=True, eq=False)
class _ResolvedView:
    """A view as it was worked out, to be used again while its basis is the same.

    Nothing in it depends on what the principal may not read, and whether it is still used does not
    either.
    """

    # while they are the same, only new reader sets join the view, and none leaves it
    identities: Identities
    # the indexes, the rules and the asker that all of this was worked out from
    basis: tuple[int, int, Asker]
    highest_set_seen: int  # the highest reader set that was looked at
    reader_sets: Ints
    last_change: int  # while it is the same, so is the id
    id: str


class Views:
    """Resolves principals.

    What is remembered is used only while nothing has changed that it depends on.

    A request looks for new reader sets and finds none or a few, whether or not they are hidden from
    it; its groups are looked up again only after they have changed.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # the key belongs to it: a view ends with it
        self._known: OrderedDict[Principal, _ResolvedView] = OrderedDict()
        self._sets = 0
        self._lock = Lock()

    def reader_sets(self, state: ReadState, snapshot: Snapshot, principal: Principal) -> Ints:
        """The reader sets that the principal may read in this state of the snapshot's catalog.

        Raises NotAuthenticated if the principal's key does not hold in it.
        """
        known = self._recall(principal)
        basis = snapshot.serial, state.rules_number, state.asker(principal)
        if known is None or known.basis != basis:
            return self._resolve(state, principal, basis)
        entries = state.new_entries(known.highest_set_seen)
        if entries is None:
            return self._resolve(state, principal, basis)
        if not entries:
            return known.reader_sets
        said: dict[str, set[int]] = {"allow": set(), "deny": set()}
        for reader_set, effect, who in entries:
            if known.identities.are_meant(effect, who):
                said[effect].add(reader_set)
        new = np.array(sorted(said["allow"] - said["deny"]), np.int64)
        highest = max(reader_set for reader_set, _, _ in entries)
        known = replace(known, highest_set_seen=highest)
        if len(new):
            known = replace(
                known, reader_sets=np.concatenate([known.reader_sets, new]), last_change=-1
            )
        self._keep(principal, known)
        return known.reader_sets

    def _resolve(
        self, state: ReadState, principal: Principal, basis: tuple[int, int, Asker]
    ) -> Ints:
        who, reader_sets = state.identities(principal), state.reader_sets(principal)
        self._keep(
            principal, _ResolvedView(who, basis, state.newest_reader_set(), reader_sets, -1, "")
        )
        return reader_sets

    def view(self, snapshot: Snapshot, principal: Principal, reader_sets: Ints) -> View:
        """The view of these reader sets, as just resolved; `snapshot` must have followed them."""
        last_change, known = snapshot.last_change(reader_sets), self._recall(principal)
        same_indexes = known is not None and known.basis[0] == snapshot.serial
        is_current = same_indexes and known is not None and known.reader_sets is reader_sets
        if known is not None and is_current and known.last_change == last_change:
            return View(reader_sets, known.id)
        key = hmac.new(self._secret, b"view" + snapshot.digest(reader_sets), hashlib.sha256)
        view = View(reader_sets, key.hexdigest()[:32])
        if known is not None and is_current:
            self._keep(principal, replace(known, last_change=last_change, id=view.id))
        return view

    def _recall(self, who: Principal) -> _ResolvedView | None:
        with self._lock:
            known = self._known.get(who)
            if known is not None:
                self._known.move_to_end(who)
            return known

    def _keep(self, who: Principal, known: _ResolvedView) -> None:
        with self._lock:
            self._forget(who)
            self._known[who] = known
            self._sets += len(known.reader_sets)
            while len(self._known) > 1 and (
                len(self._known) > _CACHED or self._sets > _CACHED_SETS
            ):
                self._forget(next(iter(self._known)))

    def _forget(self, who: Principal) -> None:
        known = self._known.pop(who, None)
        self._sets -= 0 if known is None else len(known.reader_sets)
