# mypy: disable-error-code="no-any-return, attr-defined, call-arg, assignment, return-value, unreachable"
"""Everything of the keyword index that is compiled: scoring, joining and dividing blocks.

A block is one stretch of bytes that holds up to BLOCK_ROWS passages of one reader set and knows
nothing of any other:

    header    8 x int64   rows, terms, postings, total length, lowest row, highest row, bits, large counts
    terms     uint64      48 bits of hash above 16 bits of how many postings the term has; ascending
    rows      int64       catalog row of each passage; its place here is the passage's `place`
    large     uint64      number of a posting above its term's count in that passage, 32 bits each; ascending
    buckets   2 x uint32  first term and first posting of each value of the hash's first `bits` bits, and the end
    lengths   uint32      terms in each passage
    postings  uint16      12 bits of place above 4 bits of how often the term occurs there; MANY: see `large`

A term is found by two looks at memory, whatever else the block holds: its bucket, and the few terms
in it. All that reads this layout is in one file on purpose: the cache of compiled code looks at the
date of the file that holds a function, not at those it calls, and a kernel that
took old blocks for new ones would give wrong results.
"""

from typing import Any

import numba
import numpy as np

from indexes.derived.compilation import fetch, kernel, pointer
from indexes.derived.heap import offer

BLOCK_ROWS = (
    # what 12 bits can tell apart; a block's scores fit the nearest cache, rewriting it takes a
    # millisecond
    4096
)
HASH_BITS = 48
HEADER_BYTES = 64
ROWS, TERMS, POSTINGS, LENGTH, LOWEST, HIGHEST, BITS, LARGE = range(8)
MANY = 15
AHEAD = 4  # blocks whose memory is asked for early
RUN = 32  # scores looked at together
SMALLEST = np.finfo(np.float64).smallest_subnormal


# --- the parts of a block, by its address -------------------------------------------------------


@kernel()
def _head(block: Any) -> Any:
    return numba.carray(pointer(block), 8, np.int64)


@kernel()
def _terms(block: Any) -> Any:
    return numba.carray(pointer(block + HEADER_BYTES), _head(block)[TERMS], np.uint64)


@kernel()
def _rows(block: Any) -> Any:
    head = _head(block)
    return numba.carray(pointer(block + HEADER_BYTES + 8 * head[TERMS]), head[ROWS], np.int64)


@kernel()
def _large(block: Any) -> Any:
    head = _head(block)
    return numba.carray(
        pointer(block + HEADER_BYTES + 8 * (head[TERMS] + head[ROWS])), head[LARGE], np.uint64
    )


@kernel()
def _after_large(block: Any) -> Any:
    head = _head(block)
    return block + HEADER_BYTES + 8 * (head[TERMS] + head[ROWS] + head[LARGE])


@kernel()
def _buckets(block: Any) -> Any:
    return numba.carray(pointer(_after_large(block)), ((1 << _head(block)[BITS]) + 1, 2), np.uint32)


@kernel()
def _lengths(block: Any) -> Any:
    head = _head(block)
    return numba.carray(
        pointer(_after_large(block) + 8 * ((1 << head[BITS]) + 1)), head[ROWS], np.uint32
    )


@kernel()
def _postings(block: Any) -> Any:
    head = _head(block)
    offset = 8 * ((1 << head[BITS]) + 1) + 4 * head[ROWS]
    return numba.carray(pointer(_after_large(block) + offset), head[POSTINGS], np.uint16)


@kernel()
def _first_large(large: Any, posting: Any) -> Any:
    """The first large count at or after a posting."""
    low, high = 0, large.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if np.int64(large[middle] >> np.uint64(32)) < posting:
            low = middle + 1
        else:
            high = middle
    return low


@kernel()
def _large_count(block: Any, posting: Any) -> Any:
    """How often the term of this posting occurs, for a posting that says MANY."""
    large = _large(block)
    return np.int64(large[_first_large(large, posting)] & np.uint64(0xFFFFFFFF))


