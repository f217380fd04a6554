"""Tables of rich text: rows of cells whose right edges say which columns they cover."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.elements import Element
from ingest.partition.tables import make_table

TOLERANCE = 60  # twentieths of a point by which edges of one column may differ
MAX_COLUMNS = 500


@dataclass(slots=True)
class _CellDefinition:
    edge: int
    merge: frozenset[str] = frozenset()


@dataclass(slots=True)
class RtfTable:
    """Collects cells, and makes a table of them at the end."""

    _defined: list[_CellDefinition] = field(default_factory=list)
    _merge: set[str] = field(default_factory=set)
    _rows: list[tuple[list[str], list[_CellDefinition]]] = field(default_factory=list)
    _cells: list[str] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _headers: int = 0
    _header: bool = False

    @property
    def has_rows(self) -> bool:
        return bool(self._rows or self._cells or self._parts)

    def begin_definition(self) -> None:
        self._defined, self._merge, self._header = [], set(), False

    def define_cell(self, edge: int) -> None:
        if len(self._defined) < MAX_COLUMNS:
            self._defined.append(_CellDefinition(edge, frozenset(self._merge)))
        self._merge = set()

    def merge_next(self, word: str) -> None:
        self._merge.add(word)

    def is_header(self) -> None:
        self._header = True

    def add(self, text: str) -> None:
        if text:
            self._parts.append(text)

    def end_cell(self) -> None:
        text = "".join(self._parts).replace("\v", "\n")
        self._cells.append(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
        self._parts = []

    def end_row(self) -> None:
        if "".join(self._parts).strip():
            self.end_cell()
        self._parts = []
        if self._cells:
            if self._header and self._headers == len(self._rows):
                self._headers += 1
            self._rows.append((self._cells, list(self._defined)))
        self._cells = []

    def element(self) -> Element | None:
        """The table; None if it has no text."""
        self.end_row()
        if not any(cell.strip() for cells, _ in self._rows for cell in cells):
            return None
        edges = _column_edges([cell.edge for _, defined in self._rows for cell in defined])
        grid: list[list[str]] = []
        spans: list[tuple[int, int, int, int]] = []
        for number, (cells, defined) in enumerate(self._rows):
            grid.append(_place(cells, defined, edges, grid, number, spans))
        headers = self._headers if 0 < self._headers < len(grid) else None
        return make_table(grid, header_rows=headers, spans=spans)


def _column_edges(edges: Sequence[int]) -> list[int]:
    """The right edges of the columns, those that hardly differ taken for one."""
    made: list[int] = []
    for edge in sorted(set(edges)):
        if not made or edge - made[-1] > TOLERANCE:
            made.append(edge)
    return made[:MAX_COLUMNS]


def _place(
    cells: Sequence[str],
    defined: Sequence[_CellDefinition],
    edges: Sequence[int],
    above: Sequence[Sequence[str]],
    number: int,
    spans: list[tuple[int, int, int, int]],
) -> list[str]:
    """One row of the grid, with merged cells in every place that they cover."""
    if len(defined) < len(cells) or [cell.edge for cell in defined] != sorted(
        cell.edge for cell in defined
    ):
        return list(cells)
    row: list[str] = []
    for text, cell in zip(cells, defined, strict=False):
        wide = max(1, sum(1 for edge in edges if edge <= cell.edge + TOLERANCE) - len(row))
        if "clmrg" in cell.merge and row and not text.strip():
            text = row[-1]
        at = len(row)
        if "clvmrg" in cell.merge and above and at < len(above[-1]) and not text.strip():
            text = above[-1][at]
        if wide > 1:
            spans.append((number, at, 1, wide))
        row += [text] * wide
    return row
