"""The cells of one sheet as the tables that a reader sees on it.

Tables stand apart by empty rows, or by an empty column with another list beside it. Lines with one
cell above a table name it. A part below an empty row that only goes on has no header of its own, so
it stays with the table above it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ingest.elements import Element
from ingest.partition.sheets.blocks import (
    bands,
    is_line,
    join_parts,
    lines_of,
    split_columns,
    spread_merged,
)
from ingest.partition.sheets.headers import count_headers
from ingest.partition.sheets.model import Sheet, SheetBlock, SheetCell
from ingest.partition.tables import CELL, MAX_PLACES, Span, make_table

MAX_TITLE_CHARS = 200
MAX_TITLE_LINES = 4
DEFAULT_NAME = re.compile(
    r"^(sheet|tabelle|feuil|hoja|foglio|blad|munka|工作表|シート)\s*\d*$", re.IGNORECASE
)


def sheet_elements(sheet: Sheet) -> Iterator[Element]:
    """The sheet's name, unless the program gave it, and its tables and lines in their order."""
    blocks = [
        block for part in bands(spread_merged(sheet), sheet) for block in split_columns(part, sheet)
    ]
    if not blocks:
        return
    if not DEFAULT_NAME.match(sheet.name):
        yield replace(_line_of(sheet, sheet.name), kind="heading", level=1)
    titles: list[str] = []
    for block in join_parts(blocks):
        lines = lines_of(block)
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


def _table_elements(sheet: Sheet, block: SheetBlock, above: Sequence[str]) -> Iterator[Element]:
    rows = list(block.rows)
    titles = list(above)
    while is_line(rows[0][1]) and not _is_vertical(rows):
        titles.append(rows.pop(0)[1][0].text)
    few = len(titles) <= 2 * MAX_TITLE_LINES
    kept = [line for line in titles if few and len(line) <= MAX_TITLE_CHARS]
    yield from (_line_of(sheet, line) for line in titles if line not in kept)
    places = {column: at for at, column in enumerate(SheetBlock(tuple(rows)).used_columns)}
    if len(places) * len(rows) > MAX_PLACES:  # a few cells far apart
        lines = (CELL.join(cell.text for cell in cells) for _, cells in rows)
        yield _line_of(sheet, "\n".join([*kept, *lines]))
        return
    grid = [_dense(cells, places) for _, cells in rows]
    spans = _spans_within(sheet, [number for number, _ in rows], places)
    yield make_table(
        grid,
        header_rows=count_headers(sheet, rows, grid, spans),
        spans=spans,
        caption=kept[0] if kept else "",
        notes=kept[1:],
        page=sheet.number,
        page_name=sheet.name,
    )


def _is_vertical(rows: Sequence[tuple[int, tuple[SheetCell, ...]]]) -> bool:
    """Whether the first row is no title: it is a cell that goes down into the next row."""
    first = rows[0][1][0]
    below = rows[1][1] if len(rows) > 1 else ()
    return any(
        cell.is_copy and cell.column == first.column and cell.text == first.text for cell in below
    )


def _dense(cells: Sequence[SheetCell], places: Mapping[int, int]) -> list[str]:
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
