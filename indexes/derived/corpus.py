"""The catalog and the indexes derived from it, kept at one and the same state for every search.

A search follows what its own view has to follow and nothing else; everything else is followed in
the background. So the time of a search does not tell what was written that its caller may not read.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.catalog import Catalog
from indexes.catalog.index_input import Mark
from indexes.catalog.reading import ReadState
from indexes.derived.generation_switch import GenerationSwitch
from indexes.derived.held_indexes import HeldIndexes
from indexes.derived.indexes import DerivedIndexes, ThrownAway
from indexes.derived.maintenance import Maintenance
from indexes.derived.precedence import Patience, Precedence
from indexes.derived.snapshot import Snapshot
from indexes.derived.vector_input import split_to_fit_memory
from indexes.derived.vectors.store import VectorStores
from indexes.derived.view import View, Views
from indexes.errors import IndexNotReady
from indexes.model import IndexGeneration, Principal

_STEP = 8  # documents followed in the background in one state
_PATIENCE_S = 0.1  # how long, in all, a step in the background lets requests go first
_IN_VAIN_S = 60.0  # after indexes were distrusted: how long new ones that are no better are kept
_TRIES = 3  # how often one search has indexes built anew that turn out wrong
_FAILED = "The indexes failed while they followed the catalog"

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SearchState:
    """One state, the indexes that are at it for a view, and that view. Valid only while it is held."""

    state: ReadState
    snapshot: Snapshot
    view: View


class Corpus:
    """One per process; threads share it.

    `folder` holds the checkpoint and may be deleted at any time.
    """

    def __init__(
        self,
        catalog: Catalog,
        folder: Path | None,
        stores: VectorStores,
        precedence: Precedence | None = None,
        have_model: Callable[[IndexGeneration], None] = lambda generation: None,
    ) -> None:
        """stores: makes those that hold the vectors. precedence: knows who waits for an answer; if
        None, only searches here count. have_model: loads the model of a generation before it is
        searched here.
        """
        self.catalog = catalog
        self.held = HeldIndexes(catalog, folder, stores)
        self.switch = GenerationSwitch(self.held, have_model)
        self.maintenance = Maintenance(self.held, self.switch)
        self.precedence = precedence or Precedence()
        self._views = Views(catalog.history_secret)
        self._distrusted_at: float | None = None

    # --- for searches ---------------------------------------------------------------------------

    @contextmanager
    def latest(self, principal: Principal) -> Iterator[SearchState]:
        """The newest acknowledged state, and the indexes at exactly that state for all that the
        principal may read.

        Raises IndexNotReady while the indexes cannot be built, and NotAuthenticated if the
        principal's key does not hold in this state.
        """
        with self.precedence.request(), ExitStack() as held:
            state, derived, sets = self._meet(held, principal) or self._catch_up(held, principal)
            assert sets is not None
            yield SearchState(state, derived, self._views.view(derived, principal, sets))

    @contextmanager
    def everything(self) -> Iterator[tuple[ReadState, DerivedIndexes]]:
        """The newest acknowledged state, and the indexes at exactly that state as a whole.

        For operators only.
        """
        with ExitStack() as held:
            state, derived, _ = self._meet(held, None) or self._catch_up(held, None)
            yield state, derived

    def _meet(
        self, held: ExitStack, principal: Principal | None, *, switched: bool = False
    ) -> "_Meeting | None":
        """The newest state, kept while `held` lasts, if nothing has to be followed for this
        principal. If the principal is None, for everything.

        held: empty, and empty again if there is no such state. switched: accept no former
        generation, even while another thread prepares the switch to the active one.
        """
        held.enter_context(self.held.lock.reading())
        derived = self.held.current
        newest = derived.newest
        state = held.enter_context(self.catalog.reading())
        behind = derived.reader_sets_behind(state, newest)
        if behind is None or not self._may_serve(derived, state, switched):
            held.close()
            return None
        derived.note_seen(state.mark)  # before anything is remembered of it
        sets = self._reader_sets(state, derived, principal)
        if _sets_in_view(behind, sets):
            held.close()
            return None
        return state, derived, sets

    def _may_serve(self, derived: DerivedIndexes, state: ReadState, switched: bool) -> bool:
        former = not switched and self.switch.is_under_way(state)
        return former or derived.generation.id == state.generation_id

    def _reader_sets(
        self, state: ReadState, derived: DerivedIndexes, principal: Principal | None
    ) -> Ints | None:
        """The reader sets of the principal's view; None, for all, if there is no principal."""
        return None if principal is None else self._views.reader_sets(state, derived, principal)

    def _catch_up(self, held: ExitStack, principal: Principal | None) -> "_Meeting":
        """The newest state, kept while `held` lasts, with the indexes brought to it for this
        principal. If the principal is None, for everything.
        """
        for _ in range(_TRIES):
            self.held.make_usable()
            with self.switch.prepare_active(), self._changing_soon():
                # whoever waited here finds, unless there were more writes, that another has
                # followed
                met = self._meet(held, principal, switched=True) or self._follow(held, principal)
            if met is not None:
                return met
        raise IndexNotReady

    @contextmanager
    def _changing_soon(self) -> Iterator[None]:
        """Holds `HeldIndexes.changing`, which the background gives back as soon as it can."""
        with self.precedence.waiting_for_background():
            self.held.changing.acquire()
        try:
            yield
        finally:
            self.held.changing.release()

    def _follow(self, held: ExitStack, principal: Principal | None) -> "_Meeting | None":
        """As `_catch_up`, by the one thread that may change the indexes; None if they had to be
        thrown away.
        """
        derived = self.held.current
        newest = derived.newest
        with _ThrowingAway(self.held, derived), ExitStack() as following:
            state = following.enter_context(self.catalog.reading())
            behind = self._reader_sets_behind(derived, state, newest)
            if behind is None:
                return None
            if self.switch.bring_to_generation(derived, state):
                behind = []
            derived.note_seen(state.mark)
            sets = self._reader_sets(state, derived, principal)
            wanted = _sets_in_view(behind, sets)
            share = self._apply_behind(following, state, derived, wanted)
            derived.note_followed(state.mark, wanted if principal is not None else None)
            # nothing is written before this state has been read, and others may read it too
            share()
            held.push(following.pop_all())
            return state, derived, sets
        return None

    def _apply_behind(
        self,
        following: ExitStack,
        state: ReadState,
        derived: DerivedIndexes,
        wanted: Sequence[int],
    ) -> Callable[[], None]:
        """Bring these reader sets to the state, some documents at a time; searches get their turn
        between.

        The lock of the last step is kept while `following` lasts. Returns what turns it from
        writing to reading.
        """
        *most, last = [*split_to_fit_memory(derived.documents_behind(state, wanted))] or [[]]
        for some in most:
            changes = derived.compute_changes(state, some, derived.generation)
            with self.held.lock.writing():
                derived.apply(changes)
        changes = derived.compute_changes(state, last, derived.generation)
        share = following.enter_context(self.held.lock.writing())
        derived.apply(changes)
        return share

    def _reader_sets_behind(
        self, derived: DerivedIndexes, state: ReadState, newest: Mark
    ) -> list[int] | None:
        """As `DerivedIndexes.reader_sets_behind`; indexes that cannot follow this catalog are
        thrown away.
        """
        behind = derived.reader_sets_behind(state, newest)
        if behind is None and derived.usable:
            self.held.discard(
                derived,
                "The catalog is not the one that the indexes were made from: was a copy put back?",
            )
        return behind

    # --- in the background ----------------------------------------------------------------------

    def follow(
        self,
        stop: Callable[[], bool] = lambda: False,
        rest: Callable[[float], object] = lambda took: None,
    ) -> None:
        """Bring everything to the state that is the newest now, a few documents at a time. rest:
        told how long each step took.

        What is written meanwhile is left for the next time, so that whoever searches right after a
        burst meets no step that ran after it.
        """
        with self.catalog.reading() as state:
            goal = state.mark.number
        more = True
        while more and not stop():
            start = time.monotonic()
            more = self._follow_some(goal)
            rest(time.monotonic() - start)

    def _follow_some(self, goal: int) -> bool:
        """One step towards the state of this number. False: there is no other one left."""
        self.held.make_usable()
        patience = Patience(self.precedence, _PATIENCE_S)
        patience.give_way()
        with self.switch.prepare_active(), self.held.changing:
            derived = self.held.current
            newest = derived.newest
            with self.catalog.reading() as state, _ThrowingAway(self.held, derived):
                if self._reader_sets_behind(derived, state, newest) is None:
                    return True
                self.switch.bring_to_generation(derived, state)
                if derived.followed == state.mark:
                    return False
                oldest = state.changed_since(derived.followed.number, _STEP)
                followed = self._apply_in_turn(derived, state, oldest, patience)
                with patience.writing(self.held.lock):
                    derived.note_followed(followed)
                return followed.number < goal
        return True

    def _apply_in_turn(
        self,
        derived: DerivedIndexes,
        state: ReadState,
        oldest: Sequence[tuple[Mark, int]],
        patience: Patience,
    ) -> Mark:
        """Apply these changes one document after the other; requests go first in between.

        It ends early if a search waits for it. Returns the state that everything is at then.
        """
        done: set[int] = set()
        for number, (_, document) in enumerate(oldest):
            if done and self.precedence.is_background_waited_for():
                return oldest[number - 1][0]
            if document in done:
                continue
            patience.give_way()
            changes = derived.compute_changes(state, [document], derived.generation)
            with patience.writing(self.held.lock):
                derived.apply(changes)
            done.add(document)
        return oldest[-1][0] if len(oldest) == _STEP else state.mark

    # --- what is searched -----------------------------------------------------------------------

    def generation(self) -> IndexGeneration:
        """The generation that the last search used."""
        return self.held.current.generation

    def in_force(self) -> tuple[IndexGeneration, dict[str, Any]] | None:
        """The generation that is active now, with its settings, if there is one yet. It is another
        one than `generation()` until a search or the background has switched to it.
        """
        return self.catalog.generations.in_force()

    def usable(self) -> bool:
        """Whether there are indexes to search; False while they are built anew.

        Looks at nothing but memory.
        """
        return self.held.current.usable

    def distrust(self, snapshot: Snapshot) -> bool:
        """Throw indexes away that gave out what does not belong to a view.

        False: new ones have not helped just now.

        If new indexes give out the same again, the fault is not in the indexes: gate two alone
        decides then, and the alarm stays on.
        """
        now = time.monotonic()
        if self._distrusted_at is not None and now < self._distrusted_at + _IN_VAIN_S:
            return False
        self._distrusted_at = now
        derived = self.held.current
        if derived is snapshot:  # otherwise others have taken their place already
            self.held.discard(derived, "The indexes gave out what does not belong to a view")
        return True


_Meeting = tuple[ReadState, DerivedIndexes, Ints | None]


class _ThrowingAway:
    """Around changes: indexes that an error left half changed are thrown away, and that is
    reported. An error that touched nothing goes on.
    """

    def __init__(self, held: HeldIndexes, derived: DerivedIndexes) -> None:
        self._held, self._derived = held, derived

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ThrownAway):
            return True
        if not isinstance(error, Exception) or self._derived.usable:
            return False
        self._held.report_discarded(_FAILED)
        return True


def _sets_in_view(reader_sets: Sequence[int], view: Ints | None) -> list[int]:
    """Those of the reader sets that belong to a view. view: ascending. If None, it holds all."""
    if view is None or not reader_sets:
        return list(reader_sets)
    wanted = np.array(reader_sets, np.int64)
    if not len(view):
        return []
    place = np.minimum(np.searchsorted(view, wanted), len(view) - 1)
    inside: list[int] = wanted[view[place] == wanted].tolist()
    return inside
