"""Printed rows in columns to the cells of a table."""

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.partition.pdf.page import Rule
from ingest.partition.pdf.rows import PrintedPiece, PrintedRow, is_number, is_year
from ingest.partition.pdf.tables.columns import Column, place_piece
from ingest.partition.pdf.tables.grid import GridCell
from ingest.partition.pdf.tables.sections import section_rows
from ingest.partition.pdf.tables.sharing import share_columns

OPEN_END = re.compile(
    r"(?:\b(?:of|and|or|the|for|to|in|by|from|with|on|at|a|an|und|oder|der|die|des|von|für)|[,&/–-])$",
    re.IGNORECASE,
)
ROW_RULE = 0.7  # of a table's width; a line so long parts rows
NEAR_MIDDLE = 6.0  # points between the middle of a header and that of its columns


@dataclass(slots=True)
class _TableLine:
    """A printed row of a table: its pieces with the columns they lie over."""

    row: PrintedRow
    placed: list[tuple[int, int, PrintedPiece]]
    # the columns that headers surely stand over, by their place in the row
    ruled: dict[int, tuple[int, int]] = field(default_factory=dict)
    names_section: bool = False

    @property
    def filled(self) -> set[int]:
        return {column for start, end, _ in self.placed for column in range(start, end)}

    @property
    def figures(self) -> bool:
        return any(
            start > 0 and piece.numeric and not is_year(piece.text)
            for start, _, piece in self.placed
        )

    @property
    def spanning(self) -> bool:
        return any(end - start > 1 for start, end, _ in self.placed)


def build_cells(
    rows: Sequence[PrintedRow], columns: Sequence[Column], level: Sequence[Rule] = ()
) -> tuple[list[GridCell], int, int]:
    """(cells, rows, header rows) of a candidate. level: ruled lines on its page."""
    left, right = columns[0].left, columns[-1].right
    lines = [
        rule.at
        for rule in level
        if min(rule.end, right) - max(rule.start, left) > ROW_RULE * (right - left)
    ]
    printed = [
        _TableLine(row, [(*place_piece(piece, columns), piece) for piece in row.pieces])
        for row in rows
    ]
    for place in section_rows(rows, columns):
        printed[place].names_section = True
        printed[place].placed = [(0, len(columns), rows[place].pieces[0])]
    head = count_head(printed)
    _place_headers(printed[:head], columns, level)
    groups = _group_lines(printed, head, lines, columns)
    header_rows = sum(1 for group in groups if printed.index(group[0]) < head)
    cells: list[GridCell] = []
    for number, group in enumerate(groups):
        cells += _cells_of(
            group, number, columns, header=number < header_rows - 1, body=number >= header_rows
        )
    return cells, len(groups), header_rows


def _place_headers(
    head: Sequence[_TableLine], columns: Sequence[Column], level: Sequence[Rule]
) -> None:
    """Tells what columns headers stand over: by their number, by the lines under them, by the names
    below that repeat.
    """
    for line in head:
        line.placed = _place_head(line, columns)
    for number, above in enumerate(head):
        above.ruled = share_columns(above.row.pieces, _names_below(head[number + 1 :]), columns)
        for place, (_, _, piece) in enumerate(above.placed):
            over = _columns_under(piece, above.row, columns, level)
            if over is not None:
                above.ruled[place] = over


def _names_below(head: Sequence[_TableLine]) -> dict[int, str]:
    """The headers of the first line that names more than the rows, each by its column."""
    for line in head:
        if line.filled - {0}:
            return {start: piece.text for start, end, piece in line.placed if end == start + 1}
    return {}


def _place_head(line: _TableLine, columns: Sequence[Column]) -> list[tuple[int, int, PrintedPiece]]:
    """Headers one to each column, if there are as many as columns, wherever they stand over them."""
    pieces = line.row.pieces
    if len(pieces) == len(columns):
        return [(place, place + 1, piece) for place, piece in enumerate(pieces)]
    if len(pieces) == len(columns) - 1 and pieces[0].left > columns[0].right - 2:
        return [(place, place + 1, piece) for place, piece in enumerate(pieces, start=1)]
    return line.placed


