"""Where the tables of a sheet begin and end: rows that stand together, lists side by side."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import pairwise

from ingest.partition.sheets.model import Sheet, SheetBlock, SheetCell
from ingest.partition.tables import MAX_PLACES

MAX_GAP = 1_000  # rows looked through for one that is empty


def spread_merged(sheet: Sheet) -> list[tuple[int, tuple[SheetCell, ...]]]:
    """All rows with cells, in order, the text of merged cells in every used place they cover."""
    numbers = sorted(sheet.rows)
    added: dict[int, list[SheetCell]] = {}
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
                SheetCell(column, anchor.text, anchor.is_number, True)
                for column in covered
                if (number, column) != (top, left)
            )
    return [(number, _with_copies(sheet.rows[number], added.get(number))) for number in numbers]


def _with_copies(
    cells: list[SheetCell], copies: Sequence[SheetCell] | None
) -> tuple[SheetCell, ...]:
    if copies:
        own = {cell.column: cell for cell in copies} | {cell.column: cell for cell in cells}
        return tuple(own[column] for column in sorted(own))
    return tuple(cells)


def bands(rows: Iterable[tuple[int, tuple[SheetCell, ...]]], sheet: Sheet) -> Iterator[SheetBlock]:
    """Rows without an empty row between them."""
    band: list[tuple[int, tuple[SheetCell, ...]]] = []
    for number, cells in rows:
        if not cells:
            continue
        if band and _is_gap(band[-1][0], number, sheet.unseen_rows):
            yield SheetBlock(tuple(band))
            band = []
        band.append((number, cells))
    if band:
        yield SheetBlock(tuple(band))


def _is_gap(before: int, after: int, unseen: Set[int]) -> bool:
    """Whether something empty stands between two rows or columns, and not only what was left out."""
    return any(between not in unseen for between in range(before + 1, min(after, before + MAX_GAP)))


def split_columns(band: SheetBlock, sheet: Sheet) -> Iterator[SheetBlock]:
    """The lists that stand side by side in it, or the band itself."""
    body = [(number, cells) for number, cells in band.rows if not is_line(cells)]
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
        yield from bands(rows, sheet)


def _begins_list(
    rows: Sequence[tuple[int, tuple[SheetCell, ...]]], used: Sequence[int], edge: int
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


def join_parts(blocks: Sequence[SheetBlock]) -> Iterator[SheetBlock]:
    """Blocks, those put together that one table with an empty row in it was cut into."""
    held: SheetBlock | None = None
    for block in blocks:
        if held is not None and _goes_on(held, block):
            held = SheetBlock(held.rows + block.rows)
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def _goes_on(above: SheetBlock, below: SheetBlock) -> bool:
    """Whether a block is more of the table above it: in its columns, and without a header."""
    if lines_of(above) is not None or below.rows[0][0] <= above.rows[-1][0]:
        return False
    (left, right), (first, last) = above.columns, below.columns
    if first < left or last > right:
        return False
    top = below.rows[0][1]
    if is_line(top):
        return len(below.rows) == 1 and top[0].column > left
    if any(cell.is_number for cell in top):
        return True
    has_figures = any(cell.is_number for _, cells in above.rows for cell in cells)
    same = (first, last) == (left, right)
    return same and not has_figures


def is_line(cells: Sequence[SheetCell]) -> bool:
    """Whether the row is one cell, merged or not."""
    return sum(not cell.is_copy for cell in cells) <= 1 and len({cell.text for cell in cells}) <= 1


def lines_of(block: SheetBlock) -> list[str] | None:
    """Its lines, if each of its rows is one; None if it is a table."""
    if all(is_line(cells) for _, cells in block.rows):
        return [cells[0].text for _, cells in block.rows]
    return None
