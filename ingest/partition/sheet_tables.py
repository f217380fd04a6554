"""The cells of one sheet, from whatever spreadsheet, as the tables that a reader sees on it.

Tables stand apart by empty rows, or by an empty column with another list beside it. Lines with one
cell above a table name it. A part below an empty row that only goes on has no header of its own, so
it stays with the table above it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from ingest.elements import Element
from ingest.partition.office.grids import count_header_rows
from ingest.partition.tables import CELL, MAX_PLACES, Span, make_table

MAX_TITLE_CHARS = 200
MAX_TITLE_LINES = 4
MAX_HEADER_ROWS = 6
MAX_GAP = 1_000  # rows looked through for one that is empty
DEFAULT_NAME = re.compile(
    r"^(sheet|tabelle|feuil|hoja|foglio|blad|munka|工作表|シート)\s*\d*$", re.IGNORECASE
)


class Cell(NamedTuple):
    """A cell with text, and what its text is. A tuple, because a sheet has millions of them."""

    column: int  # from 1
    text: str
    is_number: bool = False  # or a date
    is_copy: bool = False  # of a merged cell that begins elsewhere


@dataclass(slots=True)
class Sheet:
    """One sheet as read: only cells with text, rows and columns counted from 1."""

    name: str
    number: int
    rows: dict[int, list[Cell]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(
        default_factory=list
    )  # top, left, bottom, right
    # by (row, first column) where a table begins: how many header rows the file says it has
    headers: dict[tuple[int, int], int] = field(default_factory=dict)
    frozen_rows: int = 0  # so many rows stay in sight when the sheet is scrolled
    # rows and columns whose cells were left out: there is no gap where they stood
    unseen_rows: set[int] = field(default_factory=set)
    unseen_columns: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that stand together, each at its number, only the cells of this block."""

    rows: tuple[tuple[int, tuple[Cell, ...]], ...]

    @property
    def columns(self) -> tuple[int, int]:
        used = [cell.column for _, cells in self.rows for cell in cells]
        return min(used), max(used)

    @property
    def used_columns(self) -> list[int]:
        """In order; columns that are empty throughout are none of the table's."""
        return sorted({cell.column for _, cells in self.rows for cell in cells})


def sheet_elements(sheet: Sheet) -> Iterator[Element]:
    """The sheet's name, unless the program gave it, and its tables and lines in their order."""
    blocks = [
        block
        for part in _bands(_spread_merged(sheet), sheet)
        for block in _split_columns(part, sheet)
    ]
    if not blocks:
        return
    if not DEFAULT_NAME.match(sheet.name):
        yield replace(_line_of(sheet, sheet.name), kind="heading", level=1)
    titles: list[str] = []
    for block in _join_parts(blocks):
        lines = _lines(block)
        if lines is None:
            yield from _table_elements(sheet, block, titles)
            titles = []
            continue
        yield from (_line_of(sheet, line) for line in titles)
        short = len(lines) <= MAX_TITLE_LINES and all(
            len(line) <= MAX_TITLE_CHARS for line in lines
        )
        titles = lines if short else []
        if not short:
            yield _line_of(sheet, "\n".join(lines))
    yield from (_line_of(sheet, line) for line in titles)


def _line_of(sheet: Sheet, text: str) -> Element:
    return Element(kind="text", text=text, page=sheet.number, page_name=sheet.name)


# --- merged cells -------------------------------------------------------------------------------


def _spread_merged(sheet: Sheet) -> list[tuple[int, tuple[Cell, ...]]]:
    """All rows with cells, in order, the text of merged cells in every used place they cover."""
    numbers = sorted(sheet.rows)
    added: dict[int, list[Cell]] = {}
    last = max((cells[-1].column for cells in sheet.rows.values() if cells), default=0)
    room = MAX_PLACES
    for top, left, bottom, right in sheet.merged:
        anchor = next((cell for cell in sheet.rows.get(top, ()) if cell.column == left), None)
        if anchor is None:
            continue
        covered = range(left, min(right, last) + 1)
        for number in numbers[bisect_left(numbers, top) : bisect_right(numbers, bottom)]:
            room -= len(covered)
            if room < 0:
                break
            added.setdefault(number, []).extend(
                Cell(column, anchor.text, anchor.is_number, True)
                for column in covered
                if (number, column) != (top, left)
            )
    return [(number, _with_copies(sheet.rows[number], added.get(number))) for number in numbers]


def _with_copies(cells: list[Cell], copies: Sequence[Cell] | None) -> tuple[Cell, ...]:
    if copies:
        own = {cell.column: cell for cell in copies} | {cell.column: cell for cell in cells}
        return tuple(own[column] for column in sorted(own))
    return tuple(cells)


# --- where tables begin and end -----------------------------------------------------------------


