"""Making, joining and dividing blocks: the Python side of the layout that `kernels` describes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.keywords import kernels

Block = NDArray[np.uint8]
MOST_COUNTED = 255


def address(block: Block) -> int:
    return int(block.ctypes.data)


def size(block: Block) -> int:
    """How many passages it holds."""
    return int(block[:8].view(np.int64)[0])


def bounds(block: Block) -> tuple[int, int]:
    """(lowest row, highest row)"""
    head = block[: kernels.HEADER_BYTES].view(np.int64)
    return int(head[kernels.LOWEST]), int(head[kernels.HIGHEST])


def rows(block: Block) -> NDArray[np.int64]:
    head = block[: kernels.HEADER_BYTES].view(np.int64)
    start = kernels.HEADER_BYTES + 8 * int(head[kernels.TERMS])
    return block[start : start + 8 * size(block)].view(np.int64)


def build(of_rows: NDArray[np.int64], terms: Sequence[Sequence[int]]) -> Block:
    """A block of passages. of_rows: ascending, at most BLOCK_ROWS; terms: those of each passage, with repetitions."""
    lengths = np.fromiter((len(t) for t in terms), np.int64, len(terms))
    keys = np.concatenate([np.asarray(t, np.uint64) for t in terms])
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], np.repeat(np.arange(len(terms)), lengths)[order]
    new_key = np.ones(len(keys), np.bool_)
    new_key[1:] = keys[1:] != keys[:-1]
    new_posting = new_key.copy()
    new_posting[1:] |= places[1:] != places[:-1]
    at = np.flatnonzero(new_posting)
    counts = np.minimum(np.diff(at, append=len(keys)), MOST_COUNTED)
    starts = np.flatnonzero(new_key[at])
    head = np.zeros(8, np.int64)
    head[:6] = len(of_rows), len(starts), len(at), lengths.sum(), of_rows[0], of_rows[-1]
    parts = (
        head,
        keys[at[starts]],
        of_rows,
        np.append(starts, len(at)).astype(np.uint32),
        lengths.astype(np.uint32),
        places[at].astype(np.uint16),
        counts.astype(np.uint8),
    )
    return np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts])


def join(older: Block, newer: Block) -> Block:
    """Both in one block, the older's passages first."""
    left, right = older[:64].view(np.int64), newer[:64].view(np.int64)
    terms = kernels.merged_terms(address(older), address(newer))
    joined = _empty(
        int(left[kernels.ROWS] + right[kernels.ROWS]), terms, int(left[kernels.POSTINGS] + right[kernels.POSTINGS])
    )
    kernels.merge(address(older), address(newer), address(joined))
    return joined


def divide(block: Block, taken_rows: NDArray[np.int64]) -> tuple[Block | None, Block | None]:
    """(passages with one of these rows, the others); None for a side without passages. taken_rows: ascending."""
    marks = np.zeros(size(block), np.bool_)
    taken = kernels.mark(address(block), taken_rows, marks)
    if taken == 0:
        return None, block
    if taken == len(marks):
        return block, None
    return _selected(block, marks, taken, True), _selected(block, marks, len(marks) - taken, False)


def _selected(block: Block, marks: NDArray[np.bool_], number: int, wanted: bool) -> Block:
    terms, postings = kernels.selected_size(address(block), marks, wanted)
    selected = _empty(number, terms, postings)
    kernels.select(address(block), marks, wanted, address(selected))
    return selected


def _empty(number: int, terms: int, postings: int) -> Block:
    block: Block = np.zeros(kernels.block_bytes(number, terms, postings), np.uint8)
    block[:24].view(np.int64)[:] = number, terms, postings
    return block