@kernel("void(int64)")
def fill_buckets(block: int) -> None:
    """Makes the buckets of a block whose terms are there."""
    terms, buckets = _terms(block), _buckets(block)
    shift = np.uint64(64 - _head(block)[BITS])
    last = buckets.shape[0] - 1
    bucket = 0
    posting = 0
    for term in range(terms.shape[0]):
        # shifting by all 64 bits is undefined
        here = np.int64(terms[term] >> shift) if last > 1 else 0
        while bucket <= here:
            buckets[bucket, 0] = term
            buckets[bucket, 1] = posting
            bucket += 1
        posting += np.int64(terms[term] & np.uint64(0xFFFF))
    while bucket <= last:
        buckets[bucket, 0] = terms.shape[0]
        buckets[bucket, 1] = posting
        bucket += 1


# --- scoring ------------------------------------------------------------------------------------


@kernel()
def _look_ahead(blocks: Any, number: Any, keys: Any) -> None:
    """Asks for what `locate_terms` will read of the blocks to come: with many small ones, it would
    only wait for memory.
    """
    if number + 2 * AHEAD < blocks.shape[0]:
        fetch(blocks[number + 2 * AHEAD])
    if number + AHEAD < blocks.shape[0]:
        block = blocks[number + AHEAD]
        head = _head(block)
        buckets = _after_large(block)
        for key in keys:
            fetch(buckets + 8 * np.int64(key >> np.uint64(HASH_BITS - head[BITS])))
            guess = (np.int64(key >> np.uint64(HASH_BITS - 24)) * head[TERMS]) >> 24
            fetch(block + HEADER_BYTES + 8 * guess)


@kernel("UniTuple(int64, 2)(int64[::1], uint64[::1], uint32[:, :, ::1], int64[::1])")
def locate_terms(blocks: Any, keys: Any, segments: Any, frequency: Any) -> tuple[int, int]:
    """Where the terms are in each block, and the statistics of the view: (passages, their total
    length).

    keys: hash of each term of the question. Fills segments, shape (blocks, terms, 2), with start
    and number of the postings, and frequency, shape (terms,), with passages per term.
    """
    passages = 0
    length = 0
    bounds = np.empty((keys.shape[0], 2), np.uint64)
    for number in range(blocks.shape[0]):
        _look_ahead(blocks, number, keys)
        head = _head(blocks[number])
        passages += head[ROWS]
        length += head[LENGTH]
        terms, buckets = _terms(blocks[number]), _buckets(blocks[number])
        shift = np.uint64(HASH_BITS - head[BITS])
        for key in range(
            keys.shape[0]
        ):  # apart from the next loop, so that these reads of memory wait for each other less
            bucket = keys[key] >> shift
            bounds[key, 0] = buckets[bucket, 0]
            bounds[key, 1] = buckets[bucket + np.uint64(1), 0]
            segments[number, key, 0] = buckets[bucket, 1]
        for key in range(keys.shape[0]):
            before = many = np.uint64(0)
            # to the end: a branch on what was read would stall
            for term in range(bounds[key, 0], bounds[key, 1]):
                there = terms[term] >> np.uint64(16)
                postings = terms[term] & np.uint64(0xFFFF)
                before += postings * np.uint64(there < keys[key])
                many += postings * np.uint64(there == keys[key])
            segments[number, key, 0] += before
            segments[number, key, 1] = many
            frequency[key] += many
    return passages, length


@kernel("void(int64[::1], bool_[::1], int64[::1], bool_, bool_[::1])")
def mark_allowed(blocks: Any, mask: Any, rows: Any, by_mask: bool, allowed: Any) -> None:
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


@kernel("UniTuple(int64, 2)(int64[::1], uint32[:, :, ::1], bool_[::1], int64[::1])")
def count_allowed(blocks: Any, segments: Any, allowed: Any, frequency: Any) -> tuple[int, int]:
    """The statistics as of `locate_terms`, of the allowed passages only."""
    passages = 0
    length = 0
    here = 0
    for number in range(blocks.shape[0]):
        lengths, postings = _lengths(blocks[number]), _postings(blocks[number])
        for place in range(lengths.shape[0]):
            if allowed[here + place]:
                passages += 1
                length += lengths[place]
        for term in range(frequency.shape[0]):
            start = np.int64(segments[number, term, 0])
            for posting in range(start, start + np.int64(segments[number, term, 1])):
                frequency[term] += allowed[here + (postings[posting] >> 4)]
        here += lengths.shape[0]
    return passages, length


