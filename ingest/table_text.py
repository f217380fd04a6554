"""What a table says, row by row: as it stands in the document's text, and as prose for the embedder.

In the text a row is its cells with " | " between them. For the embedder each value follows what
stands above it: "Purchases of equipment: 2018: 1,577; 2017: 1,400", unless that is no shorter way
to say it: then the rows stay rows, below their header.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from indexes.text.lines import line_ranges
from ingest.elements import Table
from ingest.partition.tables import CELL, ESCAPED, aligned_line, readable_table
from ingest.table_groups import find_groups

MAX_HEAD_CHARS = 100  # a longer header is a paragraph and not repeated with every value
MAX_HEAD_LINE_CHARS = 300  # of all headers of a table, to be named once before its rows
MAX_LABEL_CHARS = 200  # the same of what names a row, if the row is cut
MAX_REPEATED_CHARS = 600  # of header rows that are embedded above every part of a table
MAX_HEADER_CHARS = 2_000  # of the lines above a part of a table that are kept with it
MAX_PROSE_RATE = 3  # so many times the letters of the rows, and prose is no help

TextRange = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _CellPlace:
    column: int
    start: int
    end: int
    text: str


class TableText:
    """One table of a document, at its place in the document's text."""

    def __init__(self, text: str, start: int, end: int, table: Table | None) -> None:
        """text: of the document; the table is `text[start:end]`. If its cells are not known, its
        first line with cells is its header.
        """
        self.start, self.end = start, end
        self._text = text
        self.lines = _find_lines(text, start, end)
        self._table = table if table and _is_written_there(table, text[start:end]) else None
        lead = _count_lead_lines(self._table) if self._table else 0
        self._row_numbers = _filled_rows(self._table) if self._table else ()
        self._used = _used_columns(self._table) if self._table else ()
        header = self._count_header_lines(lead)
        self._lead = lead  # lines of caption and notes
        self._below = lead + header  # lines above the first row of values
        if self._below >= len(self.lines):
            self._below = lead
        self._placed: tuple[int, Sequence[_CellPlace]] = (-1, ())
        self._titles, self._heads, self._labels = self._read_header()
        self._prefixes = [f"{head}: " if head else "" for head in self._heads]
        self._is_label_headed = any(self._heads[: self._labels])
        self.is_prose = self._is_better_as_prose()
        line = ", ".join(head for head in self._heads if head)
        self._head_line = (line,) if len(line) <= MAX_HEAD_LINE_CHARS else ()

    @property
    def body_start(self) -> int:
        """Where the first row of values begins."""
        return self.lines[self._below][0] if self._below < len(self.lines) else self.end

    @property
    def rows(self) -> Sequence[TextRange]:
        """The places of the rows of values."""
        return self.lines[self._below :]

    def header_above(self, start: int, end: int) -> str:
        """Caption, notes, header rows and names of groups that stand before a part of the table, one
        a line; of a part of a row what names that row, and the header rows of the columns in it.
        """
        above = [line for line in self.lines[: self._below] if line[1] <= start]
        named = [self._text[slice(*line)] for line in above[: self._lead]]
        heads = [self._text[slice(*line)] for line in above[self._lead :]]
        number = self._line_at(start)
        begin, stop = self.lines[number]
        if heads and self._table and number >= self._below and (begin < start or end < stop):
            heads = self._part_of_header(number, start, end)
        kept = _first_that_fit((*heads, *named), MAX_HEADER_CHARS)
        if len(kept) < len(heads):
            return ""
        groups = self._group_names(start)
        fits = sum(map(len, (*kept, *groups))) <= MAX_HEADER_CHARS
        return "\n".join((*kept[len(heads) :], *kept[: len(heads)], *(groups if fits else ())))

    def lead_above(self, start: int, end: int) -> list[str]:
        """What is embedded of the lines above a part of the table, one a line, the most important
        last.
        """
        if not self.is_prose:
            return self.header_above(start, end).splitlines()
        above = [self._text[slice(*line)] for line in self.lines[: self._lead] if line[1] <= start]
        if start < self.body_start:
            return above
        return [*self._head_line, *above, *self._titles, *self._group_names(start)]

    def say(self, start: int, end: int) -> str:
        """The part of the table that stands at this place of the text, as the embedder reads it.

        Lines that are cut through keep their label and their headers.
        """
        start, end = max(start, self.start), min(end, self.end)
        if not self.is_prose or end <= self.body_start:
            return self._text[start:end]
        said = [self._text[slice(*line)] for line in self.lines[: self._lead] if line[0] >= start]
        said += (*self._titles, *self._head_line) if start < self.body_start else ()
        first = max(self._below, self._line_at(start))
        for number in range(first, len(self.lines)):
            begin, stop = self.lines[number]
            if begin >= end:
                break
            if stop > start:
                said.append(self._say_row(number, max(begin, start), min(stop, end)))
        return "\n".join(line for line in said if line)

    def cells(self, row: TextRange) -> list[int]:
        """Where a row's cells with text begin; empty if they are not known."""
        return [cell.start for cell in self._cells(self._line_at(row[0]))]

    def boundary(self, start: int, end: int, wanted: int) -> int | None:
        """Between `start` and `end`, the begin of a row that is nearest to a place, or of a cell."""
        rows = [line[0] for line in self.lines if start < line[0] < end]
        if not rows:
            line = self._line_at(start)
            rows = [cell.start for cell in self._cells(line) if start < cell.start < end]
        return min(rows, key=lambda place: abs(place - wanted), default=None)

    # --- groups ---------------------------------------------------------------------------------

    def _group_names(self, start: int) -> list[str]:
        """The rows that name what begins here, as they stand before it, outermost first."""
        number = self._line_at(start) - self._below
        if self._table is None or not 0 <= number < len(self._groups):
            return []
        above = [self.lines[self._below + place] for place in self._groups[number]]
        return [self._text[slice(*line)] for line in above]

    @cached_property
    def _groups(self) -> list[tuple[int, ...]]:
        assert self._table is not None
        return find_groups(self._table, self._row_numbers[self._below - self._lead :], self._labels)

    # --- header ---------------------------------------------------------------------------------

    def _count_header_lines(self, lead: int) -> int:
        if self._table is None:  # the first row may be a caption
            for number, (start, end) in enumerate(self.lines[:2]):
                if CELL in self._text[start:end]:
                    return number + 1
            return 0
        header_rows = self._table.header_rows
        return sum(1 for number in self._row_numbers if number < header_rows)

    def _read_header(self) -> tuple[list[str], list[str], int]:
        """(titles over the whole table, what stands above each column, how many columns name rows)"""
        table = self._table
        if table is None:
            return [], [], 0
        width = len(table.rows[0])
        titles: list[str] = []
        parts: list[list[str]] = [[] for _ in range(width)]
        top = table.rows[: table.header_rows] if self._below > self._lead else ()
        for number, row in enumerate(top):
            if _is_title(row) and number + 1 < len(top):
                titles.append(next(cell for cell in row if cell))
                continue
            for column, cell in enumerate(row):
                if cell and (not parts[column] or parts[column][-1] != cell):
                    parts[column].append(cell)
        heads = [" ".join(part).rstrip(" :") for part in parts]
        return titles, heads, min(max(1, table.header_columns), width)

    def _part_of_header(self, number: int, start: int, end: int) -> list[str]:
        """What names a row, and the header rows of the columns that it has between two places."""
        assert self._table is not None
        inside = self._cells_between(number, start, end)
        first, last = (inside[0].column, inside[-1].column) if inside else (0, -1)
        if start <= self.lines[number][0]:  # the bars of empty cells before it stand there too
            first = self._used[0]
        columns = self._used[bisect_left(self._used, first) : bisect_right(self._used, last)]
        labels = self._cells(number)[: self._labels]
        names = [cell.text for cell in labels if cell.column < min(first, self._labels)]
        label = "; ".join(names)
        top = [[row[column] for column in columns] for row in self._header_rows()]
        named = [label] if label and len(label) <= MAX_LABEL_CHARS else []
        return [*named, *(aligned_line(row) for row in top if any(row))]

    def _header_rows(self) -> Sequence[Sequence[str]]:
        return self._table.rows[: self._table.header_rows] if self._table else ()

    # --- prose ----------------------------------------------------------------------------------

    def _is_better_as_prose(self) -> bool:
        """Whether saying the header with every value is faithful and not much longer."""
        table = self._table
        if table is None or self._below == self._lead or not self._below < len(self.lines):
            return False
        used = self._used
        values = [column for column in used if column >= self._labels]
        heads = [self._heads[column] for column in values]
        if len(used) < 2 or any(len(self._heads[column]) > MAX_HEAD_CHARS for column in used):
            return False
        if any(heads) and self._is_header_too_long():
            return True
        # below a header that is empty or like another one, only its place tells what a value is
        if not heads or not all(heads) or len(set(heads)) < len(heads):
            return False
        return self._count_prose_letters() <= MAX_PROSE_RATE * sum(
            end - start for start, end in self.rows
        )

    def _is_header_too_long(self) -> bool:
        """Whether it cannot stand above every part: then each value must say its own."""
        header = self.lines[self._lead : self._below]
        return sum(end - start for start, end in header) > MAX_REPEATED_CHARS

    def _count_prose_letters(self) -> int:
        assert self._table is not None
        sizes = [len(head) + 2 if head else 0 for head in self._heads]
        return sum(
            len(cell) + 2 + size
            for number in self._row_numbers[self._below - self._lead :]
            for cell, size in zip(self._table.rows[number], sizes, strict=True)
            if cell
        )

    def _say_row(self, number: int, start: int, end: int) -> str:
        if (start, end) == self.lines[number]:
            return self._say_whole_row(number)
        labels = [cell for cell in self._cells(number)[: self._labels] if self._names_rows(cell)]
        values = [c for c in self._cells_between(number, start, end) if not self._names_rows(c)]
        said = [part for cell in values if (part := self._say_cell(cell, start, end))]
        named = [part for cell in labels if (part := self._say_cell(cell, start, end, said))]
        return self._put_together(named, said)

    def _say_whole_row(self, number: int) -> str:
        assert self._table is not None
        row = self._table.rows[self._row_numbers[number - self._lead]]
        filled = [column for column in self._used if row[column]]
        first = row[filled[0]]
        if len(filled) > 1 and all(row[column] == first for column in filled):
            return first  # merged over the whole row
        said = [f"{self._prefixes[column]}{row[column]}" for column in filled]
        labels = bisect_left(filled, self._labels)
        return self._put_together(said[:labels], said[labels:])

    def _put_together(self, named: Sequence[str], said: Sequence[str]) -> str:
        """What names a row, and its values."""
        if not named or not said or self._is_label_headed:
            return "; ".join((*named, *said))
        name = "; ".join(named)
        return f"{name}{' ' if name.endswith(':') else ': '}{'; '.join(said)}"

    def _say_cell(self, cell: _CellPlace, start: int, end: int, said: Sequence[str] = ()) -> str:
        """The part of the cell between two places, with its header; empty if there is none.

        said: what is said of the row's values there. If the cell names them, it is said whole,
        wherever it stands.
        """
        if start <= cell.start and cell.end <= end:
            return self._with_head(cell.column, cell.text)
        if said and cell.end <= start and len(cell.text) <= MAX_LABEL_CHARS:
            return self._with_head(cell.column, cell.text)
        part = self._text[max(start, cell.start) : max(start, min(end, cell.end))].strip()
        return self._with_head(cell.column, part) if part else ""

    def _with_head(self, column: int, text: str) -> str:
        return self._prefixes[column] + text

    # --- places ---------------------------------------------------------------------------------

    def _names_rows(self, cell: _CellPlace) -> bool:
        return cell.column < self._labels

    def _cells_between(self, number: int, start: int, end: int) -> Sequence[_CellPlace]:
        """The filled cells of a line that stand, at least in part, between two places."""
        cells = self._cells(number)
        first = bisect_right(cells, start, key=lambda cell: cell.end)
        return cells[first : bisect_left(cells, end, key=lambda cell: cell.start)]

    def _cells(self, number: int) -> Sequence[_CellPlace]:
        """The filled cells of a line, with their places; none if they are not known."""
        if number != self._placed[0]:  # a long row is asked for once for each of its cells
            self._placed = number, self._find_cells(number)
        return self._placed[1]

    def _find_cells(self, number: int) -> Sequence[_CellPlace]:
        row_index = number - self._lead
        if self._table is None or not 0 <= row_index < len(self._row_numbers):
            return []
        row = self._table.rows[self._row_numbers[row_index]]
        start, end = self.lines[number]
        found: list[_CellPlace] = []
        # the space before the first bar of a line is not in the text
        at = start if row[self._used[0]] else start - len(CELL) + len(CELL.lstrip())
        for column in self._used:
            length = len(row[column].replace("|", ESCAPED))
            if row[column]:
                stop = min(end, at + length)
                found.append(_CellPlace(column, max(start, at), stop, row[column]))
            at += length + len(CELL)
        return found

    def _line_at(self, place: int) -> int:
        """The number of the line that holds this place, or of the last one that begins before it."""
        return max(0, bisect_right(self.lines, place, key=lambda line: line[0]) - 1)