def _bands(rows: Iterable[tuple[int, tuple[Cell, ...]]], sheet: Sheet) -> Iterator[_Block]:
    """Rows without an empty row between them."""
    band: list[tuple[int, tuple[Cell, ...]]] = []
    for number, cells in rows:
        if not cells:
            continue
        if band and _is_gap(band[-1][0], number, sheet.unseen_rows):
            yield _Block(tuple(band))
            band = []
        band.append((number, cells))
    if band:
        yield _Block(tuple(band))


def _is_gap(before: int, after: int, unseen: Set[int]) -> bool:
    """Whether something empty stands between two rows or columns, and not only what was left out."""
    return any(between not in unseen for between in range(before + 1, min(after, before + MAX_GAP)))


def _split_columns(band: _Block, sheet: Sheet) -> Iterator[_Block]:
    """The lists that stand side by side in it, or the band itself."""
    body = [(number, cells) for number, cells in band.rows if not _is_line(cells)]
    used = sorted({cell.column for _, cells in body for cell in cells})
    edges = [right for left, right in pairwise(used) if _is_gap(left, right, sheet.unseen_columns)]
    starts = [used[0] if used else 0]
    for edge in edges:
        left = [column for column in used if starts[-1] <= column < edge]
        if len(left) > 1 and _begins_list(body, used, edge):
            starts.append(edge)
    if len(starts) == 1:
        yield band
        return
    ends = [*starts[1:], 1 << 30]
    starts[0] = 0
    for start, end in zip(starts, ends, strict=True):
        rows = (
            (number, tuple(cell for cell in cells if start <= cell.column < end))
            for number, cells in band.rows
        )
        yield from _bands(rows, sheet)


def _begins_list(
    rows: Sequence[tuple[int, tuple[Cell, ...]]], used: Sequence[int], edge: int
) -> bool:
    """Whether another list begins at this column: a header, names below it, more columns."""
    if not any(column > edge for column in used):
        return False
    column = [cell for _, cells in rows for cell in cells if cell.column == edge]
    head, body = column[0], column[1:]
    names = sum(not cell.is_number for cell in body)
    first = rows[0][1]
    return (
        bool(body)
        and not head.is_number
        and any(cell.column == edge for cell in first)
        and 2 * names > len(body)
        and any(cell.is_number for _, cells in rows for cell in cells if cell.column > edge)
    )


def _join_parts(blocks: Sequence[_Block]) -> Iterator[_Block]:
    """Blocks, those put together that one table with an empty row in it was cut into."""
    held: _Block | None = None
    for block in blocks:
        if held is not None and _goes_on(held, block):
            held = _Block(held.rows + block.rows)
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def _goes_on(above: _Block, below: _Block) -> bool:
    """Whether a block is more of the table above it: in its columns, and without a header."""
    if _lines(above) is not None or below.rows[0][0] <= above.rows[-1][0]:
        return False
    (left, right), (first, last) = above.columns, below.columns
    if first < left or last > right:
        return False
    top = below.rows[0][1]
    if _is_line(top):
        return len(below.rows) == 1 and top[0].column > left
    if any(cell.is_number for cell in top):
        return True
    has_figures = any(cell.is_number for _, cells in above.rows for cell in cells)
    same = (first, last) == (left, right)
    return same and not has_figures


# --- lines and tables ---------------------------------------------------------------------------


def _is_line(cells: Sequence[Cell]) -> bool:
    """Whether the row is one cell, merged or not."""
    return sum(not cell.is_copy for cell in cells) <= 1 and len({cell.text for cell in cells}) <= 1


def _lines(block: _Block) -> list[str] | None:
    """Its lines, if each of its rows is one; None if it is a table."""
    if all(_is_line(cells) for _, cells in block.rows):
        return [cells[0].text for _, cells in block.rows]
    return None


def _table_elements(sheet: Sheet, block: _Block, above: Sequence[str]) -> Iterator[Element]:
    rows = list(block.rows)
    titles = list(above)
    while _is_line(rows[0][1]) and not _is_vertical(rows):
        titles.append(rows.pop(0)[1][0].text)
    for line in titles:
        if len(line) > MAX_TITLE_CHARS or len(titles) > 2 * MAX_TITLE_LINES:
            yield _line_of(sheet, line)
    kept = [line for line in titles if len(line) <= MAX_TITLE_CHARS]
    kept = kept if len(titles) <= 2 * MAX_TITLE_LINES else []
    places = {column: at for at, column in enumerate(_Block(tuple(rows)).used_columns)}
    if len(places) * len(rows) > MAX_PLACES:  # a few cells far apart
        lines = (CELL.join(cell.text for cell in cells) for _, cells in rows)
        yield _line_of(sheet, "\n".join([*kept, *lines]))
        return
    grid = [_dense(cells, places) for _, cells in rows]
    spans = _spans_within(sheet, [number for number, _ in rows], places)
    header_rows = _count_headers(sheet, rows, grid, spans)
    if header_rows == 2:
        _spread_groups(grid)
    element = make_table(
        grid,
        header_rows=header_rows,
        spans=spans,
        caption=kept[0] if kept else "",
        notes=kept[1:],
        page=sheet.number,
    )
    yield replace(element, page_name=sheet.name)


