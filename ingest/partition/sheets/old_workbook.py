"""Old binary Excel files through xlrd, into the same model as all other sheets."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import olefile
import xlrd

from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.guards import failure_as_damage
from ingest.partition.office.number_formats import GENERAL, format_number
from ingest.partition.reading import ReadResult
from ingest.partition.sheets.model import Sheet, SheetCell
from ingest.partition.sheets.tables import sheet_elements

MAX_CELLS = 2_000_000
TINY = 20  # twentieths of a point: letters that nobody can read
WHITE = (255, 255, 255)
UTF8 = 65_001  # as a code page of Windows


def read_old_workbook(path: Path, work: ParseContext) -> ReadResult:
    """An .xls file. Raises SourceBroken."""
    with failure_as_damage(), (work.scratch / "xlrd.log").open("w") as log:
        book = xlrd.open_workbook(str(path), logfile=log, formatting_info=True, on_demand=True)
        return list(_OldBook(book, work).elements()), _about(path)


def _about(path: Path) -> dict[str, Scalar]:
    """What the file says of itself."""
    with olefile.OleFileIO(str(path)) as ole:
        found = ole.get_metadata()
    page = f"cp{found.codepage}" if found.codepage and found.codepage > 0 else "utf-8"
    try:
        page = "utf-8" if found.codepage == UTF8 else codecs.lookup(page).name
    except LookupError:
        page = "cp1252"
    told: dict[str, Scalar] = {}
    for name in ("title", "author", "subject", "keywords"):
        value = getattr(found, name)
        text = value.decode(page, "replace") if isinstance(value, bytes) else str(value or "")
        if text.strip():
            told[name] = clean(text).strip()
    return told


class _OldBook:
    def __init__(self, book: Any, work: ParseContext) -> None:
        self.book, self.work = book, work
        self.left = MAX_CELLS

    def elements(self) -> Iterator[Element]:
        for number in range(self.book.nsheets):
            found = self.book.sheet_by_index(number)
            sheet = Sheet(clean(found.name).strip() or f"Sheet{number + 1}", number + 1)
            sheet.merged = [
                (top + 1, left + 1, bottom, right)
                for top, bottom, left, right in found.merged_cells
            ]
            if found.has_pane_record and found.panes_are_frozen:
                sheet.frozen_rows = found.horz_split_pos
            self._read_cells(found, sheet)
            yield from sheet_elements(sheet)
            yield from self._comments(found, sheet)
            self.book.unload_sheet(number)

    def _read_cells(self, found: Any, sheet: Sheet) -> None:
        dropped = 0
        sheet.unseen_columns = {
            number + 1 for number, about in found.colinfo_map.items() if about.hidden
        }
        for row in range(found.nrows):
            cells, unseen = self._row(found, sheet, row)
            kept = cells[: self.left]
            dropped += len(cells) - len(kept)
            self.left -= len(kept)
            if kept:
                sheet.rows[row + 1] = kept
            elif unseen:
                sheet.unseen_rows.add(row + 1)
        if dropped:
            self.work.lose("limit", dropped, "cells", f"of the sheet {sheet.name}")

    def _row(self, found: Any, sheet: Sheet, row: int) -> tuple[list[SheetCell], bool]:
        """(the cells of a row that are shown, whether others are not)"""
        cells: list[SheetCell] = []
        unseen = False
        for column, kind in enumerate(found.row_types(row)):
            if kind in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
                continue
            text, is_number = self._text(found, row, column, kind)
            why = self._why_unseen(found, sheet, row, column)
            unseen = unseen or bool(why)
            shown = self.work.hide(text, why) if why else text
            if shown and (shown := shown.strip()):
                cells.append(SheetCell(column + 1, shown, is_number))
        return cells, unseen

    def _text(self, found: Any, row: int, column: int, kind: int) -> tuple[str, bool]:
        """(what the cell shows, whether it is a number)"""
        value = found.cell_value(row, column)
        if kind == xlrd.XL_CELL_BOOLEAN:
            return ("TRUE" if value else "FALSE"), False
        if kind == xlrd.XL_CELL_ERROR:
            return xlrd.error_text_from_code.get(value, "#ERROR!"), False
        if kind not in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            return clean(str(value)), False
        style = self.book.xf_list[found.cell_xf_index(row, column)]
        form = self.book.format_map.get(style.format_key)
        code = form.format_str if form is not None else GENERAL
        try:
            return format_number(value, code, from_1904=bool(self.book.datemode)), True
        except (ValueError, OverflowError, ArithmeticError):
            return str(value), True

    def _why_unseen(self, found: Any, sheet: Sheet, row: int, column: int) -> str:
        if found.visibility:
            return f"in the hidden sheet {sheet.name}"
        about_row = found.rowinfo_map.get(row)
        if about_row is not None and about_row.hidden:
            return f"in hidden rows of the sheet {sheet.name}"
        if column + 1 in sheet.unseen_columns:
            return f"in hidden columns of the sheet {sheet.name}"
        style = self.book.xf_list[found.cell_xf_index(row, column)]
        font = self.book.font_list[style.font_index]
        if 0 < font.height <= TINY:
            return f"in letters of one point or less in the sheet {sheet.name}"
        white = self.book.colour_map.get(font.colour_index) == WHITE
        if white and style.background.fill_pattern == 0:
            return f"in white on white in the sheet {sheet.name}"
        return ""

    def _comments(self, found: Any, sheet: Sheet) -> Iterator[Element]:
        for (row, column), note in sorted(found.cell_note_map.items()):
            author = clean(note.author or "").strip()
            text = clean(note.text or "").strip()
            text = text.removeprefix(f"{author}:").strip() if author else text
            why = f"in the hidden sheet {sheet.name}" if found.visibility else ""
            shown = self.work.hide(text, why) if why else text
            if shown:
                by = f" by {author}" if author else ""
                place = f"{xlrd.colname(column)}{row + 1}"
                yield Element(
                    kind="text",
                    text=f"Comment on {place}{by}: {shown}",
                    page=sheet.number,
                    page_name=sheet.name,
                )