@kernel()
def _fetch_postings(blocks: Any, segments: Any, number: Any) -> None:
    """Asks for what `rank_passages` will read first of the blocks to come."""
    if number + 2 * AHEAD < blocks.shape[0]:
        fetch(blocks[number + 2 * AHEAD])
    if number + AHEAD < blocks.shape[0]:
        block = blocks[number + AHEAD]
        head = _head(block)
        lengths = _after_large(block) + 8 * ((1 << head[BITS]) + 1)
        fetch(lengths)
        for term in range(segments.shape[1]):
            if segments[number + AHEAD, term, 1] > 0:
                fetch(lengths + 4 * head[ROWS] + 2 * np.int64(segments[number + AHEAD, term, 0]))


@kernel()
def _score(block: Any, start: Any, number: Any, weight: Any, norms: Any, scores: Any) -> None:
    """Adds one term's part to the scores of a block's passages.

    Large counts are taken between runs of small ones.
    """
    postings, large = _postings(block), _large(block)
    posting = np.uint64(start)
    end = posting + np.uint64(number)
    next_large = _first_large(large, np.int64(posting))
    while posting < end:
        stop = end
        if next_large < large.shape[0]:
            stop = min(end, large[next_large] >> np.uint64(32))
        for small in range(posting, stop):
            place = np.uint64(postings[small] >> np.uint16(4))
            count = np.float64(postings[small] & np.uint16(MANY))
            scores[place] += weight * (count / (count + norms[place]))
        if stop < end:
            place = np.uint64(postings[stop] >> np.uint16(4))
            count = np.float64(large[next_large] & np.uint64(0xFFFFFFFF))
            scores[place] += weight * (count / (count + norms[place]))
            next_large += 1
            stop += np.uint64(1)
        posting = stop


@kernel()
def _offer_scores(
    scores: Any, rows: Any, allowed: Any, ties: Any, best_scores: Any, best_rows: Any, found: Any
) -> Any:
    """Offers a block's scores to the heap, passing over runs without a good one, and makes them
    zero again.
    """
    start = 0
    while start < scores.shape[0]:
        stop = min(start + RUN, scores.shape[0])
        least = best_scores[0] if found == best_scores.shape[0] else SMALLEST
        some = 0
        for place in range(start, stop):
            some |= scores[place] >= least
        if some:
            for place in range(start, stop):
                if scores[place] > 0.0 and (allowed.shape[0] == 0 or allowed[place]):
                    found = offer(best_scores, best_rows, found, scores[place], rows[place], ties)
        start = stop
    scores[:] = 0.0
    return found


@kernel(
    "int64(int64[::1], uint32[:, :, ::1], float64[::1], float64, float64, bool_[::1], int64[::1], int64[::1],"
    " float64[::1], int64)"
)
def rank_passages(
    blocks: Any,
    segments: Any,
    weights: Any,
    flat: float,
    slope: float,
    allowed: Any,
    ties: Any,
    best_rows: Any,
    best_scores: Any,
    found: int,
) -> int:
    """Offers the passages of these blocks to a heap that holds the best so far; returns how many it
    then holds.

    A passage's score is the sum, in the order of the question's terms, of weight * (tf / (tf + flat
    + slope * length)). allowed: empty, or one flag per passage of the blocks. ties: by row, what
    orders equal scores. Cost: the postings of the terms in these blocks.
    """
    scores = np.zeros(BLOCK_ROWS, np.float64)
    norms = np.empty(BLOCK_ROWS, np.float64)
    here = 0
    for number in range(blocks.shape[0]):
        _fetch_postings(blocks, segments, number)
        block = blocks[number]
        size = _head(block)[ROWS]
        matches = 0
        for term in range(weights.shape[0]):
            matches += segments[number, term, 1]
        if matches > 0:
            rows, lengths = _rows(block), _lengths(block)
            for place in range(size):
                norms[place] = flat + slope * lengths[place]
            for term in range(weights.shape[0]):
                _score(
                    block,
                    segments[number, term, 0],
                    segments[number, term, 1],
                    weights[term],
                    norms,
                    scores,
                )
            found = _offer_scores(
                scores[:size],
                rows,
                allowed[here : here + size],
                ties,
                best_scores,
                best_rows,
                found,
            )
        here += size
    return found


