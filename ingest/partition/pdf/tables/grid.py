"""Tables as they are found on a page, before they become elements."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ingest.partition.lines import join_lines
from ingest.partition.pdf.page import Box, Word
from ingest.partition.pdf.rows import is_number, is_year, lines_text
from ingest.partition.tables import Span


@dataclass(slots=True)
class GridCell:
    """Places of the grid that are one cell, ends excluded."""

    row: int
    column: int
    end_row: int
    end_column: int
    words: list[Word] = field(default_factory=list)

    @property
    def text(self) -> str:
        if self.words and all(word.turned for word in self.words):
            return upright_text(self.words)
        return join_lines(lines_text(self.words))


@dataclass(frozen=True, slots=True)
class FoundTable:
    """One table on one page: its cells, and what it is made of."""

    page: int
    box: Box
    rows: tuple[tuple[str, ...], ...]  # merged cells spread
    spans: tuple[Span, ...]  # (row, column, rows, columns)
    header_rows: int
    words: frozenset[int] = frozenset()  # places of its words among those of the page
    columns: tuple[float, ...] = ()  # where its columns part
    ruled: bool = False
    caption: str = ""
    notes: tuple[str, ...] = ()

    def with_caption(self, caption: str, notes: tuple[str, ...]) -> "FoundTable":
        return replace(self, caption=caption, notes=notes)

    @property
    def header_columns(self) -> int:
        """1 if the first column names the rows: words, where others have figures."""
        names = [row[0] for row in self.rows[self.header_rows :] if row[0]]
        plain = sum(not is_number(name) or is_year(name) for name in names)
        return int(bool(names) and 2 * plain > len(names) and not self.words_only)

    @property
    def words_only(self) -> bool:
        """Whether no cell beside the first column and below the header is a figure."""
        return not any(is_number(cell) for row in self.rows[1:] for cell in row[1:])


def upright_text(words: Iterable[Word]) -> str:
    """Words set upright, in the order of the file, as text."""
    return "".join((" " if word.spaced else "") + word.text for word in words).strip()


def spread(cells: list[GridCell], height: int, width: int) -> tuple[list[list[str]], list[Span]]:
    """The grid with merged cells in every place that they cover, and where they were merged."""
    grid = [[""] * width for _ in range(height)]
    spans: list[Span] = []
    for cell in cells:
        text = cell.text
        rows, columns = cell.end_row - cell.row, cell.end_column - cell.column
        for row in range(cell.row, cell.end_row):
            for column in range(cell.column, cell.end_column):
                grid[row][column] = text
        if rows * columns > 1:
            spans.append((cell.row, cell.column, rows, columns))
    return grid, spans
