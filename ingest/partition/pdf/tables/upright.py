"""Headers of columns that are set upright, to read from the bottom to the top or down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.partition.pdf.page import Box, Word
from ingest.partition.pdf.rows import PrintedRow
from ingest.partition.pdf.tables.columns import Column
from ingest.partition.pdf.tables.grid import FoundTable, upright_text

MAX_STEP = 2.5  # of a letter's size, from a header to the first row
MAX_BESIDE = 1.5  # the same, from the middle of a header to its column
LEAST = 0.6  # of the columns beside the first that have such a header


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """One line of upright words, or one level line that may be the name of the first column."""

    text: str
    box: Box
    size: float
    places: frozenset[int]  # of its words among those of the page
    upright: bool = True


def upright_lines(words: Sequence[Word]) -> list[HeaderLine]:
    """The upright lines of a page, in the order of the file."""
    lines: dict[int, dict[int, Word]] = {}
    for place, word in enumerate(words):
        if word.turned:
            lines.setdefault(word.line, {})[place] = word
    return [_make_line(line) for line in lines.values()]


def single_lines(rows: Sequence[PrintedRow], places: Mapping[int, int]) -> list[HeaderLine]:
    """The rows of one piece. places: of words among those of the page, by their ids."""
    return [
        HeaderLine(
            row.pieces[0].text,
            row.box,
            row.size,
            frozenset(places[id(word)] for word in row.pieces[0].words),
            upright=False,
        )
        for row in rows
        if len(row.pieces) == 1
    ]


def _make_line(line: dict[int, Word]) -> HeaderLine:
    boxes = [word.box for word in line.values()]
    box = Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )
    size = max(word.size for word in line.values())
    return HeaderLine(upright_text(line.values()), box, size, frozenset(line))


def add_upright(
    table: FoundTable, columns: Sequence[Column], lines: Iterable[HeaderLine]
) -> FoundTable:
    """The table with the upright lines right above its columns as a row of its header; as it is if
    they do not stand above most columns.
    """
    over: dict[int, list[HeaderLine]] = {}
    for line in lines:
        column = _column_below(line, table, columns)
        if column is not None and line.upright == (column > 0):  # the first one names the rows
            over.setdefault(column, []).append(line)
    if len(over.keys() - {0}) < max(2, LEAST * (len(columns) - 1)):
        return table
    used = [line for each in over.values() for line in each]
    names = tuple(
        " ".join(line.text for line in sorted(over.get(place, ()), key=lambda one: one.box.left))
        for place in range(len(columns))
    )
    return replace(
        table,
        rows=(names, *table.rows),
        spans=tuple((row + 1, at, height, width) for row, at, height, width in table.spans),
        header_rows=table.header_rows + 1,
        words=table.words.union(*(line.places for line in used)),
        box=table.box._replace(top=min(line.box.top for line in used)),
    )


def _column_below(line: HeaderLine, table: FoundTable, columns: Sequence[Column]) -> int | None:
    step = table.box.top - line.box.bottom
    if not -line.size <= step <= MAX_STEP * line.size:
        return None
    if not line.upright and line.box.right > columns[1].left:
        return None
    middle = (line.box.left + line.box.right) / 2
    beside = [max(column.left - middle, middle - column.right, 0.0) for column in columns]
    least = min(beside)
    return beside.index(least) if least <= MAX_BESIDE * line.size else None
