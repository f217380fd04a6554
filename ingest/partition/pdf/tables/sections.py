"""Rows of one piece that name the rows below them and stand over the whole width of a table."""

import re
from collections.abc import Sequence

from ingest.partition.pdf.rows import PrintedPiece, PrintedRow, is_number, is_year
from ingest.partition.pdf.tables.columns import Column

NEAR_MIDDLE = 0.08  # of a table's width, between its middle and that of a name
SAME_PLACE = 3.0  # points between the middles of two names, or between the edges of two cells
APART = 1.35  # of a letter's size; a line so far below another is no further line of its cell
_REMARK = re.compile(r"^[(\[].*[)\]]$|[:：]$")


def section_rows(rows: Sequence[PrintedRow], columns: Sequence[Column]) -> set[int]:
    """The places of the rows that name a section: one piece, set to the middle of the table or more
    than once in one place, under a full row and right above one of figures.
    """
    likely = [place for place in range(1, len(rows) - 1) if _may_name(rows, place, columns)]
    left, right = columns[0].left, columns[-1].right
    near = NEAR_MIDDLE * (right - left)
    middles = {place: rows[place].pieces[0].middle for place in likely}
    return {
        place
        for place in likely
        if _is_centred(middles[place], (left + right) / 2, near, rows, place)
        or any(
            other != place and abs(middles[other] - middles[place]) <= SAME_PLACE
            for other in likely
        )
    }


def _is_centred(
    middle: float, wanted: float, near: float, rows: Sequence[PrintedRow], place: int
) -> bool:
    return abs(middle - wanted) <= near and _is_apart(rows[place - 1], rows[place])


def _may_name(rows: Sequence[PrintedRow], place: int, columns: Sequence[Column]) -> bool:
    above, row, below = rows[place - 1 : place + 2]
    piece = row.pieces[0]
    if len(row.pieces) > 1 or len(piece.text) < 2 or is_number(piece.text) or is_year(piece.text):
        return False
    if piece.left < columns[0].left + row.size or _REMARK.search(piece.text):
        return False
    if not _has_figures(below) or len(above.pieces) < len(columns) - 1:
        return False
    return _is_apart(above, row) or not any(is_flush(piece, other) for other in above.pieces)


def _has_figures(row: PrintedRow) -> bool:
    return any(piece.numeric and not is_year(piece.text) for piece in row.pieces[1:])


def _is_apart(above: PrintedRow, row: PrintedRow) -> bool:
    return row.baseline - above.baseline > APART * max(above.size, row.size)


def is_flush(piece: PrintedPiece, other: PrintedPiece) -> bool:
    """Whether two pieces stand flush under each other, as the lines of one cell do."""
    return any(
        abs(one - two) <= SAME_PLACE
        for one, two in (
            (piece.left, other.left),
            (piece.middle, other.middle),
            (piece.right, other.right),
        )
    )