# --- making blocks out of blocks ----------------------------------------------------------------


@kernel("int64(int64, int64)")
def count_joint_terms(older: int, newer: int) -> int:
    """How many different terms two blocks have together."""
    left, right = _terms(older), _terms(newer)
    i = j = common = 0
    while i < left.shape[0] and j < right.shape[0]:
        one, other = left[i] >> np.uint64(16), right[j] >> np.uint64(16)
        common += one == other
        i += one <= other
        j += other <= one
    return left.shape[0] + right.shape[0] - common


@kernel("void(int64, int64, int64)")
def join(older: int, newer: int, target: int) -> None:
    """Writes both blocks into the target, whose header has all but total length, lowest and highest
    row.
    """
    head, left_head, right_head = _head(target), _head(older), _head(newer)
    head[LENGTH] = left_head[LENGTH] + right_head[LENGTH]
    head[LOWEST] = min(left_head[LOWEST], right_head[LOWEST])
    head[HIGHEST] = max(left_head[HIGHEST], right_head[HIGHEST])
    shift = left_head[ROWS]
    _rows(target)[:shift] = _rows(older)
    _rows(target)[shift:] = _rows(newer)
    _lengths(target)[:shift] = _lengths(older)
    _lengths(target)[shift:] = _lengths(newer)
    left, right, terms = _terms(older), _terms(newer), _terms(target)
    postings, large = _postings(target), _large(target)
    from_left, from_right = _postings(older), _postings(newer)
    i = j = left_at = right_at = at = large_at = 0
    for term in range(terms.shape[0]):
        take_left = j >= right.shape[0] or (
            i < left.shape[0] and left[i] >> np.uint64(16) <= right[j] >> np.uint64(16)
        )
        take_right = i >= left.shape[0] or (
            j < right.shape[0] and right[j] >> np.uint64(16) <= left[i] >> np.uint64(16)
        )
        before = at
        if take_left:
            key = left[i] >> np.uint64(16)
            for posting in range(left_at, left_at + np.int64(left[i] & np.uint64(0xFFFF))):
                postings[at] = from_left[posting]
                if from_left[posting] & MANY == MANY:
                    large[large_at] = np.uint64(at << 32 | _large_count(older, posting))
                    large_at += 1
                at += 1
            left_at += np.int64(left[i] & np.uint64(0xFFFF))
            i += 1
        if take_right:
            key = right[j] >> np.uint64(16)
            for posting in range(right_at, right_at + np.int64(right[j] & np.uint64(0xFFFF))):
                postings[at] = from_right[posting] + (shift << 4)
                if from_right[posting] & MANY == MANY:
                    large[large_at] = np.uint64(at << 32 | _large_count(newer, posting))
                    large_at += 1
                at += 1
            right_at += np.int64(right[j] & np.uint64(0xFFFF))
            j += 1
        terms[term] = key << np.uint64(16) | np.uint64(at - before)
    fill_buckets(target)


@kernel("int64(int64, int64[::1], bool_[::1])")
def mark_rows(block: int, rows: Any, marks: Any) -> int:
    """Marks the places whose row is among these rows (ascending); returns how many there are."""
    marked = 0
    here = _rows(block)
    for place in range(here.shape[0]):
        at = np.searchsorted(rows, here[place])
        marks[place] = at < rows.shape[0] and rows[at] == here[place]
        marked += marks[place]
    return marked


@kernel("UniTuple(int64, 4)(int64, bool_[::1])")
def measure_division(block: int, marks: Any) -> tuple[int, int, int, int]:
    """(terms, postings, large counts) of the passages that are marked, and the terms of the others."""
    terms, postings = _terms(block), _postings(block)
    at = marked_terms = marked_postings = marked_large = other_terms = 0
    for term in range(terms.shape[0]):
        number = np.int64(terms[term] & np.uint64(0xFFFF))
        marked = 0
        for posting in range(at, at + number):
            taken = marks[postings[posting] >> 4]
            marked += taken
            marked_large += taken & (postings[posting] & MANY == MANY)
        at += number
        marked_postings += marked
        marked_terms += marked > 0
        other_terms += marked < number
    return marked_terms, marked_postings, marked_large, other_terms


