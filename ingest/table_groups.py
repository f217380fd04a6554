"""Rows of a table that name the rows below them, such as "Current assets" in a balance sheet."""

from collections.abc import Sequence

from ingest.elements import Table

_MAX_NAME_CHARS = 100  # a longer one is a remark
_MOST_GROUPS = 0.5  # of the rows; if more have one cell only, they are values of their own
_LEAST_NUMBERS = 0.6  # of the cells beside the labels; else a row of one cell is short of values
_TOTALS = (
    *("total", "subtotal", "sub-total", "sum ", "summe", "gesamt", "sous-total", "suma", "totale"),
    *("合计", "合計", "总计", "總計", "小计", "小計", "共计", "共計"),
)


def find_groups(table: Table, numbers: Sequence[int], labels: int) -> list[tuple[int, ...]]:
    """For each row of values, the places in `numbers` of the rows that name it, outermost first.

    numbers: of the rows of values in the table, ascending. labels: columns that name rows.

    A group ends at the next one, with a row of its total, or at an empty row. One that begins right
    below another stands inside it.
    """
    names = {place for place, n in enumerate(numbers) if _may_name_rows(table.rows[n], labels)}
    if not names or not _is_evident(table, numbers, names, labels):
        return [()] * len(numbers)
    found: list[tuple[int, ...]] = []
    open_groups: list[int] = []
    before = ""
    for place, number in enumerate(numbers):
        if place and number > numbers[place - 1] + 1 and before != "name":
            open_groups.clear()
        if place in names:
            if before == "row" and open_groups:
                open_groups.pop()
            found.append(tuple(open_groups))
            open_groups.append(place)
            before = "name"
            continue
        found.append(tuple(open_groups))
        before = "total" if _is_total(table.rows[number]) else "row"
        if before == "total" and open_groups:
            open_groups.pop()
    return found


def _may_name_rows(row: Sequence[str], labels: int) -> bool:
    """Whether it has one cell with text, among the labels, or one that is merged over all of it."""
    filled = [column for column, cell in enumerate(row) if cell]
    name = row[filled[0]]
    if len(name) > _MAX_NAME_CHARS or _is_total(row):
        return False
    return (len(filled) == 1 and filled[0] < labels) or _is_merged(row)


def _is_merged(row: Sequence[str]) -> bool:
    return len(row) > 1 and bool(row[0]) and len(set(row)) == 1


def _is_evident(table: Table, numbers: Sequence[int], names: set[int], labels: int) -> bool:
    """Whether such rows are too few to be values, and those beside them full of numbers."""
    if len(names) > _MOST_GROUPS * len(numbers):
        return False
    if all(_is_merged(table.rows[numbers[place]]) for place in names):
        return True
    cells = [
        cell
        for place, number in enumerate(numbers)
        if place not in names
        for cell in table.rows[number][labels:]
        if cell
    ]
    return sum(map(_is_number, cells)) >= _LEAST_NUMBERS * max(1, len(cells))


def _is_number(cell: str) -> bool:
    """Whether there are more digits than letters, or a dash stands for nothing."""
    digits, letters = sum(map(str.isdigit, cell)), sum(map(str.isalpha, cell))
    return digits > letters or cell in ("-", "–", "—")


def _is_total(row: Sequence[str]) -> bool:
    return next(cell for cell in row if cell).casefold().startswith(_TOTALS)
