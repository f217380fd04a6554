"""Lists in a text: which lines are items, and which of them belong together."""

import re

from indexes.text.lines import line_ranges
from indexes.text.sentences import ANNOUNCES, BULLETS

ANNOUNCES_ALL = tuple(ANNOUNCES)

_ITEM = re.compile(
    rf"[-*+{BULLETS}]|[(（]?(?:\d{{1,2}}|[a-zA-Z]|[一二三四五六七八九十]{{1,3}})[.)）、]|[①-⑳]"
    r"|step\b|步骤|步驟|第[一二三四五六七八九十]+步",
    re.IGNORECASE,
)


def is_item(line: str) -> bool:
    """Whether a line begins as items of lists do."""
    return _ITEM.match(line) is not None


def find_list(text: str, start: int, end: int, *, all_asked: bool) -> tuple[int, int]:
    """Where the list stands that this stretch of the text announces, or is an item of, with what
    announces it; the stretch itself if there is none.

    all_asked: whether one item is to stand for all of them.
    """
    lines = list(line_ranges(text, 0, len(text)))
    here = next((n for n, (_, stop) in enumerate(lines) if start < stop), None)
    if here is None:
        return start, end
    said = [text[slice(*line)] for line in lines]
    first = last = here
    if all_asked and is_item(said[here]):
        while first > 0 and is_item(said[first - 1]):
            first -= 1
        if first > 0 and said[first - 1].endswith(ANNOUNCES_ALL):
            first -= 1
    elif not said[here].endswith(ANNOUNCES_ALL) or end < lines[here][1]:
        return start, end
    while last + 1 < len(said) and is_item(said[last + 1]):
        last += 1
    return min(start, lines[first][0]), max(end, lines[last][1])
