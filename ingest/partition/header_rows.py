"""Which rows at the top of a grid name its columns: one rule for every format that does not say it."""

from collections.abc import Sequence, Set
from itertools import chain

MAX_HEADER_ROWS = 6
MAX_ROWS_BELOW = 5  # that tell whether the row above them names figures

MAX_UNIT_CHARS = 20
MIN_UNITS = 0.5  # of the columns with names: fewer cells are values of a row without a name
_UNITS = frozenset((
    "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "RMB", "TEUR", "T€", "k€", "kEUR", "Mio. €", "€m", "$m",
    "mm", "cm", "km", "m²", "m2", "m³", "m3", "km²", "ha", "ml", "hl", "mg", "kg", "lb", "min", "°C", "°F", "kW", "MW",
    "kWh", "MWh", "GWh", "Hz", "Pa", "hPa", "pcs", "Stk", "Stk.", "元", "万元", "亿元", "円", "千円", "百万円", "人", "吨",
))  # fmt: skip
_UNIT_WORDS = frozenset((
    "unit", "units", "currency", "einheit", "einheiten", "währung", "unité", "unités", "unidad", "unità", "eenheid",
    "jednostka", "单位", "單位", "単位",
))  # fmt: skip
_NO_VALUES = frozenset(
    {"n/a", "na", "n.a.", "none", "nil", "null", "unknown", "tbd", "-", "–", "—", "?"}
)

Grid = Sequence[Sequence[str]]
MergedCells = Sequence[tuple[int, int, int, int]]


def count_header_rows(rows: Grid, spans: MergedCells = ()) -> int:
    """The first row with more than one filled cell, and the rows that belong to it: those that
    merged cells tie to it, and the names of columns below a header over several of them. Rows of
    one cell above are titles; right above figures such a cell is a header itself.
    """
    spread = {(row, left, wide) for row, left, tall, wide in spans if tall == 1}
    first = next((n for n in range(len(rows)) if not _is_one_cell(rows, n, spread)), None)
    if first is None:
        return 0
    if first and _is_header_above(rows, first - 1, spread) and not names_columns(rows, first):
        return first
    count = _count_tied(rows, spans, first)
    if count == first + 1 and _names_groups(rows, first):
        count += 1
    count = add_units(rows, count)
    return count if count < len(rows) else 0


def add_units(rows: Grid, count: int) -> int:
    """So many header rows, and the row of units below them if there is one."""
    return count + _tells_units(rows, count)


def _is_one_cell(rows: Grid, number: int, spread: Set[tuple[int, int, int]]) -> bool:
    """Whether it has one cell at most, or one that lies over the whole row."""
    row = rows[number]
    return sum(map(bool, row)) <= 1 or (len(row) > 1 and (number, 0, len(row)) in spread)


def _is_header_above(rows: Grid, number: int, spread: Set[tuple[int, int, int]]) -> bool:
    """Whether a row of one cell is the header of figures below it, or a title over all of them."""
    row = rows[number]
    return (row[0] == "" and any(row)) or (number, 0, len(row)) in spread


def _count_tied(rows: Grid, spans: MergedCells, first: int) -> int:
    """The header rows down to the last that merged cells tie to the first."""
    count, at = first + 1, first
    width = len(rows[first])
    while at < count and count < min(len(rows), MAX_HEADER_ROWS):
        here = [span for span in spans if span[0] == at and at + span[2] <= MAX_HEADER_ROWS]
        for row, _, tall, wide in here:
            over = 1 < wide < width and _goes_on(rows, row + tall, here, is_first=at == first)
            count = max(count, row + tall + over)
        at += 1
    return count


def _goes_on(rows: Grid, number: int, spans: MergedCells, *, is_first: bool) -> bool:
    """Whether the row below a wide header names its columns: it has no figures, and the header
    has not named the first column yet. spans: of the row above it.
    """
    if not names_columns(rows, number):
        return False
    above, row = rows[number - 1], rows[number]
    if row[0] in ("", above[0]):
        return True
    figures = number + 1 < len(rows) and not names_columns(rows, number + 1)
    below = set(
        chain.from_iterable(range(left, left + wide) for _, left, _, wide in spans if wide > 1)
    )
    if 0 in below:  # the first column has its own name, as those beside the wide header have
        named = (column for column in range(len(row)) if column not in below)
        return figures and all(row[column] in ("", above[column]) for column in named)
    return not above[0] and (is_first or figures)


def names_columns(rows: Grid, number: int) -> bool:
    """Whether there is such a row and it reads as names: none of its cells is a figure."""
    return number < len(rows) and not any(map(is_figure, rows[number]))


def is_figure(cell: str) -> bool:
    """Whether it has digits and no letters, and is no year."""
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell)) and not _is_year(cell)


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isascii() and cell.isdigit() and cell[:2] in ("19", "20")


def _names_groups(rows: Grid, number: int) -> bool:
    """Whether a row names groups of columns, with gaps between them, and the next the columns: all
    that is below these names, but for the first column, is figures.
    """
    if number + 2 >= len(rows) or not names_columns(rows, number + 1):
        return False
    top, names = rows[number], rows[number + 1]
    if not names[0] or names[0] == top[0] or sum(map(bool, top)) >= sum(map(bool, names)):
        return False
    named = [column for column in range(1, len(names)) if names[column]]
    if (
        len(set(names)) == 1
        or not any(top[column] for column in named)
        or any(cell and not name for cell, name in zip(top[1:], names[1:], strict=True))
    ):
        return False
    return _has_figures_below(rows, number + 2, named)


def _tells_units(rows: Grid, number: int) -> bool:
    """Whether a row below the names of columns tells their units, currencies or years: it names no
    row, each of its cells is short and stands below a name, and all that is below it is figures.
    If its first cell names a row, all others must be units that are known.
    """
    if not 0 < number < len(rows) - 1:
        return False
    above, row = rows[number - 1], rows[number]
    told = [column for column in range(1, len(row)) if row[column]]
    if not told or len(told) < MIN_UNITS * sum(map(bool, above[1:])):
        return False
    if not all(above[column] and _may_be_unit(row[column]) for column in told):
        return False
    is_unnamed = row[0] in ("", above[0]) or row[0].strip("()[]: ").casefold() in _UNIT_WORDS
    units = all(_is_unit(row[column]) for column in told)
    return (is_unnamed or units) and _has_figures_below(rows, number + 1, told)


def _may_be_unit(cell: str) -> bool:
    return len(cell) <= MAX_UNIT_CHARS and not is_figure(cell) and cell.casefold() not in _NO_VALUES


def _is_unit(cell: str) -> bool:
    """Whether it can hardly be a value: in brackets, a percent or currency sign, a known unit."""
    bare = cell.strip("()[] ")
    return cell != bare or bare in _UNITS or (len(bare) <= 2 and not bare.isalnum())


def _has_figures_below(rows: Grid, number: int, columns: Sequence[int]) -> bool:
    """Whether all that the next rows have in these columns is figures, and each column has one."""
    below = rows[number : number + MAX_ROWS_BELOW]
    return bool(columns) and all(
        any(row[column] for row in below)
        and all(_is_amount(row[column]) for row in below if row[column])
        for column in columns
    )


def _is_amount(cell: str) -> bool:
    return sum(map(str.isdigit, cell)) > sum(map(str.isalpha, cell)) or cell in ("-", "–", "—")


def spread_groups(grid: Sequence[list[str]]) -> None:
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