def count_head(printed: Sequence[_TableLine]) -> int:
    """How many printed rows stand above the first with figures; 1 if there are none at all."""
    for index, line in enumerate(printed):
        if line.figures:
            return _back_to_label(printed, index)
        if index and _is_full(printed[index - 1]) and _is_full(line) and _is_apart(printed, index):
            return index
    return 1 if len(printed) > 1 else 0


def _is_full(line: _TableLine) -> bool:
    return 0 in line.filled and len(line.filled) > 1


def _is_apart(printed: Sequence[_TableLine], index: int) -> bool:
    """Whether a printed row is no further line of the one above it."""
    above, line = printed[index - 1].row, printed[index].row
    return line.baseline - above.baseline > 1.35 * max(above.size, line.size)


def _back_to_label(printed: Sequence[_TableLine], index: int) -> int:
    """Names of sections right above the first figures belong to the body: those in the first column
    and those over the whole width.
    """
    while index > 1 and (printed[index - 1].filled == {0} or printed[index - 1].names_section):
        index -= 1
    return index


def _group_lines(
    printed: Sequence[_TableLine], head: int, lines: Sequence[float], columns: Sequence[Column]
) -> list[list[_TableLine]]:
    """Printed rows that are one row of the table."""
    usual = _usual_step(printed)
    groups: list[list[_TableLine]] = []
    for index, line in enumerate(printed):
        below = printed[index + 1] if index + 1 < len(printed) else None
        if groups and (index < head) == (index - 1 < head):
            before = groups[-1][-1]
            if not _ruled_between(before, line, lines) and _is_one_row(
                groups[-1], line, below, usual, columns, header=index < head
            ):
                groups[-1].append(line)
                continue
        groups.append([line])
    return groups


def _usual_step(printed: Sequence[_TableLine]) -> float:
    """From one row with figures to the next, in points."""
    steps = [
        after.row.baseline - before.row.baseline
        for before, after in itertools.pairwise(printed)
        if before.figures and after.figures
    ]
    return statistics.median(steps) if steps else 0.0


def _ruled_between(above: _TableLine, below: _TableLine, lines: Sequence[float]) -> bool:
    return any(above.row.baseline - 1 < at < below.row.middle_line for at in lines)


def _columns_under(
    piece: PrintedPiece, row: PrintedRow, columns: Sequence[Column], level: Sequence[Rule]
) -> tuple[int, int] | None:
    """The columns that a line right under a header goes over; None if there is no such line, or if
    it goes under the whole row.
    """
    for rule in level:
        if not row.baseline - 1 <= rule.at <= row.baseline + row.size:
            continue
        beside = [one for one in row.pieces if rule.start < one.middle < rule.end]
        if len(beside) > 1 or rule.start > piece.left + 3 or rule.end < piece.right - 3:
            continue
        over = [
            index
            for index, column in enumerate(columns)
            if min(rule.end, column.right) - max(rule.start, column.left) > 0.5 * column.width
        ]
        if over and over[0] > 0:
            return over[0], over[-1] + 1
    return None


def _stands_over(line: _TableLine, columns: Sequence[Column]) -> bool:
    """Whether headers stand over several columns each: one that is wider than the header under it,
    or several that share the columns.
    """
    ranges = _spread_ranges(line, columns)
    wide = any(
        end - start > 1 and piece.right - piece.left > 1.1 * columns[place].width
        for (start, end), (place, _, piece) in zip(ranges, line.placed, strict=True)
    )
    if any(end - start > 1 for start, end in line.ruled.values()):
        return True
    over = [each for each in ranges if each[0] > 0]
    shared = len(over) > 1 and all(end - start > 1 for start, end in over)
    return wide or (shared and sum(end - start for start, end in over) >= len(columns) - 1)


def _is_beside(above: _TableLine, below: _TableLine) -> bool:
    """Whether two lines overlap in height and fill other columns, as cells of one row do."""
    size = max(above.row.size, below.row.size, 1)
    return below.row.baseline - above.row.baseline < 0.9 * size and not (
        above.filled & below.filled
    )


