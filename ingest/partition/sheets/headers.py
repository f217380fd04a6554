"""Which rows at the top of a table of a sheet name its columns."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ingest.partition.header_rows import MAX_HEADER_ROWS, add_units, count_header_rows
from ingest.partition.sheets.model import Sheet, SheetCell
from ingest.partition.tables import Span


def count_headers(
    sheet: Sheet,
    rows: Sequence[tuple[int, tuple[SheetCell, ...]]],
    grid: Sequence[Sequence[str]],
    spans: Sequence[Span],
) -> int:
    """How many rows at the top name the columns: by the file's own marks, then by what they hold."""
    first = rows[0][0]
    marked = _marked_headers(sheet.headers, first, rows[0][1])
    if marked is not None:
        return add_units(grid, marked) if marked < len(rows) else 0
    frozen = sum(number <= sheet.frozen_rows for number, _ in rows[: MAX_HEADER_ROWS + 1])
    if 0 < frozen <= MAX_HEADER_ROWS and frozen < len(rows):
        return add_units(grid, frozen)
    if len(rows) < 2 or not _may_name_columns(rows[0][1]) or _counts_down(rows):
        return 0
    count = count_header_rows(grid, spans)
    if count == 1 and _has_second_header(rows):
        return 2
    return count


def _marked_headers(
    headers: Mapping[tuple[int, int], int], row: int, cells: Sequence[SheetCell]
) -> int | None:
    return next(
        (count for (top, left), count in headers.items() if top == row and left == cells[0].column),
        None,
    )


def _may_name_columns(cells: Sequence[SheetCell]) -> bool:
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


def _counts_down(rows: Sequence[tuple[int, tuple[SheetCell, ...]]]) -> bool:
    """Whether the first column goes on below where its first cell begins: years, or row numbers."""
    first, second = rows[0][1][0], rows[1][1][0]
    numbers = [cell.text for cell in (first, second) if cell.is_number and cell.text.isdecimal()]
    if len(numbers) < 2 or first.column != second.column or max(map(len, numbers)) > 8:
        return False
    return abs(int(numbers[0]) - int(numbers[1])) == 1


def _is_figure(text: str) -> bool:
    """An amount, not a date or a time."""
    return not re.search(r"[/:年月日]|\d[-.]\d+[-.]\d|[A-Za-z]{3}", text)


def _has_second_header(rows: Sequence[tuple[int, tuple[SheetCell, ...]]]) -> bool:
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
