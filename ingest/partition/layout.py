"""Boxes of text on a picture to paragraphs, columns and tables in reading order."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.elements import Element
from ingest.partition.lines import join_lines
from ingest.partition.tables import make_table

PARAGRAPH_GAP = 1.0  # white space above a block, in line heights
COLUMN_GAP = 0.8  # between columns of text
# a line of a text column is at least so many times wider than high; a cell is not
COLUMN_LINE = 7.0
CELL_GAP = 0.35  # between the lines of one table cell
MAX_CELLS = 1_500


@dataclass(frozen=True, slots=True)
class OcrBox:
    """One line of text in a picture; pixels, top left is 0, 0."""

    text: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left


def elements(boxes: Sequence[OcrBox], page: int | None) -> Iterator[Element]:
    """Paragraphs and tables, column after column."""
    for block in _blocks(boxes):
        rows = _rows(block)
        if _is_table(rows):
            cells = [
                [join_lines([box.text for box in cell]) for cell in row]
                for row in _cell_rows(block)
            ]
            yield make_table(cells, page=page)
        else:
            text = join_lines([box.text for row in rows for box in row])
            if text:
                yield Element(kind="text", text=text, page=page)


def _blocks(boxes: Sequence[OcrBox]) -> Iterator[Sequence[OcrBox]]:
    """Boxes cut along white rivers: into columns if there are any, else into what white space
    sets apart.
    """
    if not boxes:
        return
    size = statistics.median(box.height for box in boxes)
    columns = _cut(boxes, COLUMN_GAP * size, across=True)
    if len(columns) > 1 and all(_is_column(column) for column in columns):
        parts = columns
    else:
        parts = _cut(boxes, PARAGRAPH_GAP * size, across=False)
    # the rows of a table may be far apart
    if len(parts) == 1 or (parts is not columns and _is_table(_rows(boxes))):
        yield boxes
        return
    for part in parts:
        yield from _blocks(part)


def _is_column(column: Sequence[OcrBox]) -> bool:
    return (
        len(column) >= 3
        and statistics.median(box.width / max(box.height, 1) for box in column) >= COLUMN_LINE
    )


def _cut(boxes: Sequence[OcrBox], least: float, *, across: bool) -> list[list[OcrBox]]:
    """Groups with at least so much white space between them, left to right or top to bottom."""

    def span(box: OcrBox) -> tuple[float, float]:
        return (box.left, box.right) if across else (box.top, box.bottom)

    ordered = sorted(boxes, key=span)
    parts, edge = [[ordered[0]]], span(ordered[0])[1]
    for box in ordered[1:]:
        start, end = span(box)
        if start - edge > least:
            parts.append([])
        parts[-1].append(box)
        edge = max(edge, end)
    return parts


def _rows(boxes: Sequence[OcrBox]) -> list[list[OcrBox]]:
    """Boxes on one line, left to right; lines top to bottom."""
    rows: list[list[OcrBox]] = []
    for box in sorted(boxes, key=lambda box: box.top):
        middle = (box.top + box.bottom) / 2
        if rows and rows[-1][0].top <= middle <= rows[-1][0].bottom:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _is_table(rows: Sequence[Sequence[OcrBox]]) -> bool:
    """Whether most lines stand in several pieces, short ones."""
    several = [row for row in rows if len(row) > 1]
    if len(several) < 2 or 2 * len(several) < len(rows):
        return False
    return (
        statistics.median(box.width / max(box.height, 1) for row in several for box in row)
        < 2 * COLUMN_LINE
    )


def _cell_rows(boxes: Sequence[OcrBox]) -> list[list[list[OcrBox]]]:
    """The cells of a table, row by row; a cell holds its lines from top to bottom."""
    if len(boxes) > MAX_CELLS:
        return [[[box] for box in row] for row in _rows(boxes)]
    cells: list[list[OcrBox]] = []
    for box in sorted(boxes, key=lambda box: box.top):
        above = next((cell for cell in reversed(cells) if _continues_cell(cell[-1], box)), None)
        if above is None:
            cells.append([box])
        else:
            above.append(box)
    return _group_by_row(cells)


def _continues_cell(above: OcrBox, below: OcrBox) -> bool:
    """Whether a box is the next line of the cell that the other one is in."""
    overlap = min(above.right, below.right) - max(above.left, below.left)
    gap = below.top - above.bottom
    size = min(above.height, below.height)
    return overlap > 0.5 * min(above.width, below.width) and -0.5 * size < gap < CELL_GAP * size


def _group_by_row(cells: Sequence[list[OcrBox]]) -> list[list[list[OcrBox]]]:
    rows: list[list[list[OcrBox]]] = []
    bottom = 0.0
    for cell in sorted(cells, key=lambda cell: (cell[0].top + cell[-1].bottom) / 2):
        middle = (cell[0].top + cell[-1].bottom) / 2
        if rows and middle < bottom:
            rows[-1].append(cell)
            continue
        rows.append([cell])
        bottom = cell[-1].bottom
    return [sorted(row, key=lambda cell: cell[0].left) for row in rows]
