"""Reader sets compared with the catalog while searches go on, in the course of time all of them."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from indexes.catalog.index_input import Placement
from indexes.catalog.reading import ReadState
from indexes.derived.held_indexes import HeldIndexes
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.verify import all_reader_sets, compare_reader_set

# how long reader sets are compared with the catalog before others get their turn
_CHECKING_S = 0.02
_SHARE = 0.05  # of one processor's time, for comparing


class HealthCheck:
    """Throws indexes away that do not hold what the catalog says. Takes little of the time."""

    def __init__(self, held: HeldIndexes) -> None:
        self._held = held
        # reader sets that are still to be compared with the catalog in this round
        self._to_check: list[int] = []
        self._check_again_at = 0.0

    def check_some(self, stop: Callable[[], bool]) -> None:
        """Compare a few reader sets with the catalog. stop: asked between two whether to end."""
        start = time.monotonic()
        while (
            not stop() and start >= self._check_again_at and time.monotonic() < start + _CHECKING_S
        ):
            derived = self._held.current
            if not self._to_check:
                with self._held.catalog.reading() as state, self._held.lock.reading():
                    self._to_check = sorted(
                        all_reader_sets(derived, state.sets_in_use()), reverse=True
                    )
            if not self._to_check:
                break
            self._check(derived, self._to_check.pop())
            if not self._to_check:
                break  # all have had their turn; the next round starts another time
        took = time.monotonic() - start
        if took > _CHECKING_S:
            self._check_again_at = start + took + took / _SHARE

    def _check(self, derived: DerivedIndexes, reader_set: int) -> None:
        """Throw the indexes away unless they hold what the catalog says.

        What changes meanwhile has its turn later.
        """
        just_this = np.array([reader_set], np.int64)
        with self._held.lock.reading():
            before, newest = derived.last_change(just_this), derived.newest
        with self._held.catalog.reading() as state:
            behind = derived.reader_sets_behind(state, newest)
            if (
                behind is None
                or reader_set in behind
                or derived.generation.id != state.generation_id
            ):
                return
            expected = list(state.placements(state.documents_in(reader_set)))
            with self._held.lock.reading():
                if not derived.usable or derived.last_change(just_this) != before:
                    return
                found = _find_differences(state, derived, reader_set, expected)
        if found:
            self._held.discard(
                derived, f"Reader set {reader_set} is not what the catalog says ({found[0]})"
            )
            self._held.make_usable()


def _find_differences(
    state: ReadState, derived: DerivedIndexes, reader_set: int, expected: Sequence[Placement]
) -> list[str]:
    """What is not as the catalog says under this reader set."""
    try:
        compared = compare_reader_set(state, derived, reader_set, expected, whole=False)
        return [each.what for each in compared]
    except Exception as error:  # so damaged that it cannot even be looked at
        return [repr(error)]
