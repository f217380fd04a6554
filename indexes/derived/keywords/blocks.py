"""Making, joining and dividing blocks: the Python side of the layout that `kernels` describes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords import kernels

KeywordBlock = NDArray[np.uint8]


def address(block: KeywordBlock) -> int:
    return int(block.ctypes.data)


def size(block: KeywordBlock) -> int:
    """How many passages it holds."""
    return int(_head(block)[kernels.ROWS])


def bounds(block: KeywordBlock) -> tuple[int, int]:
    """(lowest row, highest row)"""
    return int(_head(block)[kernels.LOWEST]), int(_head(block)[kernels.HIGHEST])


def rows(block: KeywordBlock) -> NDArray[np.int64]:
    """The row of each passage, in no order."""
    start = kernels.HEADER_BYTES + 8 * int(_head(block)[kernels.TERMS])
    return block[start : start + 8 * size(block)].view(np.int64)


def total_length(block: KeywordBlock) -> int:
    """As kept in the block's head."""
    return int(_head(block)[kernels.LENGTH])


def lengths(block: KeywordBlock) -> NDArray[np.int64]:
    """How many terms each passage has, in the order of `rows`."""
    end = len(block) - 2 * int(_head(block)[kernels.POSTINGS])
    return block[end - 4 * size(block) : end].view(np.uint32).astype(np.int64)


def postings(
    block: KeywordBlock,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """(hash of the term, row, how often) of every posting: what the block holds, however it came to
    hold it.
    """
    held, terms, number, large = _sizes(block).tolist()
    named = block[kernels.HEADER_BYTES :][: 8 * terms].view(np.uint64)
    packed = block[len(block) - 2 * number :].view(np.uint16).astype(np.int64)
    counts = packed & kernels.MANY
    start = kernels.HEADER_BYTES + 8 * (terms + held)
    many = block[start : start + 8 * large].view(np.uint64)
    counts[(many >> np.uint64(32)).astype(np.int64)] = (many & np.uint64(0xFFFFFFFF)).astype(
        np.int64
    )
    hashes = np.repeat(named >> np.uint64(16), (named & np.uint64(0xFFFF)).astype(np.int64))
    return hashes, rows(block)[packed >> 4], counts


def build(of_rows: NDArray[np.int64], terms: Sequence[Sequence[int]]) -> KeywordBlock:
    """A block of passages. of_rows: ascending, at most BLOCK_ROWS; terms: those of each passage,
    with repetitions.
    """
    lengths = np.fromiter((len(t) for t in terms), np.int64, len(terms))
    keys = np.concatenate([np.asarray(t, np.uint64) for t in terms])
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], np.repeat(np.arange(len(terms)), lengths)[order]
    new_key = np.ones(len(keys), np.bool_)
    new_key[1:] = keys[1:] != keys[:-1]
    new_posting = new_key.copy()
    new_posting[1:] |= places[1:] != places[:-1]
    at = np.flatnonzero(new_posting)
    counts = np.diff(at, append=len(keys))
    starts = np.flatnonzero(new_key[at])
    many = np.flatnonzero(counts >= kernels.MANY)
    block = _empty(len(of_rows), len(starts), len(at), len(many))
    _head(block)[kernels.LENGTH :][:3] = lengths.sum(), of_rows[0], of_rows[-1]
    frequency = np.diff(starts, append=len(at)).astype(np.uint64)
    parts = (
        (keys[at[starts]] << np.uint64(16)) | frequency,
        of_rows,
        (many.astype(np.uint64) << np.uint64(32)) | counts[many].astype(np.uint64),
    )
    head = np.concatenate([part.view(np.uint8) for part in parts])
    block[kernels.HEADER_BYTES :][: len(head)] = head
    postings = (places[at] << 4 | np.minimum(counts, kernels.MANY)).astype(np.uint16)
    tail = np.concatenate([lengths.astype(np.uint32).view(np.uint8), postings.view(np.uint8)])
    block[len(block) - len(tail) :] = tail
    kernels.fill_buckets(address(block))
    return block


def join(older: KeywordBlock, newer: KeywordBlock) -> KeywordBlock:
    """Both in one block, the older's passages first."""
    rows, _, postings, large = _sizes(older) + _sizes(newer)
    terms = kernels.count_joint_terms(address(older), address(newer))
    joined = _empty(int(rows), terms, int(postings), int(large))
    kernels.join(address(older), address(newer), address(joined))
    return joined


def divide(
    block: KeywordBlock, taken_rows: NDArray[np.int64]
) -> tuple[KeywordBlock | None, KeywordBlock | None]:
    """(passages with one of these rows, the others); None for a side without passages. taken_rows:
    ascending.
    """
    marks = np.zeros(size(block), np.bool_)
    taken = kernels.mark_rows(address(block), taken_rows, marks)
    if taken == 0:
        return None, block
    if taken == len(marks):
        return block, None
    terms, postings, large, other_terms = kernels.measure_division(address(block), marks)
    rows, _, all_postings, all_large = _sizes(block).tolist()
    theirs = _empty(taken, terms, postings, large)
    others = _empty(rows - taken, other_terms, all_postings - postings, all_large - large)
    kernels.copy_passages(address(block), marks, True, address(theirs))
    kernels.copy_passages(address(block), marks, False, address(others))
    return theirs, others


def _empty(rows: int, terms: int, postings: int, large: int) -> KeywordBlock:
    """Room for a block. Buckets hold eight to sixteen terms."""
    bits = max(0, terms.bit_length() - 4)
    buckets = (1 << bits) + 1
    room = kernels.HEADER_BYTES + 8 * (terms + rows + large + buckets) + 4 * rows + 2 * postings
    block: KeywordBlock = np.zeros(room, np.uint8)
    _head(block)[:] = rows, terms, postings, 0, 0, 0, bits, large
    return block


def _head(block: KeywordBlock) -> NDArray[np.int64]:
    return block[: kernels.HEADER_BYTES].view(np.int64)


def _sizes(block: KeywordBlock) -> NDArray[np.int64]:
    return _head(block)[[kernels.ROWS, kernels.TERMS, kernels.POSTINGS, kernels.LARGE]]
