# mypy: disable-error-code="no-any-return"
"""Which blocks a reader set has: an open-addressing table from set number to slot, and a chain of
blocks per slot.
"""

from typing import Any

import numpy as np

from indexes.derived.compilation import kernel

NONE = -1


@kernel()
def _cell(table: Any, number: Any) -> Any:
    """The cell that holds this set number, or the empty one where it belongs.

    The table is never full.
    """
    mask = np.uint64(table.shape[0] - 1)
    mixed = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    cell = (mixed ^ (mixed >> np.uint64(32))) & mask
    while table[cell, 0] not in (NONE, number):
        cell = (cell + np.uint64(1)) & mask
    return np.int64(cell)


@kernel("int64(int64[:, ::1], int64)")
def slot_of(table: Any, number: int) -> int:
    """The slot of a set, or NONE. table: (cells, 2) of set number and slot; a power of two of
    cells.
    """
    cell = _cell(table, number)
    return table[cell, 1] if table[cell, 0] == number else NONE


@kernel("void(int64[:, ::1], int64, int64)")
def put_slot(table: Any, number: int, slot: int) -> None:
    """Remembers the slot of a set. At least half of the cells must be empty."""
    cell = _cell(table, number)
    table[cell, 0] = number
    table[cell, 1] = slot


@kernel("int64[::1](int64[:, ::1], int64[::1], int64[:, ::1], int64[::1])")
def visible_blocks(table: Any, first: Any, links: Any, reader_sets: Any) -> Any:
    """Addresses of the blocks of these reader sets. first: block of each slot; links: (blocks, 2),
    address and next.
    """
    found = 0
    blocks = np.empty(max(16, 2 * reader_sets.shape[0]), np.int64)
    for number in reader_sets:
        cell = _cell(table, number)
        if table[cell, 0] != number:
            continue
        block = first[table[cell, 1]]
        while block != NONE:
            if found == blocks.shape[0]:
                grown = np.empty(2 * found, np.int64)
                grown[:found] = blocks
                blocks = grown
            blocks[found] = links[block, 0]
            found += 1
            block = links[block, 1]
    return blocks[:found].copy()
