"""OpenDocument spreadsheets: cells as they come, hidden ones counted, and what stands around them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.odf.document import CONTENT, STYLES, read_about, require_content
from ingest.partition.odf.objects import image_elements, object_elements
from ingest.partition.odf.styles import OdfStyles
from ingest.partition.office.package import (
    Package,
    local,
    number_of,
    open_package,
    release,
    value_of,
)
from ingest.partition.office.pictures import Pictures
from ingest.partition.reading import ReadResult
from ingest.partition.sheets.model import Sheet, SheetCell
from ingest.partition.sheets.tables import sheet_elements

MAX_REPEATED = 1_000  # a cell or row may claim to stand there a million times
MAX_CELLS = 2_000_000
SHEET_TAGS = (
    "style", "table", "table-column", "table-row", "table-cell", "covered-table-cell", "annotation", "shapes",
    "tracked-changes",
)  # fmt: skip
_NUMBERS = ("float", "percentage", "currency", "date", "time")
_UNSEEN = ("collapse", "filter")


def read_spreadsheet(path: Path, work: ParseContext) -> ReadResult:
    """Sheets in order, with the text that each cell shows. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        require_content(package)
        book = _OdsBook(package, work)
        elements = list(book.elements())
        book.pictures.require_text(elements)
        return elements, read_about(package)


@dataclass(slots=True)
class _OdsReading:
    """One sheet while its cells come in."""

    sheet: Sheet
    hidden: bool
    row: int = 0
    cells: list[SheetCell] = field(default_factory=list)
    merged: list[tuple[int, int, int]] = field(default_factory=list)  # column, columns, rows
    column: int = 0
    columns: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    styles: list[tuple[int, int, str]] = field(default_factory=list)  # of columns: first, last
    whys: dict[int, str] = field(default_factory=dict)  # why nobody sees cells of this row


