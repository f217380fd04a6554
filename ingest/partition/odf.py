"""OpenDocument files: text, presentations and spreadsheets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.odf_story import OdfStory, OdfStyle
from ingest.partition.ooxml import Package, local, number_of, open_package, release, value_of
from ingest.partition.pictures import Pictures
from ingest.partition.reading import ReadResult
from ingest.partition.sheet_tables import Cell, Sheet, sheet_elements

CONTENT, STYLES = "content.xml", "styles.xml"
MAX_REPEATED = 1_000  # a cell or row may claim to stand there a million times
MAX_CELLS = 2_000_000
SHEET_TAGS = (
    "style", "table", "table-column", "table-row", "table-cell", "covered-table-cell", "annotation", "shapes",
    "tracked-changes",
)  # fmt: skip
_NUMBERS = ("float", "percentage", "currency", "date", "time")
_ABOUT = (
    ("title", "title"),
    ("initial-creator", "author"),
    ("creator", "author"),
    ("subject", "subject"),
    ("keyword", "keywords"),
)


def read_text(path: Path, work: ParseContext) -> ReadResult:
    """An OpenDocument text. Raises SourceBroken, SourceEmpty."""
    return _read(path, work)


def read_presentation(path: Path, work: ParseContext) -> ReadResult:
    """Slides in order, the title of each first. Raises SourceBroken, SourceEmpty."""
    return _read(path, work)


def _read(path: Path, work: ParseContext) -> ReadResult:
    with open_package(path, work) as package:
        _require_content(package)
        pictures = Pictures(package, work)
        styles: dict[str, OdfStyle] = {}
        around = OdfStory(package, work, pictures, styles)
        around.read(STYLES)
        body = OdfStory(package, work, pictures, styles)
        body.read(CONTENT)
        told = {element.text for element in body.elements}
        margins = {each.text: each for each in around.margins if each.text not in told}
        elements = [*body.elements, *margins.values()]
        pictures.require_text(elements)
        return elements, _about(package)


def _require_content(package: Package) -> None:
    if CONTENT not in package.names:
        raise SourceBroken("It has no content.")


def _about(package: Package) -> dict[str, Scalar]:
    root = package.xml("meta.xml")
    told: dict[str, Scalar] = {}
    for tag, name in _ABOUT:
        node = next(root.iter(f"{{*}}{tag}"), None) if root is not None else None
        if node is not None and node.text and node.text.strip():
            told.setdefault(name, clean(node.text.strip()))
    return told


# --- spreadsheets -------------------------------------------------------------------------------


def read_spreadsheet(path: Path, work: ParseContext) -> ReadResult:
    """Sheets in order, with the text that each cell shows. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        _require_content(package)
        book = _Book(package, work)
        elements = list(book.elements())
        book.pictures.require_text(elements)
        return elements, _about(package)


@dataclass(slots=True)
class _Reading:
    """One sheet while its cells come in."""

    sheet: Sheet
    hidden: bool
    row: int = 0
    cells: list[Cell] = field(default_factory=list)
    merged: list[tuple[int, int, int]] = field(default_factory=list)  # column, columns, rows
    column: int = 0
    columns: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


