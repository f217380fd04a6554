"""Words of a page to printed lines in reading order."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.partition.pdf.leftward import is_leftward
from ingest.partition.pdf.page import Word
from ingest.partition.pdf.rows import words_text
from ingest.partition.pdf.tables.grid import FoundTable

SAME_LINE = 0.35  # of a letter's size between baselines
WIDE = 1.5  # of a letter's size; words so far apart are pieces of a line of their own kind
_LEADERS = re.compile(r"\s*+(?:[.·…_]\s?){5,}+")  # between a contents entry and its page number


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line."""

    text: str
    size: float
    left: float
    right: float
    top: float  # its baseline; only steps from one line to the next matter
    pieces: tuple[str, ...] = ()  # parted by wide white space
    leftward: bool = False  # runs from right to left

    @property
    def inset(self) -> float:
        """Where it begins, in the direction of reading."""
        return -self.right if self.leftward else self.left


Item = Line | FoundTable


def read_flow(
    words: Sequence[Word], tables: Sequence[FoundTable], columns: Mapping[int, int]
) -> list[Item]:
    """Lines in reading order, and each table at the place of its first word.

    words: in the order of the file. columns: of running text, by a word's place.
    """
    claimed = {index for table in tables for index in table.words}
    free = [(index, word) for index, word in enumerate(words) if index not in claimed]
    zones = {id(words[index]): number for index, number in columns.items()}
    ordered = _in_order(free, zones)
    read = [_mirror_columns(table, [words[place] for place in table.words]) for table in tables]
    starts = sorted(((min(table.words), table) for table in read), key=lambda each: each[0])
    leftward = {word.line for word in words if word.leftward}
    items: list[Item] = []
    held: list[Word] = []
    at = 0
    for index, word in ordered:
        while at < len(starts) and starts[at][0] < index:
            items += _lines([held])
            held = []
            items.append(starts[at][1])
            at += 1
        if held and not _same_line(held[-1], word, zones, leftward):
            items += _lines([held])
            held = []
        held.append(word)
    items += _lines([held])
    return [*items, *(table for _, table in starts[at:])]


def _in_order(
    words: Sequence[tuple[int, Word]], zones: dict[int, int]
) -> Sequence[tuple[int, Word]]:
    """As in the file, or column after column if the file goes from one to the other line by line."""
    numbers = [zones.get(id(word), -1) for _, word in words]
    turns = sum(one != other for one, other in itertools.pairwise(numbers))
    if turns <= 2 * len(set(numbers)):
        return words
    last = 0
    keyed = []
    for place, number in enumerate(numbers):
        last = number if number >= 0 else last
        keyed.append((last, place))
    return [words[place] for _, place in sorted(keyed)]


def _same_line(
    before: Word, word: Word, zones: Mapping[int, int], leftward: Collection[int]
) -> bool:
    """leftward: numbers of lines with words that run from right to left, in any order."""
    if before.turned or word.turned:
        return before.turned and word.turned and before.line == word.line
    if zones and zones.get(id(before)) != zones.get(id(word)):
        return False
    size = max(min(before.size, word.size), 1.0)
    onward = word.box.left > before.box.left - 0.1 * size
    return abs(word.baseline - before.baseline) < SAME_LINE * size and (
        onward or (word.line == before.line and word.line in leftward)
    )


def _lines(groups: Sequence[Sequence[Word]]) -> Iterator[Line]:
    for words in groups:
        if not words:
            continue
        if words[0].turned:
            text = "".join((" " if word.spaced else "") + word.text for word in words).strip()
        else:
            text = words_text(words)
        text = _LEADERS.sub(" … ", text).strip()
        if text.strip("… ") and words[0].downward:
            box = words[0].box  # turned, so that its column is a line below the one before
            yield Line(text, words[0].size, box.top, box.bottom, -box.right, (text,))
        elif text.strip("… "):
            yield Line(
                text,
                _size_of(words),
                min(word.box.left for word in words),
                max(word.box.right for word in words),
                words[0].baseline,
                _pieces(words),
                leftward=is_leftward(words),
            )


def _size_of(words: Sequence[Word]) -> float:
    """The size that most of its letters have."""
    weights: dict[float, int] = {}
    for word in words:
        weights[word.size] = weights.get(word.size, 0) + len(word.text)
    return max(weights.items(), key=lambda item: (item[1], item[0]))[0]


def _pieces(words: Sequence[Word]) -> tuple[str, ...]:
    if is_leftward(words):
        words = sorted(words, key=lambda word: word.box.left)
    parts: list[list[Word]] = [[words[0]]]
    for before, word in itertools.pairwise(words):
        if word.box.left - before.box.right > WIDE * max(word.size, 1):
            parts.append([])
        parts[-1].append(word)
    return tuple(words_text(part) for part in parts)


def _mirror_columns(table: FoundTable, words: Sequence[Word]) -> FoundTable:
    """The table with its columns from the right if that is how its words run."""
    there = sum(len(word.text) for word in words if word.leftward)
    if 2 * there <= sum(sum(map(str.isalpha, word.text)) for word in words):
        return table
    width = len(table.rows[0])
    return replace(
        table,
        rows=tuple(row[::-1] for row in table.rows),
        spans=tuple(
            (row, width - column - columns, rows, columns)
            for row, column, rows, columns in table.spans
        ),
    )
