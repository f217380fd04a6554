"""Placed cells of Office tables to table elements: merged cells spread, titles told from headers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.elements import Element
from ingest.partition.header_rows import add_units, count_header_rows
from ingest.partition.tables import MAX_PLACES, MAX_SPAN, Span, inline_table, make_table, squeeze

MAX_TITLE_CHARS = 200  # a longer line above a table is a paragraph


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell at its place in a grid, with the rows and columns that it covers."""

    row: int
    column: int
    text: str
    height: int = 1
    width: int = 1


def spread(cells: Sequence[Placed], height: int) -> tuple[list[list[str]], list[Span]]:
    """(rows, spans): every merged cell in all the places that it covers, none twice."""
    filled: dict[tuple[int, int], str] = {}
    spans: list[Span] = []
    room = MAX_PLACES
    for cell in cells:
        tall = max(1, min(cell.height, height - cell.row))
        wide = max(1, min(cell.width, MAX_SPAN))
        if tall * wide > room:
            tall = wide = 1
        room -= tall * wide
        if tall * wide > 1:
            spans.append((cell.row, cell.column, tall, wide))
        for row in range(cell.row, cell.row + tall):
            for column in range(cell.column, cell.column + wide):
                filled.setdefault((row, column), cell.text)
    return _lay_out(filled, height), spans


def _lay_out(filled: Mapping[tuple[int, int], str], height: int) -> list[list[str]]:
    """The rows of a grid, all of one length."""
    rows: list[list[str]] = [[] for _ in range(height)]
    for (row, column), text in filled.items():
        line = rows[row]
        line.extend([""] * (column + 1 - len(line)))
        line[column] = text
    width = max(map(len, rows), default=0)
    for line in rows:
        line.extend([""] * (width - len(line)))
    return rows


def table_elements(
    rows: Sequence[Sequence[str]],
    spans: Sequence[Span],
    *,
    header_rows: int | None = None,
    header_columns: int = 0,
    caption: str = "",
    page: int | None = None,
    page_name: str | None = None,
) -> Iterator[Element]:
    """The grid as one table. A line over its whole width at the top is its caption; lines there
    that are too long for one are paragraphs before it.

    header_rows: as the file marks them; if None, the first row and what hangs from it.
    """
    titles = _titles_at_top(rows, spans) if header_rows is None else []
    top = len(titles)
    captions = [*([squeeze(caption)] if caption else ()), *titles]
    for line in captions:
        if len(line) > MAX_TITLE_CHARS:
            yield Element(kind="text", text=line, page=page, page_name=page_name)
    lines = [line for line in captions if len(line) <= MAX_TITLE_CHARS]
    kept = [list(row) for row in rows[top:]]
    lower = [(row - top, *rest) for row, *rest in spans if row >= top]
    moved: list[Span] = [(a, b, c, d) for a, b, c, d in lower]
    marked = header_rows is not None
    header_rows = add_units(kept, header_rows or 0) if marked else count_header_rows(kept, moved)
    if any(any(row) for row in kept):
        yield make_table(
            kept,
            header_rows=header_rows if header_rows < len(kept) else 0,
            header_columns=header_columns,
            spans=moved,
            caption=lines[0] if lines else "",
            notes=lines[1:],
            page=page,
            page_name=page_name,
        )


def _is_title(rows: Sequence[Sequence[str]], spans: Sequence[Span], number: int) -> bool:
    """Whether one cell alone covers the whole row, in a table of several columns."""
    width = len(rows[number])
    return (
        width > 1 and bool(rows[number][0]) and any(span == (number, 0, 1, width) for span in spans)
    )


def _titles_at_top(rows: Sequence[Sequence[str]], spans: Sequence[Span]) -> list[str]:
    """Those that are followed by a row, at least."""
    top = 0
    while top < len(rows) - 1 and _is_title(rows, spans, top):
        top += 1
    return [squeeze(next(filter(None, row))) for row in rows[:top]]


def cell_text(blocks: Sequence[Element]) -> str:
    """The blocks of one cell as its text."""
    return "\n".join(inline_table(each.table) if each.table else each.text for each in blocks)
