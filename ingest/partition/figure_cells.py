"""Cells that only place things: signs in cells of their own beside a figure, columns without cells.

Reports set the currency sign, the closing bracket and the percent sign of a figure into columns of
their own, so that the digits stand below each other. They are parts of that figure.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest.elements import Table
from ingest.partition.header_rows import is_figure

MAX_MARK_CHARS = 8
MAX_WORD_CHARS = 4  # of what stands for a figure, such as "n.a."
_OPENING = re.compile(r"[(\[<>≤≥~≈±]+")
_BRACKET = re.compile(r"\s*[(\[]$")
_CLOSING = re.compile(
    r"[)\]]?\s?[%‰]?\s?[)\]]?\s?(?:[*†‡§¶]{1,3}|\^?[\u00b9\u00b2\u00b3\u2070-\u2079]+)?"
)
_NOTE = re.compile(r"[)\]%]{0,2}\s?[\[(](?:\d{1,2}|[a-z])[\])]|\^\(?\w{1,2}\)?")
_DASHES = frozenset("-–—−")


def drop_layout(table: Table) -> Table:
    """The table with the signs beside its figures joined to them, and without columns that hold no
    cell of their own: they are empty, or cells that begin further left lie over them.
    """
    if not table.rows or not table.rows[0]:
        return table
    grid = _FigureGrid(table)
    grid.drop_empty()
    grid.join_signs()
    return grid.table()


@dataclass(frozen=True, slots=True)
class _Move:
    """A column of signs and the one with their figures."""

    signs: int
    figures: int

    def join(self, sign: str, figure: str) -> str:
        if self.signs < self.figures:
            return sign + figure
        return f"{figure} {sign}" if _is_currency(sign) or _NOTE.fullmatch(sign) else figure + sign


class _FigureGrid:
    """A table while its columns are put together."""

    def __init__(self, table: Table) -> None:
        self.source = table
        self.rows = [list(row) for row in table.rows]
        self.kept = list(range(len(self.rows[0])))
        self.copies = _find_copies(table)

    def drop_empty(self) -> None:
        own = [
            column
            for column in self.kept
            if any(row[column] and not self.copies[n][column] for n, row in enumerate(self.rows))
        ]
        self.kept = own or self.kept

    def join_signs(self) -> None:
        """Signs beside figures; currency signs stand before them, or after them in all of the table."""
        signs = [column for column in self.kept if self._is_signs(column)]
        currency = [column for column in signs if self._has_currency(column)]
        before = all(self._move(column, 1) for column in currency)
        for column in reversed(signs):
            if before if column in currency else self._opens(column):
                self._apply(self._move(column, 1))
        for column in signs:
            if column in self.kept:
                self._apply(self._move(column, -1))

    def _cells(self, column: int) -> Iterator[str]:
        """The cells of values of a column that are its own."""
        for number in range(self.source.header_rows, len(self.rows)):
            if not self.copies[number][column] and (cell := self.rows[number][column]):
                yield cell

    def _is_signs(self, column: int) -> bool:
        return any(map(_is_sign, self._cells(column)))

    def _has_currency(self, column: int) -> bool:
        return any(map(_is_currency, self._cells(column)))

    def _opens(self, column: int) -> bool:
        return any(_OPENING.fullmatch(cell) for cell in self._cells(column))

    def _move(self, column: int, step: int) -> _Move | None:
        """The column and its neighbour on one side, if the two can become one."""
        at = self.kept.index(column) + step
        if not 0 <= at < len(self.kept):
            return None
        move = _Move(column, self.kept[at])
        joined = lonely = 0
        for number, row in enumerate(self.rows):
            sign, figure = row[move.signs], row[move.figures]
            if not sign or not figure or self._is_one_cell(number, move):
                lonely += number >= self.source.header_rows and _is_sign(sign) and not figure
            elif self._joins(number, move, step):
                joined += any(map(str.isdigit, figure))
            else:
                return None
        return move if joined and joined >= lonely else None

    def _joins(self, number: int, move: _Move, step: int) -> bool:
        sign, figure = self.rows[number][move.signs], self.rows[number][move.figures]
        fits = _stands_before(sign) if step > 0 else _stands_after(sign)
        is_note = bool(_NOTE.fullmatch(sign))
        if number < self.source.header_rows:  # which may be a row of figures taken for a header
            return sign == figure or (fits and not is_note and is_figure(figure))
        if is_note and not self.source.header_rows:
            return False  # it may be a figure below zero
        return fits and _stands_for_figure(figure)

    def _is_one_cell(self, number: int, move: _Move) -> bool:
        """Whether one merged cell lies over both columns."""
        return bool(self.copies[number][max(move.signs, move.figures)])

    def _apply(self, move: _Move | None) -> None:
        if move is None:
            return
        for number, row in enumerate(self.rows):
            sign, figure = row[move.signs], row[move.figures]
            if sign and figure and not self._is_one_cell(number, move) and sign != figure:
                row[move.figures] = move.join(sign, figure)
            else:
                row[move.figures] = figure or sign
        self.kept.remove(move.signs)

    def table(self) -> Table:
        if len(self.kept) == len(self.rows[0]):
            return self.source
        places = {column: place for place, column in enumerate(self.kept)}
        spans = []
        for row, left, height, width in self.source.spans:
            inside = [places[c] for c in range(left, left + width) if c in places]
            if inside and height * len(inside) > 1:
                spans.append((row, inside[0], height, len(inside)))
        labels = sum(column < self.source.header_columns for column in self.kept)
        return replace(
            self.source,
            rows=tuple(tuple(row[column] for column in self.kept) for row in self.rows),
            spans=tuple(spans),
            header_columns=labels if labels < len(self.kept) else 0,
        )


def _find_copies(table: Table) -> list[bytearray]:
    """Row by row, 1 in every place of a merged cell that begins further left."""
    nothing = bytearray(len(table.rows[0]))
    copies = [nothing] * len(table.rows)
    for top, left, height, width in table.spans:
        if width > 1:
            for number in range(top, min(top + height, len(copies))):
                if copies[number] is nothing:
                    copies[number] = bytearray(nothing)
                end = min(left + width, len(nothing))
                copies[number][left + 1 : end] = b"\1" * max(0, end - left - 1)
    return copies


def _is_sign(cell: str) -> bool:
    if not 0 < len(cell) <= MAX_MARK_CHARS:
        return False
    if cell[-1].isascii() and cell[-1].isalnum() and cell[0] != "^":
        return False  # most cells
    return _stands_before(cell) or _stands_after(cell)


def _stands_before(cell: str) -> bool:
    if len(cell) > MAX_MARK_CHARS:
        return False
    return bool(_OPENING.fullmatch(cell)) or _is_currency(_BRACKET.sub("", cell))


def _stands_after(cell: str) -> bool:
    if not cell or len(cell) > MAX_MARK_CHARS:
        return False
    return bool(_CLOSING.fullmatch(cell) or _NOTE.fullmatch(cell)) or _is_currency(cell)


def _is_currency(cell: str) -> bool:
    """Whether it is the sign of a currency, letters before it included: "US$"."""
    letters, sign = cell[:-1], cell[-1:]
    return (
        bool(sign)
        and unicodedata.category(sign) == "Sc"
        and len(letters) <= 3
        and (not letters or (letters.isalpha() and letters.isupper()))
    )


def _stands_for_figure(cell: str) -> bool:
    """Whether it is an amount, or stands for one: a dash, "n.a."."""
    if any(map(str.isdigit, cell)):
        return sum(map(str.isalpha, cell)) <= sum(map(str.isdigit, cell))
    return set(cell) <= _DASHES or len(cell) <= MAX_WORD_CHARS