class _Book:
    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        self.drawings = OdfStory(package, work, self.pictures, {})
        self.left = MAX_CELLS
        self.dropped = self.uncomputed = 0
        self.depth = 0  # of tables: those of charts stand inside a sheet

    def elements(self) -> Iterator[Element]:
        reading: _Reading | None = None
        number = 0
        for event, node in self.package.stream(CONTENT, *SHEET_TAGS):
            tag = local(node)
            if event == "start":
                if tag == "table":
                    self.depth += 1
                    if self.depth == 1:
                        number += 1
                        reading = self._begin(node, number)
                continue
            if tag == "style":
                self.drawings._end_style(node)
            elif tag == "tracked-changes":
                release(node)
            elif tag == "table":
                self.depth -= 1
                if self.depth == 0 and reading is not None:
                    yield from self._end(reading)
                    reading = None
                release(node)
            elif reading is not None and self.depth == 1:
                self._read(tag, node, reading)
        if reading is not None:
            yield from self._end(reading)
        if self.uncomputed:
            self.work.warn(
                f"Formulas without a stored value: {self.uncomputed}. They are shown instead of it."
            )

    def _begin(self, node: etree._Element, number: int) -> _Reading:
        name = clean(value_of(node, "name") or f"Sheet{number}").strip()
        hidden = self.drawings.style_hides("table", value_of(node, "style-name"))
        return _Reading(Sheet(name, number), hidden)

    def _read(self, tag: str, node: etree._Element, reading: _Reading) -> None:
        if tag == "table-column":
            count = _repeated(node, "number-columns-repeated")
            if value_of(node, "visibility") in ("collapse", "filter"):
                reading.hidden_columns.append((reading.columns + 1, reading.columns + count))
            reading.columns += count
            release(node)
        elif tag in ("table-cell", "covered-table-cell"):
            self._read_cell(tag, node, reading)
            release(node)
        elif tag == "table-row":
            self._end_row(node, reading)
            release(node)
        elif tag == "annotation":
            text = "\n".join(filter(None, map(_line, node.iter("{*}p"))))
            if text:
                reading.comments.append(text)
            node.clear(keep_tail=True)
        elif tag == "shapes":
            self._read_shapes(node, reading)
            node.clear()

    def _read_cell(self, tag: str, node: etree._Element, reading: _Reading) -> None:
        count = _repeated(node, "number-columns-repeated")
        first = reading.column + 1
        reading.column += count
        if tag == "covered-table-cell":
            return
        self._read_shapes(node, reading)
        text, is_number = self._text(node)
        if not text:
            return
        for column in range(first, first + min(count, MAX_REPEATED)):
            reading.cells.append(Cell(column, text, is_number))
        across = number_of(value_of(node, "number-columns-spanned"), 1)
        down = number_of(value_of(node, "number-rows-spanned"), 1)
        if across > 1 or down > 1:
            reading.merged.append((first, max(1, across), max(1, down)))

    def _text(self, node: etree._Element) -> tuple[str, bool]:
        is_number = value_of(node, "value-type") in _NUMBERS
        text = "\n".join(filter(None, map(_line, node.iterchildren("{*}p"))))
        if text:
            return text, is_number
        value = (
            value_of(node, "value") or value_of(node, "date-value") or value_of(node, "time-value")
        )
        formula = value_of(node, "formula")
        if value is None and formula and value_of(node, "value-type") is None:
            self.uncomputed += 1
            return clean(formula), False
        return clean(value or ""), is_number

    def _end_row(self, node: etree._Element, reading: _Reading) -> None:
        count = _repeated(node, "number-rows-repeated")
        first = reading.row + 1
        reading.row += count
        cells, merged = reading.cells, reading.merged
        reading.cells, reading.merged, reading.column = [], [], 0
        if not cells:
            return
        unseen = value_of(node, "visibility") in ("collapse", "filter")
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
        reading.sheet.merged += [
            (first, column, first + down - 1, column + across - 1)
            for column, across, down in merged
        ]

    def _shown(self, cell: Cell, reading: _Reading, row_hidden: bool) -> Cell | None:
        name, why = reading.sheet.name, ""
        if reading.hidden:
            why = f"in the hidden sheet {name}"
        elif row_hidden:
            why = f"in hidden rows of the sheet {name}"
        elif any(first <= cell.column <= last for first, last in reading.hidden_columns):
            why = f"in hidden columns of the sheet {name}"
        if not why:
            return cell
        shown = self.work.hide(cell.text, why)
        return Cell(cell.column, shown, False) if shown else None

    def _read_shapes(self, node: etree._Element, reading: _Reading) -> None:
        """Text boxes, charts and pictures that stand on the sheet or in a cell of it."""
        for each in node.iter("{*}object", "{*}image", "{*}text-box", "{*}custom-shape"):
            if local(each) == "object":
                self.drawings._end_object(each)
            elif local(each) == "image":
                self.drawings._end_image(each)
            else:
                text = "\n".join(filter(None, map(_line, each.iter("{*}p"))))
                if text:
                    self.drawings._after.append(Element(kind="text", text=text))

    def _end(self, reading: _Reading) -> Iterator[Element]:
        sheet = reading.sheet
        yield from sheet_elements(sheet)
        after, self.drawings._after = self.drawings._after, []
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
