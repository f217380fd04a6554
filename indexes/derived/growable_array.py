"""Arrays that grow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowableArray:
    """An array that doubles its room when it must grow. `values` is a view of the part in use."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._room = empty
        self.values = empty

    def reach(self, length: int, fill: int = 0) -> None:
        """Make it at least this long; what is new holds `fill`."""
        used = len(self.values)
        if length <= used:
            return
        if length > len(self._room):
            room = np.empty((max(length, 2 * used, 1024), *self._room.shape[1:]), self._room.dtype)
            room[:used] = self.values
            self._room = room
        self._room[used:length] = fill
        self.values = self._room[:length]
