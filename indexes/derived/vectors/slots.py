"""Vectors by slot. Those of a checkpoint stay in its file, and are read from there as they are
needed. The file may be deleted meanwhile; whoever shortened it would end the process.
"""

import numpy as np

from indexes.derived.growable_array import GrowableArray
from indexes.derived.vectors.store import Floats, Ints


class VectorSlots:
    """Changed by one thread at a time; readers share."""

    def __init__(self, saved: Floats) -> None:
        """saved: of the first slots, in their order; never changed."""
        self.saved = saved
        self._room = GrowableArray(np.zeros((0, saved.shape[1]), np.float32))

    def __len__(self) -> int:
        return len(self.saved) + len(self._room.values)

    @property
    def others(self) -> Floats:
        """Of the slots after the saved ones."""
        values: Floats = self._room.values
        return values

    def put(self, slots: Ints, vectors: Floats) -> None:
        """slots: none of the saved ones; there are as many as it takes afterwards."""
        self._room.reach(int(slots.max()) + 1 - len(self.saved))
        self._room.values[slots - len(self.saved)] = vectors

    def take(self, slots: Ints) -> Floats:
        """Those of these slots, in their order."""
        kept = slots < len(self.saved)
        if kept.all():
            return self.saved[slots]
        taken = np.empty((len(slots), self.saved.shape[1]), np.float32)
        taken[kept] = self.saved[slots[kept]]
        taken[~kept] = self.others[slots[~kept] - len(self.saved)]
        return taken

    def writable(self, slots: Ints) -> Ints:
        """Those of these slots that may hold another vector."""
        return slots[slots >= len(self.saved)]
