"""The tables of one document, by their places in its text."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from indexes.model import TableMark
from ingest.sections import TextBlock
from ingest.table_text import TableText


class DocumentTables:
    """Finds the table at a place, and says what stands in tables between two places."""

    def __init__(self, text: str, blocks: Iterable[TextBlock]) -> None:
        self._text = text
        self._tables = [
            TableText(text, block.start, block.end, block.element.table)
            for block in blocks
            if block.element.kind == "table"
        ]
        self._starts = [table.start for table in self._tables]

    def at(self, place: int) -> TableText | None:
        """The table that holds this character."""
        number = bisect_right(self._starts, place) - 1
        table = self._tables[number] if number >= 0 else None
        return table if table and place < table.end else None

    def header_above(self, start: int, end: int) -> str:
        """Of the table that goes on between two places."""
        table = self.at(start)
        return table.header_above(start, end) if table else ""

    def say(self, start: int, end: int) -> str:
        """The text between two places with its tables as prose."""
        parts: list[str] = []
        at = start
        for table in self._between(start, end):
            parts.append(self._text[at : max(at, table.start)])
            parts.append(table.say(at, end))
            at = min(end, table.end)
        return "".join((*parts, self._text[at:end]))

    def has_prose(self, start: int, end: int) -> bool:
        """Whether a table between two places is said as prose."""
        return any(table.is_prose for table in self._between(start, end))

    def marks(self, start: int, end: int) -> tuple[TableMark, ...]:
        """Where tables stand between two places."""
        return tuple(
            TableMark(
                max(start, table.start),
                min(end, max(start, table.body_start)),
                min(end, table.end),
            )
            for table in self._between(start, end)
        )

    def _between(self, start: int, end: int) -> Sequence[TableText]:
        first = max(0, bisect_right(self._starts, start) - 1)
        if first < len(self._tables) and self._tables[first].end <= start:
            first += 1
        return self._tables[first : bisect_left(self._starts, end)]
