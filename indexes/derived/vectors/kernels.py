# mypy: disable-error-code="no-any-return, attr-defined, call-arg, assignment, return-value, unreachable"
"""What is compiled of the vector index: looking at codes, scoring in full precision, taking out.

Codes are read where FAISS keeps them: for each list an address of `dimension` bytes a row, each a
code plus 128, and one of a row number for each.
"""

from typing import Any

import numba
import numpy as np

from indexes.derived.compilation import kernel, pointer
from indexes.derived.heap import offer, sort_best_first
from indexes.derived.vectors.codes import OFFSET

_ROOM = 256  # candidates kept before those that fell behind are dropped, beside some for each hit
_LOWEST = -(2**62)
_AT_ONCE = 128  # numbers that NumPy adds without dividing them first
_HALVES = 40  # more than any vector can be divided into halves


@kernel()
def _has_bit(bits: Any, row: Any) -> Any:
    byte = row >> 3
    return 0 <= byte < bits.shape[0] and (bits[byte] >> (row & 7)) & 1 == 1


@kernel()
def _drop(rows: Any, products: Any, found: Any, least: Any) -> Any:
    """Keeps those that are not below `least`; returns how many there are."""
    kept = 0
    for place in range(found):
        if products[place] >= least:
            rows[kept] = rows[place]
            products[kept] = products[place]
            kept += 1
    return kept


@kernel()
def _doubled(array: Any, used: Any) -> Any:
    room = np.empty(2 * array.shape[0], array.dtype)
    room[:used] = array[:used]
    return room


@kernel()
def _rank(best: Any, ranked: Any, product: Any) -> Any:
    """Keeps a product if it is among the greatest, the least of them first; returns how many there
    are.
    """
    if ranked < best.shape[0]:
        place = ranked
        while place > 0 and product < best[(place - 1) >> 1]:
            best[place] = best[(place - 1) >> 1]
            place = (place - 1) >> 1
        best[place] = product
        return ranked + 1
    if product <= best[0]:
        return ranked
    place = 0
    while 2 * place + 1 < ranked:
        child = 2 * place + 1
        if child + 1 < ranked and best[child + 1] < best[child]:
            child += 1
        if best[child] >= product:
            break
        best[place] = best[child]
        place = child
    best[place] = product
    return ranked


@kernel()
def _product_of_codes(code: Any, query: Any) -> Any:
    total = np.int32(0)
    for i in range(query.shape[0]):
        total = np.int32(total + np.int32(code[i]) * np.int32(query[i]))
    return np.int64(total)


@kernel(
    "Tuple((int64[::1], int64[::1]))(Array(int64, 1, 'C', readonly=True), int64[::1],"
    " int64[::1], int64[::1], int16[::1],"
    " Array(uint8, 1, 'C', readonly=True), boolean, int64, int64)"
)
def scan(
    lists: Any,
    codes_at: Any,
    rows_at: Any,
    sizes: Any,
    query: Any,
    among: Any,
    filtered: Any,
    k: Any,
    slack: Any,
) -> Any:
    """The rows of these lists whose product with the query is at most `slack` below the k-th
    greatest, and the products, in no order.

    codes_at, rows_at, sizes: by list. among: one bit per row, lowest first, if `filtered`; rows
    without it are passed over.
    """
    dimension = query.shape[0]
    above = np.int64(0)
    for i in range(dimension):
        above += np.int64(query[i]) * OFFSET
    rows, products = np.empty(4 * k + _ROOM, np.int64), np.empty(4 * k + _ROOM, np.int64)
    best, ranked, found, least = np.empty(k, np.int64), 0, 0, np.int64(_LOWEST)
    for number in lists:
        size = sizes[number]
        here = numba.carray(pointer(rows_at[number]), size, np.int64)
        codes = numba.carray(pointer(codes_at[number]), (size, dimension), np.uint8)
        for place in range(size):
            row = here[place]
            if filtered and not _has_bit(among, row):
                continue
            product = _product_of_codes(codes[place], query) - above
            if product < least:
                continue
            if found == rows.shape[0]:
                found = _drop(rows, products, found, least)
                if 2 * found > rows.shape[0]:
                    rows, products = _doubled(rows, found), _doubled(products, found)
            rows[found] = row
            products[found] = product
            found += 1
            ranked = _rank(best, ranked, product)
            if ranked == k:
                least = best[0] - slack
    found = _drop(rows, products, found, least)
    return rows[:found].copy(), products[:found].copy()


@kernel(
    "Tuple((int64[::1], int64, float64))(Array(int64, 1, 'C', readonly=True), int32[::1],"
    " int64[::1], float32[::1])"
)
def lists_of(reader_sets: Any, list_of_set: Any, sizes: Any, errors: Any) -> Any:
    """The lists of those of these reader sets that hold rows, how many rows they hold, and the
    largest of their errors.
    """
    lists, found = np.empty(reader_sets.shape[0], np.int64), 0
    held, error = np.int64(0), 0.0
    for reader_set in reader_sets:
        if not 0 <= reader_set < list_of_set.shape[0]:
            continue
        number = list_of_set[reader_set]
        if sizes[number] > 0:
            lists[found] = number
            found += 1
            held += sizes[number]
            error = max(error, np.float64(errors[number]))
    return lists[:found], held, error