def _first_that_fit(lines: Iterable[str], room: int) -> list[str]:
    """Lines up to the first that does not fit, in characters."""
    kept: list[str] = []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return kept


def _find_lines(text: str, start: int, end: int) -> list[TextRange]:
    """The places of the lines with something on them, without white space around it."""
    return list(line_ranges(text, start, end))


def _is_written_there(table: Table, text: str) -> bool:
    """Whether the text is this table's, line by line, so that places in it can be told."""
    lines = _count_lead_lines(table) + len(_filled_rows(table))
    return text == readable_table(table).strip() and text.count("\n") + 1 == lines


def _used_columns(table: Table) -> Sequence[int]:
    """Columns that stand in the text."""
    used: set[int] = set()
    for row in table.rows:
        used.update(column for column, cell in enumerate(row) if cell)
    return sorted(used)


def _count_lead_lines(table: Table) -> int:
    return sum(1 for line in (table.caption, *table.notes) if line)


def _filled_rows(table: Table) -> Sequence[int]:
    """Numbers of the rows that stand in the text."""
    return [number for number, row in enumerate(table.rows) if any(row)]


def _is_title(row: Sequence[str]) -> bool:
    """Whether a header row names the whole table: one cell at its beginning, or one over it all."""
    filled = [cell for cell in row if cell]
    return bool(row[0]) and len(set(filled)) == 1 and len(filled) in (1, len(row))
