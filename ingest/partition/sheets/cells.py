"""The cells of one sheet of an Excel file, row by row, in bounded memory; hidden ones are counted."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree

from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.office.package import Package, local, number_of, release
from ingest.partition.sheets.forms import Form, Forms
from ingest.partition.sheets.model import Sheet, SheetCell
from ingest.partition.sheets.values import Shown, Values

MAX_CELLS = 2_000_000  # with text, of one file
MAX_COLUMNS, MAX_ROWS = 16_384, 1_048_576
RELEASED_TOGETHER = 1_000  # cells of one row
SHEET_TAGS = (
    "c", "row", "col", "mergeCell", "pane", "oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader",
    "firstFooter",
)  # fmt: skip
_HEADER_CODES = re.compile(r"&(?:[LCRPNDTFAGZBIUESXYK]|\"[^\"]*\"|\d+)")
_PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_DIGITS = "0123456789"


@dataclass(slots=True)
class SheetReading:
    """One sheet while its cells come in."""

    sheet: Sheet
    hidden: bool
    cells: list[tuple[SheetCell, str]] = field(
        default_factory=list
    )  # of this row; why nobody sees it
    row: int = 0
    column: int = 0
    printed: list[str] = field(default_factory=list)


class CellKeeper:
    """Puts cells that are seen into their sheet, up to a limit, and counts the others."""

    def __init__(self, work: ParseContext) -> None:
        self.work, self.left = work, MAX_CELLS

    def keep(self, reading: SheetReading, form: Form, shown: Shown) -> bool:
        """Adds the cell to its row. False if it has text and there is no room for it."""
        text, is_number, raw = shown
        if not raw or not 0 < reading.column <= MAX_COLUMNS:
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        cell = SheetCell(reading.column, text or raw, is_number)
        reading.cells.append((cell, _why_unseen(reading, form, text)))
        return True

    def end_row(self, reading: SheetReading, number: int, *, hidden: bool) -> None:
        reading.row, reading.column = number, 0
        kept: list[SheetCell] = []
        for cell, why in reading.cells:
            if hidden and not reading.hidden:
                why = f"in hidden rows of the sheet {reading.sheet.name}"
            shown = self.work.hide(cell.text, why) if why else cell.text
            if shown and (shown := shown.strip()):
                kept.append(
                    cell if shown is cell.text else SheetCell(cell.column, shown, cell.is_number)
                )
        if reading.cells and not kept:
            reading.sheet.unseen_rows.add(number)
        reading.cells = []
        if kept and number <= MAX_ROWS:
            reading.sheet.rows.setdefault(number, []).extend(kept)

    def end_sheet(self, sheet: Sheet, dropped: int) -> None:
        """dropped: cells that found no room."""
        if dropped:
            self.work.lose("limit", dropped, "cells", f"of the sheet {sheet.name}")
        for cells in sheet.rows.values():
            cells.sort(key=lambda cell: cell.column)


def _why_unseen(reading: SheetReading, form: Form, text: str) -> str:
    """Why nobody sees the cell, apart from its row being hidden; "" if it is seen."""
    name = reading.sheet.name
    if reading.hidden:
        return f"in the hidden sheet {name}"
    if reading.column in reading.sheet.unseen_columns:
        return f"in hidden columns of the sheet {name}"
    if not text:
        return f"in cells of the sheet {name} whose format shows nothing"
    if form.tiny:
        return f"in letters of one point or less in the sheet {name}"
    if form.white and not reading.sheet.headers:
        return f"in white on white in the sheet {name}"
    return ""


class CellReader:
    """Reads the cells of all sheets of one workbook, up to a limit."""

    def __init__(self, package: Package, work: ParseContext, values: Values, forms: Forms) -> None:
        self.package, self.work, self.values, self.forms = package, work, values, forms
        self.keeper = CellKeeper(work)

    def read(self, name: str, reading: SheetReading) -> None:
        dropped, sheet = 0, reading.sheet
        for _, node in self.package.stream(name, *SHEET_TAGS, events=("end",)):
            tag = local(node)
            if tag == "c":
                reading.column += 1
                dropped += not self._read_cell(node, reading)
                if reading.column % RELEASED_TOGETHER == 0:
                    release(node)
            elif tag == "row":
                number = number_of(node.get("r")) or reading.row + 1
                hidden = node.get("hidden") in ("1", "true") or node.get("ht") == "0"
                self.keeper.end_row(reading, number, hidden=hidden)
                release(node)
                if reading.row > MAX_ROWS:
                    limit = f"of the sheet {sheet.name} beyond its row {MAX_ROWS:,}"
                    self.work.lose("limit", 1, "parts", limit)
                    break
            else:
                _read_beside(tag, node, reading)
        self.keeper.end_sheet(sheet, dropped)

    def _read_cell(self, node: etree._Element, reading: SheetReading) -> bool:
        """Adds the cell to its row. False if it has text and there is no room for it."""
        if not len(node):
            return True
        place = node.get("r")
        if place:
            reading.column = _column_number(place.rstrip(_DIGITS))
        form = self.forms.get(node.get("s"))
        return self.keeper.keep(reading, form, self.values.show(node, form))


def _read_beside(tag: str, node: etree._Element, reading: SheetReading) -> None:
    """What a sheet says of its columns, of merged cells, of what stays in sight and is printed."""
    if tag == "col":
        if node.get("hidden") in ("1", "true") or node.get("width") == "0":
            first, last = number_of(node.get("min")), number_of(node.get("max"))
            hidden = range(max(1, first), min(last, MAX_COLUMNS) + 1)
            reading.sheet.unseen_columns.update(hidden)
    elif tag == "mergeCell":
        if area := area_of(node.get("ref") or ""):
            reading.sheet.merged.append(area)
    elif tag == "pane":
        if (node.get("state") or "").startswith("frozen"):
            reading.sheet.frozen_rows = number_of((node.get("ySplit") or "").partition(".")[0])
    else:
        text = " ".join(_HEADER_CODES.sub(" ", clean(node.text or "")).split())
        if any(char.isalnum() for char in text):
            reading.printed.append(text)


def area_of(reference: str) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right of "B2:D9"."""
    ends = [_PLACE.fullmatch(part) for part in reference.replace("$", "").split(":")[:2]]
    first, last = ends[0], ends[-1]
    if first is None or last is None:
        return None
    top, bottom = int(first.group(2)), int(last.group(2))
    return top, _column_number(first.group(1)), bottom, _column_number(last.group(1))


@lru_cache(maxsize=MAX_COLUMNS)
def _column_number(letters: str) -> int:
    """1 for "A"; 0 if these are no letters of a column."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z" or number > MAX_COLUMNS:
            return 0
        number = number * 26 + ord(letter) - 64
    return number