@kernel()
def _is_in_sets(row: Any, reader_sets: Any, list_of_row: Any, set_of_list: Any) -> Any:
    if row < 0 or row >= list_of_row.shape[0]:
        return False
    reader_set = set_of_list[list_of_row[row]]
    low, high = 0, reader_sets.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if reader_sets[middle] < reader_set:
            low = middle + 1
        else:
            high = middle
    return reader_set >= 0 and low < reader_sets.shape[0] and reader_sets[low] == reader_set


@kernel()
def _cosine(vector: Any, query: Any, ends: Any, sums: Any) -> Any:
    """The sum of products in double precision, in the order in which NumPy sums an array: halves
    above halves, and eight lanes in what is not longer than 128. So it is the same beside whatever
    other rows, and on every machine.

    ends, sums: room for as many halves as can stand above each other.
    """
    start, depth, second = 0, 0, 0  # second: a bit for each depth, set in a second half
    ends[0] = vector.shape[0]
    while True:
        while ends[depth] - start > _AT_ONCE:
            half = (ends[depth] - start) // 2
            ends[depth + 1] = start + half - half % 8
            depth += 1
        total = _sum_lanes(vector, query, start, ends[depth])
        start = ends[depth]
        while (second >> depth) & 1:
            total = sums[depth] + total
            second ^= 1 << depth
            depth -= 1
        if depth == 0:
            return total
        sums[depth], ends[depth] = total, ends[depth - 1]
        second |= 1 << depth


@kernel()
def _sum_lanes(vector: Any, query: Any, start: Any, end: Any) -> Any:
    whole = end - (end - start) % 8
    a = b = c = d = e = f = g = h = 0.0
    for i in range(start, whole, 8):
        a += np.float64(vector[i]) * query[i]
        b += np.float64(vector[i + 1]) * query[i + 1]
        c += np.float64(vector[i + 2]) * query[i + 2]
        d += np.float64(vector[i + 3]) * query[i + 3]
        e += np.float64(vector[i + 4]) * query[i + 4]
        f += np.float64(vector[i + 5]) * query[i + 5]
        g += np.float64(vector[i + 6]) * query[i + 6]
        h += np.float64(vector[i + 7]) * query[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, end):
        total += np.float64(vector[i]) * query[i]
    return total


@kernel(
    "Tuple((int64[::1], float64[::1], int64))(Array(int64, 1, 'C', readonly=True),"
    " Array(int64, 1, 'C', readonly=True), int32[::1], int64[::1], int32[::1],"
    " Array(float32, 2, 'C', readonly=True), Array(float32, 2, 'C', readonly=True),"
    " Array(float32, 1, 'A', readonly=True), Array(int64, 1, 'C', readonly=True), int64)"
)
def rank(
    rows: Any,
    reader_sets: Any,
    list_of_row: Any,
    set_of_list: Any,
    slot_of_row: Any,
    first: Any,
    others: Any,
    query: Any,
    ties: Any,
    k: Any,
) -> Any:
    """The k best of these rows by cosine, best first, their cosines, and how many of the rows do not
    stand under one of the reader sets, or have no vector; those are passed over.

    reader_sets: ascending. first, others: vectors by slot, the others after the first. ties: by
    row, what orders equal scores before the row itself; past its end 0.
    """
    scores, best = np.empty(k, np.float64), np.empty(k, np.int64)
    precise, found, wrong = query.astype(np.float64), 0, 0
    ends, sums = np.empty(_HALVES, np.int64), np.empty(_HALVES, np.float64)
    for row in rows:
        inside = _is_in_sets(row, reader_sets, list_of_row, set_of_list)
        slot = slot_of_row[row] if inside else -1
        if slot < 0:
            wrong += 1
            continue
        if slot < first.shape[0]:
            score = _cosine(first[slot], precise, ends, sums)
        else:
            score = _cosine(others[slot - first.shape[0]], precise, ends, sums)
        found = offer(scores, best, found, score, row, ties)
    sort_best_first(scores, best, found, ties)
    return best[:found], scores[:found], wrong


@kernel(
    "void(Array(int64, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), int32[::1], int64[::1])"
)
def note_places(rows: Any, lists: Any, place_of_row: Any, sizes: Any) -> None:
    """Rows came to the ends of their lists, in this order. sizes: by list; they grow."""
    for i in range(rows.shape[0]):
        place_of_row[rows[i]] = sizes[lists[i]]
        sizes[lists[i]] += 1


@kernel(
    "void(Array(int64, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), int32[::1],"
    " int64[::1], int64[::1], int64[::1], int64)"
)
def take_out(
    rows: Any,
    lists: Any,
    place_of_row: Any,
    codes_at: Any,
    rows_at: Any,
    sizes: Any,
    dimension: Any,
) -> None:
    """Take rows out of their lists; the last of a list takes the place of one that is gone.

    lists: of each row. sizes: by list; they shrink.
    """
    for i in range(rows.shape[0]):
        number = lists[i]
        last = sizes[number] - 1
        here = numba.carray(pointer(rows_at[number]), last + 1, np.int64)
        codes = numba.carray(pointer(codes_at[number]), (last + 1, dimension), np.uint8)
        place = place_of_row[rows[i]]
        here[place] = here[last]
        place_of_row[here[last]] = place
        for j in range(dimension):
            codes[place, j] = codes[last, j]
        place_of_row[rows[i]] = -1
        sizes[number] = last
