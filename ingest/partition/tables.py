"""The one table model: cells of any format to a grid, HTML tables to a grid, a grid to text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lxml import etree
from lxml import html as lxml_html

from ingest.elements import Element, Table
from ingest.partition.figure_cells import drop_layout
from ingest.partition.header_rows import add_units, count_header_rows, spread_groups

CELL = " | "
NESTED_ROW, NESTED_CELL = "; ", ", "  # between those of a table in a cell
ESCAPED = "\\|"  # a bar that stands in a cell
MAX_SPAN = 1_000  # rows or columns that one cell may cover, and
MAX_PLACES = 2_000_000  # cells of a grid after merged ones are spread: more is an attack
_SPACE = re.compile(r"\s+")

Span = tuple[int, int, int, int]


def make_table(
    rows: Sequence[Sequence[str]],
    *,
    page: int | None = None,
    page_name: str | None = None,
    header_rows: int | None = None,
    header_columns: int = 0,
    spans: Sequence[Span] = (),
    caption: str = "",
    notes: Sequence[str] = (),
    box: tuple[float, float, float, float] | None = None,
) -> Element:
    """A table element from its cells, short rows filled up with empty cells.

    header_rows: if None, they are counted by what the rows hold and how cells are merged.
    box: of a reader that puts cells together itself, by where they stand on their page.
    """
    cells = [[squeeze(cell) for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=0)
    grid = [row + [""] * (width - len(row)) for row in cells]
    table = Table(
        rows=tuple(map(tuple, grid)),
        header_rows=count_header_rows(grid, spans) if header_rows is None else header_rows,
        header_columns=header_columns,
        spans=tuple(spans),
        caption=squeeze(caption),
        notes=tuple(squeeze(note) for note in notes),
        box=box,
    )
    table = _settle(table) if box is None else table
    return element_of(table, page=page, page_name=page_name)


def _settle(table: Table) -> Table:
    """The table with names of groups over all of their columns, and without what only places things."""
    if table.header_rows == 2:
        grid = [list(row) for row in table.rows]
        spread_groups(grid)
        table = replace(table, rows=tuple(map(tuple, grid)))
    return drop_layout(table)


def element_of(table: Table, *, page: int | None = None, page_name: str | None = None) -> Element:
    return Element(
        kind="table", text=readable_table(table), page=page, page_name=page_name, table=table
    )


def squeeze(text: str) -> str:
    """Cell text on one line."""
    return _SPACE.sub(" ", text).strip()


def readable_table(table: Table) -> str:
    """The caption, the notes, then one line a row.

    Cells are joined with " | ", so that each stands under its header; what is dropped are empty
    rows, columns that are empty throughout, and empty cells at the end of a row. A bar inside a cell is written as "\\\\|".
    """
    lines = [line for line in (table.caption, *table.notes) if line]
    return "\n".join([*lines, *row_lines(table.rows)])


def row_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """One line for each row that has a cell with text, as they stand in the document's text."""
    used = [any(row[column] for row in rows) for column in range(len(rows[0]) if rows else 0)]
    for row in rows:
        if any(row):
            yield aligned_line([cell for cell, wanted in zip(row, used, strict=True) if wanted])


def aligned_line(row: Sequence[str]) -> str:
    """A row with its empty cells, but for those at its end."""
    last = max(column for column, cell in enumerate(row) if cell)
    return CELL.join(cell.replace("|", ESCAPED) for cell in row[: last + 1]).strip()


def inline_table(table: Table) -> str:
    """A table inside a cell, as a part of that cell's text: every figure with its header."""
    top = table.header_rows
    names = [
        " ".join(dict.fromkeys(row[column] for row in table.rows[:top] if row[column]))
        for column in range(len(table.rows[0]))
    ]
    lines = [line for line in (table.caption, *table.notes) if line]
    for row in table.rows[top:]:
        said = (
            f"{name}: {cell}" if name else cell
            for name, cell in zip(names, row, strict=True)
            if cell
        )
        lines.append(NESTED_CELL.join(said))
    return NESTED_ROW.join(filter(None, lines))


