"""The arrays of a vector store in a checkpoint: a file for each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = ("rows", "reader_sets", "vectors", "topics", "centroids")


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write every array into a file of its own."""
    for name, array in arrays.items():
        np.save(_path_of(folder, name), array, allow_pickle=False)


def open_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays that were saved, read from disk as they are used. Raises OSError, ValueError."""
    return {
        name: np.load(_path_of(folder, name), mmap_mode="r", allow_pickle=False) for name in _NAMES
    }


def _path_of(folder: Path, name: str) -> Path:
    return folder / f"vectors-{name}.npy"
