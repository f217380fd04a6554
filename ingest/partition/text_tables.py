"""Tables in plain text: rows with `;`, `|` or tabs between their cells, or in columns of fixed width.

A text is a table if nearly all of its lines are rows of it and its first row names the columns;
everything else stays the text that it is.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

LEAST_ROWS = 4  # the header among them
MAX_LINES_AROUND = 3  # above it and below it
NEARLY_ALL = 0.95  # of the lines between its first row and its last
MOSTLY = 0.8  # of the cells of a column, so that they tell what it holds
MAX_HEADER_CHARS = 60  # of a cell
MANY_COLUMNS = 3  # from which on rows with signs need no column of figures
MAX_WIDTH = 2_000  # of a line with columns of fixed width
LEAST_GAP = 2  # spaces between columns of fixed width
_LINE = re.compile(r"[\s|+:\-=_─═┼╪]+")
_DASHES = re.compile(r"[-=_─═]{2}")
SAMPLE_ROWS = 200  # by which columns of fixed width are looked for
_SIGNS = (";", "\t", "|")
_OUTER = re.compile(r"^\s*\|?|\|?\s*$")
_FIGURE = re.compile(r"[^\w\s]?\s?[-+(]?\d[\d.,:/ '\-]*\)?\s?(?:%|\w{1,3}|[^\w\s])?")
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class TextTable:
    """The rows of a table in a text, and the lines around it."""

    above: str
    rows: tuple[tuple[str, ...], ...]
    header_rows: int
    below: str


def find_text_table(text: str) -> TextTable | None:
    """The table that this text is; None if it is none."""
    lines = [line for line in text.split("\n") if line.strip()]
    for sign in _SIGNS:
        cut = _span(lines, sign)
        if cut is not None and (found := _delimited(lines, cut, sign)) is not None:
            return found
    return _fixed(lines)


def is_small_table(lines: Sequence[str], sign: str) -> bool:
    """Whether lines with this sign are names of columns above figures, however few they are."""
    rows = [line.split(sign) for line in lines]
    if len(rows) < 2 or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
        return False
    if any(not cell or cell != cell.strip(" ") for row in rows for cell in row):
        return False  # in sentences a space follows
    return _names_columns(rows[:1]) and _has_figures(rows[1:])


def _span(lines: Sequence[str], sign: str) -> tuple[int, int] | None:
    """(the first line of rows with this sign, the one behind the last); None if too few are rows."""
    counts = [line.count(sign) if not _is_rule(line) else 0 for line in lines]
    told = Counter(count for count in counts if count)
    if not told:
        return None
    usual = told.most_common(1)[0][0]
    rows = [number for number, count in enumerate(counts) if count == usual]
    first, last = rows[0], rows[-1] + 1
    between = sum(not _is_rule(line) for line in lines[first:last])
    if len(rows) < LEAST_ROWS or len(rows) < NEARLY_ALL * between:
        return None
    return (first, last) if _stands_alone(lines, first, last) else None


def _stands_alone(lines: Sequence[str], first: int, last: int) -> bool:
    around = (lines[:first], lines[last:])
    return all(sum(not _is_rule(line) for line in part) <= MAX_LINES_AROUND for part in around)


def _delimited(lines: Sequence[str], cut: tuple[int, int], sign: str) -> TextTable | None:
    def cells(line: str) -> list[str]:
        if sign == "|":
            return [cell.strip() for cell in _OUTER.sub("", line).split(sign)]
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=sign))]
        except (csv.Error, StopIteration):
            return [cell.strip() for cell in line.split(sign)]

    return _make(lines, cut, cells, least_columns=MANY_COLUMNS)


def _is_rule(line: str) -> bool:
    """Whether a line is drawn and says nothing."""
    return _LINE.fullmatch(line) is not None and _DASHES.search(line) is not None


def _fixed(lines: Sequence[str]) -> TextTable | None:
    """A table whose columns are told by spaces that stand below one another in all lines."""
    if any(len(line) > MAX_WIDTH for line in lines):
        return None
    best: tuple[int, int, int] = (1, 0, 0)
    for first in range(MAX_LINES_AROUND + 1):
        for behind in range(MAX_LINES_AROUND + 1):
            last = len(lines) - behind
            columns = len(_column_edges(_sample(lines, first, last)))
            if last - first >= LEAST_ROWS and columns > best[0]:
                best = columns, first, last
    _, first, last = best
    edges = _column_edges([line for line in lines[first:last] if not _is_rule(line)])
    if len(edges) < 2:
        return None
    return _make(lines, (first, last), partial(_cut, edges=edges), least_columns=len(edges) + 1)


def _sample(lines: Sequence[str], first: int, last: int) -> list[str]:
    """Some rows from the beginning and the end."""
    rows = lines[first:last]
    some = (
        rows
        if len(rows) <= SAMPLE_ROWS
        else [*rows[: SAMPLE_ROWS // 2], *rows[-SAMPLE_ROWS // 2 :]]
    )
    return [line for line in some if not _is_rule(line)]


def _cut(line: str, edges: Sequence[tuple[int, int]]) -> list[str]:
    return [line[start:end].strip() for start, end in edges]


def _column_edges(rows: Sequence[str]) -> list[tuple[int, int]]:
    """Where columns begin and end: between them are spaces in every row."""
    width = max(map(len, rows), default=0)
    filled = [False] * width
    for row in rows:
        for found in re.finditer(r"\S+", row):
            filled[found.start() : found.end()] = [True] * (found.end() - found.start())
    runs = [(on, len(list(group))) for on, group in groupby(filled)]
    edges: list[tuple[int, int]] = []
    at, start = 0, 0
    for on, size in runs:
        if not on and size >= LEAST_GAP and at > start:
            edges.append((start, at))
            start = at + size
        at += size
    return [*edges, (start, width)] if start < width else edges


def _is_body(rows: Sequence[Sequence[str]], *, evident: bool) -> bool:
    """Whether these are the rows of a table. evident: it need not have figures."""
    filled = sum(sum(map(bool, row)) > 1 for row in rows)
    return (evident or _has_figures(rows)) and filled >= NEARLY_ALL * len(rows)


def _make(
    lines: Sequence[str],
    cut: tuple[int, int],
    cells: Callable[[str], list[str]],
    *,
    least_columns: int,
) -> TextTable | None:
    """The table of these lines, if its first rows name its columns.

    least_columns: from so many on it needs neither a line below the header nor figures.
    """
    first, last = cut
    rows: list[tuple[str, ...]] = []
    headers = 0
    for line in lines[first:last]:
        if not _is_rule(line):
            rows.append(tuple(cells(line)))
        elif not headers and len(rows) < LEAST_ROWS:
            headers = len(rows)
    if len(rows) < LEAST_ROWS or not _names_columns(rows[: headers or 1]):
        return None
    if not _is_body(rows[headers or 1 :], evident=headers > 0 or len(rows[0]) >= least_columns):
        return None
    above, below = (_without_rules(part) for part in (lines[:first], lines[last:]))
    return TextTable(above, tuple(rows), headers or 1, below)


def _without_rules(lines: Sequence[str]) -> str:
    return "\n".join(line for line in lines if not _is_rule(line))


def _names_columns(header: Sequence[Sequence[str]]) -> bool:
    """Whether these rows hold names: short words, of figures only years."""
    named = [cell for row in header for cell in row if cell]
    if sum(map(bool, header[-1])) < max(2, len(header[-1]) - 1):
        return False
    return all(
        len(cell) <= MAX_HEADER_CHARS and (_YEAR.fullmatch(cell) or not _FIGURE.fullmatch(cell))
        for cell in named
    ) and not all(_YEAR.fullmatch(cell) for cell in named)


def _has_figures(body: Sequence[Sequence[str]]) -> bool:
    """Whether a column holds mostly figures."""
    for number in range(min(map(len, body))):
        column = [row[number] for row in body if row[number]]
        figures = sum(_FIGURE.fullmatch(cell) is not None for cell in column)
        if column and figures >= MOSTLY * len(column) and 2 * len(column) >= len(body):
            return True
    return False
