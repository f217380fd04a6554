"""The arrays of a vector store in a checkpoint: a file for each."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

_NAMES = (
    "rows",
    "vectors",
    "list-sets",
    "list-sizes",
    "list-errors",
    "list-rows",
    "list-codes",
    "topics",
    "centroids",
)


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write every array into a file of its own."""
    for name, array in arrays.items():
        np.save(_path_of(folder, name), array, allow_pickle=False)


def save_blocks(
    folder: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    blocks: Iterable[NDArray[Any]],
) -> None:
    """Write an array of this shape that is given in blocks of rows, so that it need not be in memory
    as a whole.
    """
    header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with _path_of(folder, name).open("wb") as file:
        npy.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


def open_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays that were saved, read from disk as they are used. Raises OSError, ValueError."""
    return {
        name: np.load(_path_of(folder, name), mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for name in _NAMES
    }


def _path_of(folder: Path, name: str) -> Path:
    return folder / f"vectors-{name}.npy"