@kernel("void(int64, bool_[::1], bool_, int64)")
def copy_passages(block: int, marks: Any, wanted: bool, target: int) -> None:
    """Writes the passages whose mark is as wanted into the target, whose header is as for `join`."""
    head = _head(target)
    rows, lengths, to_rows, to_lengths = (
        _rows(block),
        _lengths(block),
        _rows(target),
        _lengths(target),
    )
    moved = np.zeros(rows.shape[0], np.uint16)
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
    terms, postings = _terms(block), _postings(block)
    to_terms, to_postings, to_large = _terms(target), _postings(target), _large(target)
    start = at = term_at = large_at = 0
    for term in range(terms.shape[0]):
        before = at
        for posting in range(start, start + np.int64(terms[term] & np.uint64(0xFFFF))):
            place = postings[posting] >> 4
            if marks[place] == wanted:
                to_postings[at] = moved[place] << 4 | postings[posting] & MANY
                if postings[posting] & MANY == MANY:
                    to_large[large_at] = np.uint64(at << 32 | _large_count(block, posting))
                    large_at += 1
                at += 1
        start += np.int64(terms[term] & np.uint64(0xFFFF))
        if at > before:
            to_terms[term_at] = terms[term] >> np.uint64(16) << np.uint64(16) | np.uint64(
                at - before
            )
            term_at += 1
    fill_buckets(target)


@kernel()
def _has_sound_postings(block: Any) -> Any:
    """Whether every posting points at a passage, and the large counts are those of the postings
    that say MANY.
    """
    head, postings, large = _head(block), _postings(block), _large(block)
    many = 0
    for posting in range(head[POSTINGS]):
        if postings[posting] >> 4 >= head[ROWS] or postings[posting] & MANY == 0:
            return False
        if postings[posting] & MANY == MANY:
            if many == head[LARGE] or np.int64(large[many] >> np.uint64(32)) != posting:
                return False
            many += 1
    return many == head[LARGE]


@kernel("boolean(int64, int64)")
def is_sound(block: int, size: int) -> bool:
    """Whether these bytes are a block that every kernel can read safely."""
    if size < HEADER_BYTES:
        return False
    head = _head(block)
    for field in range(8):
        if head[field] < 0:
            return False
    if head[ROWS] < 1 or head[ROWS] > BLOCK_ROWS or head[BITS] > 24:
        return False
    if head[TERMS] > size or head[POSTINGS] > size or head[LARGE] > size:
        return False
    expected = (
        _after_large(block)
        - block
        + 8 * ((1 << head[BITS]) + 1)
        + 4 * head[ROWS]
        + 2 * head[POSTINGS]
    )
    if expected != size:
        return False
    terms, buckets, rows, lengths = _terms(block), _buckets(block), _rows(block), _lengths(block)
    length = 0
    for place in range(head[ROWS]):
        length += np.int64(lengths[place])
        if rows[place] < head[LOWEST] or rows[place] > head[HIGHEST]:
            return False
    posting = 0
    bucket = 0
    shift = np.uint64(64 - head[BITS])
    for term in range(head[TERMS]):
        if term > 0 and terms[term - 1] >> np.uint64(16) >= terms[term] >> np.uint64(16):
            return False
        while bucket <= (np.int64(terms[term] >> shift) if head[BITS] > 0 else 0):
            if buckets[bucket, 0] != term or buckets[bucket, 1] != posting:
                return False
            bucket += 1
        posting += np.int64(terms[term] & np.uint64(0xFFFF))
    while bucket < buckets.shape[0]:
        if buckets[bucket, 0] != head[TERMS] or buckets[bucket, 1] != posting:
            return False
        bucket += 1
    return length == head[LENGTH] and posting == head[POSTINGS] and _has_sound_postings(block)
