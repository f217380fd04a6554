"""Columns of Chinese or Japanese that run from top to bottom, the first one on the right.

PDFium gives each of their letters as a word, or a second library does.
"""

from collections.abc import Sequence

from ingest.partition.pdf.page import Box, Word

_RANGES = (
    ("\u2e80", "\ud7ff"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
    ("\U00020000", "\U0003ffff"),
)
MIN_LETTERS = 3  # of a column
MAX_LETTERS = 2  # of a word in one: figures may stand side by side
OVERLAP = 0.5  # of the narrower of two letters below each other
STEP = (-0.6, 0.3)  # of a letter's size, from one to the next
MOST = 0.5  # of a page's East Asian letters; more of them in columns make it run downwards


def join_columns(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words of a page, letters of a column as one, columns in the order of their readers."""
    if not any(map(_is_east_asian, words)):
        return tuple(words)
    columns = [group for group in _stacks(words) if len(group) >= MIN_LETTERS]
    letters = sum(len(word.text) for word in words if _is_east_asian(word))
    if sum(map(len, columns)) <= MOST * letters:
        return tuple(words)
    taken = {id(word) for group in columns for word in group}
    first = next(place for place, word in enumerate(words) if id(word) in taken)
    rest = [word for word in words if id(word) not in taken]
    joined = [_join(group) for group in columns]
    ordered = [
        word._replace(line=-2 - number) for number, word in enumerate(_reading_order(joined))
    ]
    return (*rest[:first], *ordered, *rest[first:])


def _stacks(words: Sequence[Word]) -> list[list[Word]]:
    """Letters that follow each other downwards in the file."""
    stacks: list[list[Word]] = []
    before: Word | None = None
    for word in words:
        if before is None or not _is_below(before, word):
            stacks.append([])
        if _may_stand(word):
            stacks[-1].append(word)
        before = word
    return [stack for stack in stacks if any(map(_is_east_asian, stack))]


def _is_east_asian(word: Word) -> bool:
    letter = word.text[:1]
    return letter >= _RANGES[0][0] and any(first <= letter <= last for first, last in _RANGES)


def _may_stand(word: Word) -> bool:
    return len(word.text) <= MAX_LETTERS and not word.turned


def _is_below(above: Word, word: Word) -> bool:
    if not _may_stand(above) or not _may_stand(word):
        return False
    one, other = above.box, word.box
    shared = min(one.right, other.right) - max(one.left, other.left)
    size = max(word.size, 1.0)
    return (
        shared >= OVERLAP * min(one.width, other.width)
        and STEP[0] * size < other.top - one.bottom < STEP[1] * size
        and other.top > one.top + 0.3 * size
    )


def _join(letters: Sequence[Word]) -> Word:
    box = Box(
        min(word.box.left for word in letters),
        letters[0].box.top,
        max(word.box.right for word in letters),
        letters[-1].box.bottom,
    )
    size = letters[0].size
    middle = (box.top + box.bottom) / 2
    return letters[0]._replace(
        text="".join(word.text for word in letters),
        box=box,
        baseline=middle + 0.25 * size,
        spaced=True,
        turned=True,
        downward=True,
    )


def _reading_order(columns: Sequence[Word]) -> list[Word]:
    """From right to left, tier after tier."""
    tiers: list[list[Word]] = []
    bottom = 0.0
    for word in sorted(columns, key=lambda word: word.box.top):
        if tiers and word.box.top < bottom:
            tiers[-1].append(word)
        else:
            tiers.append([word])
            bottom = word.box.bottom
        bottom = max(bottom, word.box.bottom)
    return [word for tier in tiers for word in sorted(tier, key=lambda word: -word.box.right)]
