"""One sheet as it was read, from whatever spreadsheet."""

from dataclasses import dataclass, field
from typing import NamedTuple


class SheetCell(NamedTuple):
    """A cell with text, and what its text is. A tuple, because a sheet has millions of them."""

    column: int  # from 1
    text: str
    is_number: bool = False  # or a date
    is_copy: bool = False  # of a merged cell that begins elsewhere


@dataclass(slots=True)
class Sheet:
    """One sheet as read: only cells with text, rows and columns counted from 1."""

    name: str
    number: int
    rows: dict[int, list[SheetCell]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(
        default_factory=list
    )  # top, left, bottom, right
    # by (row, first column) where a table begins: how many header rows the file says it has
    headers: dict[tuple[int, int], int] = field(default_factory=dict)
    frozen_rows: int = 0  # so many rows stay in sight when the sheet is scrolled
    # rows and columns whose cells were left out: there is no gap where they stood
    unseen_rows: set[int] = field(default_factory=set)
    unseen_columns: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SheetBlock:
    """Rows that stand together, each at its number, only the cells of this block."""

    rows: tuple[tuple[int, tuple[SheetCell, ...]], ...]

    @property
    def columns(self) -> tuple[int, int]:
        used = [cell.column for _, cells in self.rows for cell in cells]
        return min(used), max(used)

    @property
    def used_columns(self) -> list[int]:
        """In order; columns that are empty throughout are none of the table's."""
        return sorted({cell.column for _, cells in self.rows for cell in cells})
