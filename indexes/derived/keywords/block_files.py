"""The index as files: every block's bytes one after the other, and two numbers for each block."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords import blocks, kernels
from indexes.derived.keywords.analysis import ANALYSIS_VERSION
from indexes.derived.keywords.blocks import KeywordBlock
from indexes.errors import IndexDamaged

LAYOUT_VERSION = 1
DIRECTORY = "keywords-directory.npy"
DATA = "keywords-blocks.npy"


def write_blocks(folder: Path, owned: Sequence[tuple[int, KeywordBlock]]) -> None:
    """Writes blocks with the reader set that each belongs to.

    The order within a reader set is kept.
    """
    sizes = np.array(
        [(LAYOUT_VERSION, ANALYSIS_VERSION), *((n, block.nbytes) for n, block in owned)], np.int64
    )
    np.save(folder / DIRECTORY, sizes, allow_pickle=False)
    with (folder / DATA).open("wb") as file:
        shape = (int(sizes[1:, 1].sum()),)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for _, block in owned:
            file.write(block.data)


def read_blocks(folder: Path) -> list[tuple[int, KeywordBlock]]:
    """What was written.

    Raises IndexDamaged when it is not all there, or not of this version, or not sound.
    """
    numbers, sizes, data = _read_arrays(folder)
    owned = []
    start = 0
    for number, size in zip(numbers.tolist(), sizes.tolist(), strict=True):
        block: KeywordBlock = np.array(data[start : start + size])
        start += size
        if not kernels.is_sound(blocks.address(block), size):
            raise IndexDamaged("A block of the keyword index is not sound.")
        owned.append((number, block))
    return owned


def _read_arrays(
    folder: Path,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """The owner of each block, the bytes of each, and the blocks one after the other; they fit
    together.
    """
    try:
        directory = np.load(folder / DIRECTORY, allow_pickle=False)
        data = np.load(folder / DATA, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged headers come out of NumPy as errors of many kinds
        raise IndexDamaged(f"The keyword index cannot be read: {error}.") from error
    if (
        directory.dtype != np.int64
        or directory.ndim != 2
        or directory.shape[1] != 2
        or not len(directory)
    ):
        raise IndexDamaged("The keyword index has no directory.")
    if tuple(directory[0]) != (LAYOUT_VERSION, ANALYSIS_VERSION):
        raise IndexDamaged("The keyword index was written by another version.")
    numbers, sizes = directory[1:, 0], directory[1:, 1]
    if (
        data.dtype != np.uint8
        or data.ndim != 1
        or np.any(directory < 0)
        or sum(sizes.tolist()) != len(data)
    ):
        raise IndexDamaged("The keyword index is cut short.")
    return numbers, sizes, data