def _is_one_row(
    group: Sequence[_TableLine],
    line: _TableLine,
    below: _TableLine | None,
    usual: float,
    columns: Sequence[Column],
    *,
    header: bool,
) -> bool:
    before = group[-1]
    if before.names_section or line.names_section:
        return False
    size = max(line.row.size, before.row.size, 1)
    step = line.row.baseline - before.row.baseline
    if step > 1.5 * size:
        return False
    over = header and any(one.spanning or _stands_over(one, columns) for one in group)
    if _is_beside(before, line) and not (over and any(one.filled & line.filled for one in group)):
        return True  # set to the middle of the height of their row
    if header:
        return not over and not line.spanning
    if line.figures and any(one.figures for one in group):
        return False
    tight = usual > 0 and step < 0.88 * usual
    label = next((piece.text for start, _, piece in line.placed if start == 0), "")
    if below is not None and _is_beside(line, below):
        return False  # it begins the row of the line below
    close = step < 1.3 * size
    if not label:
        return not line.figures and (tight or close) and not before.spanning
    return _goes_on_in_label(before, line, label, tight=tight, close=close)


def _goes_on_in_label(
    before: _TableLine, line: _TableLine, label: str, *, tight: bool, close: bool
) -> bool:
    """Whether the label of a row goes on in this line. tight, close: to the line before."""
    above = before.row.pieces[0].text
    is_open = bool(OPEN_END.search(above))
    if before.filled == {0} and is_open:
        return True
    if label[:1].islower() or (label.startswith("(") and not is_number(label)):
        alone = line.filled == {0} or before.filled == {0}
        return alone or (tight and all(piece.text[:1].islower() for _, _, piece in line.placed))
    return line.filled == {0} and (is_open or (tight and close and not above.endswith(":")))


def _cells_of(
    group: Sequence[_TableLine], number: int, columns: Sequence[Column], *, header: bool, body: bool
) -> list[GridCell]:
    cells: dict[tuple[int, int], GridCell] = {}
    for line in group:
        ranges = _spread_ranges(line, columns) if header else None
        for place, (start, end, piece) in enumerate(line.placed):
            if body and not line.names_section and (start == 0 or len(line.placed) == 1):
                end = start + 1
            if ranges is not None:
                start, end = ranges[place]
            cell = next(
                (one for one in cells.values() if one.column < end and start < one.end_column),
                None,
            )
            if cell is None:
                cell = cells[start, end] = GridCell(number, start, number + 1, end)
            cell.words += piece.words
    return list(cells.values())


def _spread_ranges(line: _TableLine, columns: Sequence[Column]) -> list[tuple[int, int]]:
    """The columns that each header of a level above the last one stands over: those that it is the
    middle of, as many as there are, without those of another one.
    """
    ranges: list[tuple[int, int]] = []
    low = 1
    for place, (start, end, piece) in enumerate(line.placed):
        if start == 0:
            ranges.append((start, end))
            continue
        best = line.ruled.get(place)
        if best is None:
            after = line.placed[place + 1][0] if place + 1 < len(line.placed) else len(columns)
            best = _middle_range(piece, (max(start, low), max(end, low + 1)), low, after, columns)
        ranges.append(best)
        low = best[1]
    return ranges


def _middle_range(
    piece: PrintedPiece, base: tuple[int, int], low: int, high: int, columns: Sequence[Column]
) -> tuple[int, int]:
    """The range of columns around the base whose middle is nearest to that of a header, the largest
    if there are several; the base itself if it is of several columns and that is their middle.
    """

    def off(start: int, end: int) -> float:
        return abs((columns[start].left + columns[end - 1].right) / 2 - piece.middle)

    start, end = base
    if end > len(columns):
        return start, min(end, len(columns))
    width = columns[end - 1].right - columns[start].left
    if end - start > 1 and off(start, end) <= 0.1 * width + 3:
        return base
    ranges = [(a, b) for a in range(low, start + 1) for b in range(end, max(end, high) + 1)] or [
        base
    ]
    several = [each for each in ranges if each[1] - each[0] > 1 and off(*each) <= NEAR_MIDDLE]
    if several and off(*base) > NEAR_MIDDLE:
        return min(several, key=lambda each: (each[1] - each[0], off(*each)))
    nearest = min(off(a, b) for a, b in ranges)
    near = [(a, b) for a, b in ranges if off(a, b) <= nearest + 3]
    return max(near, key=lambda each: each[1] - each[0])