def _is_vertical(rows: Sequence[tuple[int, tuple[Cell, ...]]]) -> bool:
    """Whether the first row is no title: it is a cell that goes down into the next row."""
    first = rows[0][1][0]
    below = rows[1][1] if len(rows) > 1 else ()
    return any(
        cell.is_copy and cell.column == first.column and cell.text == first.text for cell in below
    )


def _dense(cells: Sequence[Cell], places: Mapping[int, int]) -> list[str]:
    row = [""] * len(places)
    for cell in cells:
        row[places[cell.column]] = cell.text
    return row


def _spans_within(sheet: Sheet, numbers: Sequence[int], places: Mapping[int, int]) -> list[Span]:
    """The merged cells of these rows and columns, by their places in the grid."""
    spans: list[Span] = []
    columns = list(places)
    for top, first, bottom, last in sheet.merged:
        begin, end = bisect_left(numbers, top), bisect_right(numbers, bottom)
        wide = bisect_right(columns, last) - bisect_left(columns, first)
        inside = begin < end and numbers[begin] == top and first in places
        if inside and (end - begin) * wide > 1:
            spans.append((begin, places[first], end - begin, wide))
    return spans


def _count_headers(
    sheet: Sheet,
    rows: Sequence[tuple[int, tuple[Cell, ...]]],
    grid: Sequence[Sequence[str]],
    spans: Sequence[Span],
) -> int:
    """How many rows at the top name the columns: by the file's own marks, then by what they hold."""
    first = rows[0][0]
    marked = _marked_headers(sheet.headers, first, rows[0][1])
    if marked is not None:
        return marked if marked < len(rows) else 0
    frozen = sum(number <= sheet.frozen_rows for number, _ in rows[: MAX_HEADER_ROWS + 1])
    if 0 < frozen <= MAX_HEADER_ROWS and frozen < len(rows):
        return frozen
    if len(rows) < 2 or not _may_name_columns(rows[0][1]) or _counts_down(rows):
        return 0
    count = count_header_rows(grid, spans)
    if count == 1 and _has_second_header(rows):
        return 2
    return count


def _marked_headers(
    headers: Mapping[tuple[int, int], int], row: int, cells: Sequence[Cell]
) -> int | None:
    return next(
        (count for (top, left), count in headers.items() if top == row and left == cells[0].column),
        None,
    )


def _may_name_columns(cells: Sequence[Cell]) -> bool:
    """Whether this row may be a header: its figures, if it has some, are years, dates or count on."""
    figures = [cell.text for cell in cells if cell.is_number]
    if len(figures) < 2:
        return not figures or len(cells) > 2 or not _is_figure(figures[0])
    plain = [int(each) for each in figures if each.isascii() and each.isdigit() and len(each) < 9]
    if len(plain) == len(figures):
        steps = {after - before for before, after in pairwise(plain)}
        evenly = len(steps) == 1 and (len(plain) > 2 or steps <= {1, -1})
        return evenly or all(1800 < each < 2200 for each in plain)
    return not any(map(_is_figure, figures))


def _counts_down(rows: Sequence[tuple[int, tuple[Cell, ...]]]) -> bool:
    """Whether the first column goes on below where its first cell begins: years, or row numbers."""
    first, second = rows[0][1][0], rows[1][1][0]
    numbers = [cell.text for cell in (first, second) if cell.is_number and cell.text.isdecimal()]
    if len(numbers) < 2 or first.column != second.column or max(map(len, numbers)) > 8:
        return False
    return abs(int(numbers[0]) - int(numbers[1])) == 1


def _spread_groups(grid: Sequence[list[str]]) -> None:
    """Names of groups that stand only above the first of their columns, as if they were merged: if
    all groups have the same columns.
    """
    top, names = grid[0], grid[1]
    starts = [column for column, cell in enumerate(top) if cell and names[column]]
    if len(starts) < 2 or starts[1] - starts[0] < 2:
        return
    size = starts[1] - starts[0]
    groups = [range(start, start + size) for start in starts]
    if all(
        names[group.start : group.stop] == names[starts[0] : starts[1]]
        and not any(top[group.start + 1 : group.stop])
        for group in groups
    ):
        for group in groups:
            for column in group:
                top[column] = top[group.start]


def _is_figure(text: str) -> bool:
    """An amount, not a date or a time."""
    return not re.search(r"[/:年月日]|\d[-.]\d+[-.]\d|[A-Za-z]{3}", text)


def _has_second_header(rows: Sequence[tuple[int, tuple[Cell, ...]]]) -> bool:
    """Whether the first row names groups, with gaps between them, and the second their columns."""
    if len(rows) < 3:
        return False
    top, second, third = (cells for _, cells in rows[:3])
    return (
        len(top) < len(second)
        and not any(cell.is_number for cell in second)
        and any(cell.is_number for cell in third)
        and len(second) >= len(third)
        and (len(top) > 1 or top[0].column > second[0].column)
    )