class _OdsBook:
    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        self.styles = OdfStyles()
        for _, node in package.stream(STYLES, "style", events=("end",)):
            self.styles.add(node)
        self.whys: dict[str | None, str] = {}  # why nobody sees letters of a style of cells
        self.left = MAX_CELLS
        self.uncomputed = 0
        self.depth = 0  # of tables: those of charts stand inside a sheet
        self.sheets = 0
        self.reading: _OdsReading | None = None
        self.after: list[Element] = []  # what follows the sheet that is being read

    def elements(self) -> Iterator[Element]:
        for event, node in self.package.stream(CONTENT, *SHEET_TAGS):
            tag = local(node)
            if event == "start":
                self._start(tag, node)
            elif tag == "table":
                self.depth -= 1
                if self.depth == 0:
                    yield from self._end_sheet()
                release(node)
            elif tag == "style":
                self.styles.add(node)
            elif tag == "tracked-changes":
                release(node)
            elif self.reading is not None and self.depth == 1:
                self._read(tag, node, self.reading)
        yield from self._end_sheet()  # if the file ends within it
        if self.uncomputed:
            self.work.warn(
                f"Formulas without a stored value: {self.uncomputed}. They are shown instead of it."
            )

    def _start(self, tag: str, node: etree._Element) -> None:
        if tag == "table":
            self.depth += 1
            if self.depth == 1:
                self.sheets += 1
                self.reading = self._begin(node, self.sheets)

    def _begin(self, node: etree._Element, number: int) -> _OdsReading:
        name = clean(value_of(node, "name") or f"Sheet{number}").strip()
        hidden = self.styles.hides("table", value_of(node, "style-name"))
        return _OdsReading(Sheet(name, number), hidden)

    def _read(self, tag: str, node: etree._Element, reading: _OdsReading) -> None:
        if tag == "table-column":
            count = _repeated(node, "number-columns-repeated")
            if value_of(node, "visibility") in _UNSEEN:
                reading.hidden_columns.append((reading.columns + 1, reading.columns + count))
            if style := value_of(node, "default-cell-style-name"):
                reading.styles.append((reading.columns + 1, reading.columns + count, style))
            reading.columns += count
            release(node)
        elif tag in ("table-cell", "covered-table-cell"):
            self._read_cell(tag, node, reading)
            release(node)
        elif tag == "table-row":
            self._end_row(node, reading)
            release(node)
        elif tag == "annotation":
            if text := _lines(node.iter("{*}p")):
                reading.comments.append(text)
            node.clear(keep_tail=True)
        elif tag == "shapes":
            self._read_shapes(node)
            node.clear()

    def _read_cell(self, tag: str, node: etree._Element, reading: _OdsReading) -> None:
        count = _repeated(node, "number-columns-repeated")
        first = reading.column + 1
        reading.column += count
        if tag == "covered-table-cell":
            return
        self._read_shapes(node)
        text, is_number = self._text(node)
        if not text:
            return
        why = self._why_unseen(node, reading, first)
        for column in range(first, first + min(count, MAX_REPEATED)):
            if why:
                reading.whys[column] = why
            reading.cells.append(SheetCell(column, text, is_number))
        across = number_of(value_of(node, "number-columns-spanned"), 1)
        down = number_of(value_of(node, "number-rows-spanned"), 1)
        if across > 1 or down > 1:
            reading.merged.append((first, max(1, across), max(1, down)))

    def _why_unseen(self, node: etree._Element, reading: _OdsReading, column: int) -> str:
        """Why the letters of a cell are not to be seen; "" if they are."""
        style = value_of(node, "style-name") or next(
            (style for first, last, style in reading.styles if first <= column <= last), None
        )
        if style not in self.whys:
            self.whys[style] = self.styles.why_unseen([("table-cell", style)])
        why = self.whys[style]
        return f"{why} in the sheet {reading.sheet.name}" if why else ""

    def _text(self, node: etree._Element) -> tuple[str, bool]:
        is_number = value_of(node, "value-type") in _NUMBERS
        if text := _lines(node.iterchildren("{*}p")):
            return text, is_number
        value = (
            value_of(node, "value") or value_of(node, "date-value") or value_of(node, "time-value")
        )
        formula = value_of(node, "formula")
        if value is None and formula and value_of(node, "value-type") is None:
            self.uncomputed += 1
            return clean(formula), False
        return clean(value or ""), is_number

    def _end_row(self, node: etree._Element, reading: _OdsReading) -> None:
        count = _repeated(node, "number-rows-repeated")
        first = reading.row + 1
        reading.row += count
        cells, merged = reading.cells, reading.merged
        reading.cells, reading.merged, reading.column = [], [], 0
        if not cells:
            return
        unseen = value_of(node, "visibility") in _UNSEEN
        for row in range(first, first + min(count, MAX_REPEATED)):
            kept = [shown for cell in cells if (shown := self._shown(cell, reading, unseen))]
            if len(kept) > self.left:
                self.work.lose("limit", len(kept), "cells", f"of the sheet {reading.sheet.name}")
                return
            self.left -= len(kept)
            if kept:
                reading.sheet.rows[row] = kept
            else:
                reading.sheet.unseen_rows.add(row)
        reading.whys = {}
        reading.sheet.merged += [
            (first, column, first + down - 1, column + across - 1)
            for column, across, down in merged
        ]

    def _shown(self, cell: SheetCell, reading: _OdsReading, row_hidden: bool) -> SheetCell | None:
        name, why = reading.sheet.name, reading.whys.get(cell.column, "")
        if reading.hidden:
            why = f"in the hidden sheet {name}"
        elif row_hidden:
            why = f"in hidden rows of the sheet {name}"
        elif any(first <= cell.column <= last for first, last in reading.hidden_columns):
            why = f"in hidden columns of the sheet {name}"
        if not why:
            return cell
        shown = self.work.hide(cell.text, why)
        return SheetCell(cell.column, shown, False) if shown else None

    def _read_shapes(self, node: etree._Element) -> None:
        """Text boxes, charts and pictures that stand on the sheet or in a cell of it."""
        for each in node.iter("{*}object", "{*}image", "{*}text-box", "{*}custom-shape"):
            if local(each) == "object":
                self.after += object_elements(self.package, self.work, each, None)
            elif local(each) == "image":
                self.after += image_elements(self.package, self.pictures, each, None)
            elif text := _lines(each.iter("{*}p")):
                self.after.append(Element(kind="text", text=text))

    def _end_sheet(self) -> Iterator[Element]:
        reading, self.reading = self.reading, None
        if reading is None:
            return
        sheet = reading.sheet
        yield from sheet_elements(sheet)
        after, self.after = self.after, []
        after += [Element(kind="text", text=f"Comment: {text}") for text in reading.comments]
        for element in after:
            why = f"in the hidden sheet {sheet.name}"
            shown = self.work.hide(element.text, why) if reading.hidden else element.text
            if shown:
                yield Element(
                    kind="text" if reading.hidden else element.kind,
                    text=shown,
                    table=None if reading.hidden else element.table,
                    page=sheet.number,
                    page_name=sheet.name,
                )


def _repeated(node: etree._Element, name: str) -> int:
    return max(1, number_of(value_of(node, name), 1))


def _lines(paragraphs: Iterable[etree._Element]) -> str:
    """The texts of paragraphs, one a line."""
    return "\n".join(filter(None, map(_line, paragraphs)))


def _line(node: etree._Element) -> str:
    """The text of one paragraph of a cell."""
    parts: list[str] = []
    for piece in node.iter():
        name = local(piece)
        if name in ("tab", "line-break", "s"):
            parts.append(" ")
        if name and piece.text:
            parts.append(piece.text)
        if piece is not node and piece.tail:
            parts.append(piece.tail)
    return " ".join(clean("".join(parts)).split())
