"""Everything of the keyword index that is compiled: reading, making and scoring blocks.

A block is one stretch of bytes that holds up to BLOCK_ROWS passages of one reader set and knows nothing of any other:

    header   8 x int64    rows, terms, postings, total length, lowest row, highest row, two unused
    keys     uint64       hash of each term, ascending
    rows     int64        catalog row of each passage; its place here is the passage's `place`
    starts   uint32       where each term's postings start, plus one past the end
    lengths  uint32       terms in each passage
    places   uint16       the passage of each posting, ascending within a term
    counts   uint8        how often the term occurs in it, at most 255

Kernels are kept in one file on purpose: the cache of compiled code looks at the date of the file that holds a function,
not at those it calls.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

BLOCK_ROWS = 4096  # one block's scores fit the first-level cache; rewriting one takes about a millisecond
HEADER_BYTES = 64
ROWS, TERMS, POSTINGS, LENGTH, LOWEST, HIGHEST = range(6)
NONE = -1

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str | None = None) -> Callable[[Function], Function]:
    """Machine code that releases the interpreter lock, kept on disk between processes where a folder can be written."""

    def compile_it(function: Function) -> Function:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        given = () if signature is None else (signature,)
        if signature is not None:
            try:
                return numba.njit(*given, cache=True, **options)(function)  # type: ignore[no-any-return]
            except (RuntimeError, OSError, EOFError, ValueError):
                pass  # no folder for the cache, or a damaged one: compile for this process alone; a real fault shows again
        return numba.njit(*given, **options)(function)  # type: ignore[no-any-return]

    return compile_it


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@compiled()
def _head(block: int) -> Any:
    return numba.carray(_pointer(block), 8, np.int64)


@compiled()
def _keys(block: int) -> Any:
    return numba.carray(_pointer(block + HEADER_BYTES), _head(block)[TERMS], np.uint64)


@compiled()
def _rows(block: int) -> Any:
    head = _head(block)
    return numba.carray(_pointer(block + HEADER_BYTES + 8 * head[TERMS]), head[ROWS], np.int64)


@compiled()
def _starts(block: int) -> Any:
    head = _head(block)
    return numba.carray(_pointer(block + HEADER_BYTES + 8 * (head[TERMS] + head[ROWS])), head[TERMS] + 1, np.uint32)


@compiled()
def _lengths(block: int) -> Any:
    head = _head(block)
    offset = HEADER_BYTES + 8 * (head[TERMS] + head[ROWS]) + 4 * (head[TERMS] + 1)
    return numba.carray(_pointer(block + offset), head[ROWS], np.uint32)


@compiled()
def _places(block: int) -> Any:
    head = _head(block)
    offset = HEADER_BYTES + 8 * (head[TERMS] + head[ROWS]) + 4 * (head[TERMS] + 1 + head[ROWS])
    return numba.carray(_pointer(block + offset), head[POSTINGS], np.uint16)


@compiled()
def _counts(block: int) -> Any:
    head = _head(block)
    offset = HEADER_BYTES + 8 * (head[TERMS] + head[ROWS]) + 4 * (head[TERMS] + 1 + head[ROWS]) + 2 * head[POSTINGS]
    return numba.carray(_pointer(block + offset), head[POSTINGS], np.uint8)


def block_bytes(rows: int, terms: int, postings: int) -> int:
    return HEADER_BYTES + 8 * (terms + rows) + 4 * (terms + 1 + rows) + 3 * postings


# --- reader sets: an open-addressing table from set number to slot ------------------------------------------


@compiled()
def _cell(table: Any, number: int) -> int:
    """The cell that holds this set number, or the empty one where it belongs. The table is never full."""
    mask = np.uint64(table.shape[0] - 1)
    mixed = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    cell = (mixed ^ (mixed >> np.uint64(32))) & mask
    while table[cell, 0] != NONE and table[cell, 0] != number:
        cell = (cell + np.uint64(1)) & mask
    return np.int64(cell)


@compiled("int64(int64[:, ::1], int64)")
def slot_of(table: Any, number: int) -> int:
    """The slot of a set, or NONE. table: (cells, 2) of set number and slot; a power of two of cells."""
    cell = _cell(table, number)
    return table[cell, 1] if table[cell, 0] == number else NONE


@compiled("void(int64[:, ::1], int64[::1])")
def fill_table(table: Any, numbers: Any) -> None:
    """Puts every set number at its slot (its place in `numbers`)."""
    for slot in range(numbers.shape[0]):
        cell = _cell(table, numbers[slot])
        table[cell, 0] = numbers[slot]
        table[cell, 1] = slot


@compiled("void(int64[:, ::1], int64, int64)")
def put_slot(table: Any, number: int, slot: int) -> None:
    """Remembers the slot of a set. At least half of the cells must be empty."""
    cell = _cell(table, number)
    table[cell, 0] = number
    table[cell, 1] = slot


@compiled("int64[::1](int64[:, ::1], int64[::1], int64[:, ::1], int64[::1])")
def visible_blocks(table: Any, first: Any, links: Any, reader_sets: Any) -> Any:
    """Addresses of the blocks of these reader sets. first: block of each slot; links: (blocks, 2) of address and next."""
    found = 0
    blocks = np.empty(max(16, reader_sets.shape[0]), np.int64)
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


# --- scoring ------------------------------------------------------------------------------------------------


@compiled()
def _find(keys: Any, key: Any, low: int) -> int:
    """The first place from `low` on whose key is not below `key`. Keys are hashes, so their places can be guessed."""
    size = keys.shape[0]
    if low >= size:
        return size
    guess = np.int64(np.float64(key) * (1.0 / 18446744073709551616.0) * size)
    guess = min(max(guess, low), size - 1)
    step = np.int64(4)
    if keys[guess] < key:
        low = guess + 1
        high = low
        while high < size and keys[high] < key:
            low = high + 1
            high += step
            step *= 2
        high = min(high, size)
    else:
        high = guess
        probe = high - step
        while probe >= low and keys[probe] >= key:
            high = probe
            step *= 2
            probe = high - step
        low = max(low, probe + 1)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled("UniTuple(int64, 2)(int64[::1], uint64[::1], int64[::1], uint32[:, :, ::1], int64[::1])")
def locate(blocks: Any, keys: Any, order: Any, segments: Any, frequency: Any) -> tuple[int, int]:
    """Where the terms are in each block, and the statistics of the view: (passages, their total length).

    keys: the terms' hashes, ascending; order: each key's place in the question. Fills segments, shape (blocks, terms, 2),
    with start and count of the postings, and frequency, shape (terms,), with passages per term.
    """
    passages = 0
    length = 0
    for number in range(blocks.shape[0]):
        head = _head(blocks[number])
        passages += head[ROWS]
        length += head[LENGTH]
        there = _keys(blocks[number])
        starts = _starts(blocks[number])
        low = 0
        for key in range(keys.shape[0]):
            term = order[key]
            low = _find(there, keys[key], low)
            if low == there.shape[0]:
                for rest in range(key, keys.shape[0]):
                    segments[number, order[rest], 1] = 0
                break
            if there[low] == keys[key]:
                segments[number, term, 0] = starts[low]
                segments[number, term, 1] = starts[low + 1] - starts[low]
                frequency[term] += segments[number, term, 1]
            else:
                segments[number, term, 1] = 0
    return passages, length


@compiled("void(int64[::1], bool_[::1], int64[::1], bool_, bool_[::1])")
def allow(blocks: Any, mask: Any, rows: Any, by_mask: bool, allowed: Any) -> None:
    """Marks the passages of the blocks, one after the other, that a filter lets through."""
    here = 0
    for block in blocks:
        for row in _rows(block):
            if by_mask:
                allowed[here] = row < mask.shape[0] and mask[row]
            else:
                place = np.searchsorted(rows, row)
                allowed[here] = place < rows.shape[0] and rows[place] == row
            here += 1


@compiled("UniTuple(int64, 2)(int64[::1], uint32[:, :, ::1], bool_[::1], int64[::1])")
def narrow(blocks: Any, segments: Any, allowed: Any, frequency: Any) -> tuple[int, int]:
    """The statistics of the view again, of the allowed passages only."""
    frequency[:] = 0
    passages = 0
    length = 0
    here = 0
    for number in range(blocks.shape[0]):
        lengths = _lengths(blocks[number])
        for place in range(lengths.shape[0]):
            if allowed[here + place]:
                passages += 1
                length += lengths[place]
        places = _places(blocks[number])
        for term in range(frequency.shape[0]):
            start = np.int64(segments[number, term, 0])
            for posting in range(start, start + np.int64(segments[number, term, 1])):
                frequency[term] += allowed[here + places[posting]]
        here += lengths.shape[0]
    return passages, length


@compiled()
def _below(score: float, row: int, other_score: float, other_row: int) -> bool:
    return score < other_score or (score == other_score and row > other_row)


@compiled()
def _offer(scores: Any, rows: Any, found: int, score: float, row: int) -> int:
    """Keeps the best in a heap with the worst on top; returns how many are kept."""
    if found < scores.shape[0]:
        place = found
        while place > 0 and _below(score, row, scores[(place - 1) >> 1], rows[(place - 1) >> 1]):
            scores[place] = scores[(place - 1) >> 1]
            rows[place] = rows[(place - 1) >> 1]
            place = (place - 1) >> 1
        scores[place] = score
        rows[place] = row
        return found + 1
    if not _below(scores[0], rows[0], score, row):
        return found
    place = 0
    while True:
        child = 2 * place + 1
        if child >= found:
            break
        if child + 1 < found and _below(scores[child + 1], rows[child + 1], scores[child], rows[child]):
            child += 1
        if not _below(scores[child], rows[child], score, row):
            break
        scores[place] = scores[child]
        rows[place] = rows[child]
        place = child
    scores[place] = score
    rows[place] = row
    return found


@compiled("int64(int64[::1], uint32[:, :, ::1], float64[::1], float64, float64, bool_[::1], int64[::1], float64[::1])")
def rank(
    blocks: Any, segments: Any, weights: Any, flat: float, slope: float, allowed: Any, best_rows: Any, best_scores: Any
) -> int:
    """Fills the heap with the best passages and returns how many there are.

    A passage's score is the sum, in the order of the question's terms, of weight * (tf / (tf + flat + slope * length)).
    allowed: empty, or one flag per passage of the blocks. Cost: the postings of the terms in these blocks.
    """
    scores = np.zeros(BLOCK_ROWS, np.float64)
    norms = np.empty(BLOCK_ROWS, np.float64)
    filtered = allowed.shape[0] > 0
    here = 0
    found = 0
    for number in range(blocks.shape[0]):
        size = _head(blocks[number])[ROWS]
        postings = 0
        for term in range(weights.shape[0]):
            postings += segments[number, term, 1]
        if postings > 0:
            rows = _rows(blocks[number])
            lengths = _lengths(blocks[number])
            places = _places(blocks[number])
            counts = _counts(blocks[number])
            for place in range(size):
                norms[place] = flat + slope * lengths[place]
            for term in range(weights.shape[0]):
                weight = weights[term]
                start = np.int64(segments[number, term, 0])
                for posting in range(start, start + np.int64(segments[number, term, 1])):
                    place = np.uint64(places[posting])
                    count = np.float64(counts[posting])
                    scores[place] += weight * (count / (count + norms[place]))
            for place in range(size):
                score = scores[place]
                if score > 0.0 and (found < best_scores.shape[0] or score >= best_scores[0]):
                    if not filtered or allowed[here + place]:
                        found = _offer(best_scores, best_rows, found, score, rows[place])
                scores[place] = 0.0
        here += size
    return found


# --- making blocks out of blocks ----------------------------------------------------------------------------


@compiled("int64(int64, int64)")
def merged_terms(older: int, newer: int) -> int:
    """How many different terms two blocks have together."""
    left, right = _keys(older), _keys(newer)
    i = j = common = 0
    while i < left.shape[0] and j < right.shape[0]:
        if left[i] == right[j]:
            common += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return left.shape[0] + right.shape[0] - common


@compiled()
def _copy_term(block: int, term: int, shift: int, target: int, at: int) -> int:
    starts, places, counts = _starts(block), _places(block), _counts(block)
    to_places, to_counts = _places(target), _counts(target)
    for posting in range(np.int64(starts[term]), np.int64(starts[term + 1])):
        to_places[at] = places[posting] + shift
        to_counts[at] = counts[posting]
        at += 1
    return at


@compiled("void(int64, int64, int64)")
def merge(older: int, newer: int, target: int) -> None:
    """Writes both blocks into the target, whose first header fields (rows, terms, postings) are set already."""
    head, left_head, right_head = _head(target), _head(older), _head(newer)
    head[LENGTH] = left_head[LENGTH] + right_head[LENGTH]
    head[LOWEST] = min(left_head[LOWEST], right_head[LOWEST])
    head[HIGHEST] = max(left_head[HIGHEST], right_head[HIGHEST])
    shift = left_head[ROWS]
    _rows(target)[:shift] = _rows(older)
    _rows(target)[shift:] = _rows(newer)
    _lengths(target)[:shift] = _lengths(older)
    _lengths(target)[shift:] = _lengths(newer)
    left, right, keys, starts = _keys(older), _keys(newer), _keys(target), _starts(target)
    i = j = at = 0
    for term in range(keys.shape[0]):
        take_left = j >= right.shape[0] or (i < left.shape[0] and left[i] <= right[j])
        take_right = i >= left.shape[0] or (j < right.shape[0] and right[j] <= left[i])
        starts[term] = at
        if take_left:
            keys[term] = left[i]
            at = _copy_term(older, i, 0, target, at)
        if take_right:
            keys[term] = right[j]
            at = _copy_term(newer, j, shift, target, at)
        i += take_left
        j += take_right
    starts[keys.shape[0]] = at


@compiled("int64(int64, int64[::1], bool_[::1])")
def mark(block: int, rows: Any, marks: Any) -> int:
    """Marks the places whose row is among these rows (ascending); returns how many there are."""
    marked = 0
    here = _rows(block)
    for place in range(here.shape[0]):
        at = np.searchsorted(rows, here[place])
        marks[place] = at < rows.shape[0] and rows[at] == here[place]
        marked += marks[place]
    return marked


@compiled("UniTuple(int64, 2)(int64, bool_[::1], bool_)")
def selected_size(block: int, marks: Any, wanted: bool) -> tuple[int, int]:
    """(terms, postings) of the passages whose mark is as wanted."""
    starts, places = _starts(block), _places(block)
    terms = postings = 0
    for term in range(starts.shape[0] - 1):
        before = postings
        for posting in range(np.int64(starts[term]), np.int64(starts[term + 1])):
            postings += marks[places[posting]] == wanted
        terms += postings > before
    return terms, postings


@compiled("void(int64, bool_[::1], bool_, int64)")
def select(block: int, marks: Any, wanted: bool, target: int) -> None:
    """Writes the passages whose mark is as wanted into the target, whose first header fields are set already."""
    head = _head(target)
    rows, lengths, to_rows, to_lengths = _rows(block), _lengths(block), _rows(target), _lengths(target)
    moved = np.empty(rows.shape[0], np.uint16)
    kept = 0
    head[LENGTH] = 0
    head[LOWEST] = np.iinfo(np.int64).max
    head[HIGHEST] = -1
    for place in range(rows.shape[0]):
        if marks[place] == wanted:
            moved[place] = kept
            to_rows[kept] = rows[place]
            to_lengths[kept] = lengths[place]
            head[LENGTH] += lengths[place]
            head[LOWEST] = min(head[LOWEST], rows[place])
            head[HIGHEST] = max(head[HIGHEST], rows[place])
            kept += 1
    keys, starts, places, counts = _keys(block), _starts(block), _places(block), _counts(block)
    to_keys, to_starts, to_places, to_counts = _keys(target), _starts(target), _places(target), _counts(target)
    term_at = at = 0
    for term in range(keys.shape[0]):
        before = at
        for posting in range(np.int64(starts[term]), np.int64(starts[term + 1])):
            if marks[places[posting]] == wanted:
                to_places[at] = moved[places[posting]]
                to_counts[at] = counts[posting]
                at += 1
        if at > before:
            to_keys[term_at] = keys[term]
            to_starts[term_at] = before
            term_at += 1
    to_starts[term_at] = at


@compiled("boolean(int64, int64)")
def sound(block: int, size: int) -> bool:
    """Whether these bytes are a block that no kernel can be led astray by."""
    if size < HEADER_BYTES:
        return False
    head = _head(block)
    for field in range(6):
        if head[field] < 0:
            return False
    if head[ROWS] < 1 or head[ROWS] > BLOCK_ROWS or head[TERMS] > size or head[POSTINGS] > size:
        return False
    if HEADER_BYTES + 8 * (head[TERMS] + head[ROWS]) + 4 * (head[TERMS] + 1 + head[ROWS]) + 3 * head[POSTINGS] != size:
        return False
    keys, starts, places, rows = _keys(block), _starts(block), _places(block), _rows(block)
    if starts[0] != 0 or starts[head[TERMS]] != head[POSTINGS]:
        return False
    for term in range(head[TERMS]):
        if starts[term] >= starts[term + 1] or (term > 0 and keys[term - 1] >= keys[term]):
            return False
    for posting in range(head[POSTINGS]):
        if places[posting] >= head[ROWS]:
            return False
    length = np.int64(0)
    for place in range(head[ROWS]):
        length += _lengths(block)[place]
        if rows[place] < head[LOWEST] or rows[place] > head[HIGHEST]:
            return False
    return length == head[LENGTH]