def parse_table(markup: str) -> Table | None:
    """An HTML table as a grid; a table in a cell is part of that cell. None if it has no cells."""
    try:
        root = lxml_html.fromstring(markup, parser=lxml_html.HTMLParser(huge_tree=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None
    node = root if root.tag == "table" else next(root.iter("table"), None)
    return table_of(node) if node is not None else None


def table_of(node: lxml_html.HtmlElement) -> Table | None:
    """The grid of a `table` node, with its caption. None if it has no cells.

    A table in one of its cells becomes text of that cell, the innermost first.
    """
    for inner in reversed(list(node.iter("table"))):
        if inner is not node:
            _put_in_line(inner)
    return _table_of_own(node)


def _put_in_line(node: lxml_html.HtmlElement) -> None:
    table = _table_of_own(node)
    tail = node.tail
    node.clear()
    node.tag, node.tail = "span", tail
    node.text = inline_table(table) if table is not None else ""


def _table_of_own(node: lxml_html.HtmlElement) -> Table | None:
    rows = [row for row in node.iter("tr") if _is_own(row, node)]
    grid, spans, heads = _spread_cells(rows)
    if not any(any(row) for row in grid):
        return None
    caption = next((each for each in node.iter("caption") if _is_own(each, node)), None)
    header_rows, header_columns = _count_headers(grid, rows, heads, spans)
    table = Table(
        rows=grid,
        header_rows=header_rows,
        header_columns=header_columns,
        spans=spans,
        caption=squeeze(" ".join(caption.itertext())) if caption is not None else "",
    )
    return _settle(table)


def _is_own(node: lxml_html.HtmlElement, table: lxml_html.HtmlElement) -> bool:
    return next(node.iterancestors("table"), None) is table


def _spread_cells(
    rows: Sequence[lxml_html.HtmlElement],
) -> tuple[tuple[tuple[str, ...], ...], tuple[Span, ...], frozenset[tuple[int, int]]]:
    """(the grid, spans, places of header cells)"""
    placed: dict[tuple[int, int], str] = {}
    spans: list[Span] = []
    heads: set[tuple[int, int]] = set()
    for number, row in enumerate(rows):
        column = 0
        for cell in row:
            if cell.tag not in ("td", "th"):
                continue
            while (number, column) in placed:
                column += 1
            height, width = _size_of(cell, len(rows) - number, MAX_PLACES - len(placed))
            text = squeeze(" ".join(cell.itertext()))
            covered = [(number + i, column + j) for i in range(height) for j in range(width)]
            placed.update((place, text) for place in covered if place not in placed)
            heads.update(covered if cell.tag == "th" else ())
            if height * width > 1:
                spans.append((number, column, height, width))
            column += width
    width = max((column + 1 for _, column in placed), default=0)
    grid = tuple(
        tuple(placed.get((number, column), "") for column in range(width))
        for number in range(len(rows))
    )
    return grid, tuple(spans), frozenset(heads)


def _size_of(cell: lxml_html.HtmlElement, rows: int, room: int) -> tuple[int, int]:
    """The rows and columns that a cell covers. rows: to the end of the table."""
    height = min(_span_of(cell, "rowspan") or rows, rows)
    width = _span_of(cell, "colspan") or 1
    return (height, width) if height * width <= room else (1, 1)


def _span_of(cell: lxml_html.HtmlElement, name: str) -> int:
    """Its span, bounded; 0 means to the end of the table."""
    told = (cell.get(name) or "").strip()
    return min(int(told), MAX_SPAN) if told.isascii() and told.isdigit() else 1


def _count_headers(
    grid: Sequence[Sequence[str]],
    rows: Sequence[lxml_html.HtmlElement],
    heads: frozenset[tuple[int, int]],
    spans: Sequence[Span],
) -> tuple[int, int]:
    """Header rows and columns by their marks (`thead`, `th`), else by what they hold."""
    width = len(grid[0])
    top = 0
    while top < len(rows) and (
        next(rows[top].iterancestors("thead"), None) is not None
        or all((top, column) in heads or not grid[top][column] for column in range(width))
    ):
        top += 1
    top = add_units(grid, top) if 0 < top < len(grid) else count_header_rows(grid, spans)
    left = 0
    while left < width and all((number, left) in heads for number in range(top, len(grid))):
        left += 1
    return top, left if left < width else 0
