"""Workbooks that Excel 2003 stored as XML, into the same model as all other sheets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.office.number_formats import GENERAL, ISO_DATE, ISO_MOMENT
from ingest.partition.office.package import number_of, value_of
from ingest.partition.sheets.cells import MAX_COLUMNS, MAX_ROWS, CellKeeper, SheetReading
from ingest.partition.sheets.forms import Form, is_tiny
from ingest.partition.sheets.model import Sheet
from ingest.partition.sheets.tables import sheet_elements
from ingest.partition.sheets.values import Shown, Values, unescape

_Area = tuple[int, int, int, int]  # top, left, bottom, right
_DEFAULT = "Default"  # the style of cells without one
_NAMED = {
    "general": GENERAL, "general number": GENERAL, "general date": ISO_MOMENT, "long date": "d mmmm yyyy",
    "medium date": "d-mmm-yy", "short date": ISO_DATE, "long time": "h:mm:ss AM/PM", "medium time": "h:mm AM/PM",
    "short time": "h:mm", "currency": '"$"#,##0.00;("$"#,##0.00)', "euro currency": "[$€-2]#,##0.00",
    "fixed": "0.00", "standard": "#,##0.00", "percent": "0.00%", "scientific": "0.00E+00",
    "yes/no": '"Yes";"Yes";"No"', "true/false": '"True";"True";"False"', "on/off": '"On";"On";"Off"',
}  # fmt: skip
"""The formats that these files call by a name."""


def xml_sheet_elements(root: etree._Element, work: ParseContext) -> Iterator[Element]:
    """The sheets of a workbook (XML Spreadsheet 2003), each a page."""
    book = _XmlBook(root, work)
    for number, node in enumerate(root.iterchildren("{*}Worksheet"), start=1):
        yield from book.elements(node, number)
    book.values.tell_uncomputed(work)


@dataclass(frozen=True, slots=True)
class _CellStyle:
    """What a style says itself; None if the one that it is based on decides."""

    above: str | None
    code: str | None
    white: bool | None
    tiny: bool | None
    bare: bool | None  # nothing coloured stands behind the text


class _XmlBook:
    def __init__(self, root: etree._Element, work: ParseContext) -> None:
        self.work, self.keeper = work, CellKeeper(work)
        self.values = Values((), from_1904=root.find("{*}ExcelWorkbook/{*}Date1904") is not None)
        self.styles = {
            value_of(node, "ID") or "": _read_style(node)
            for node in root.iterfind("{*}Styles/{*}Style")
        }
        self.forms: dict[str, Form] = {}

    def elements(self, node: etree._Element, number: int) -> Iterator[Element]:
        sheet = Sheet(clean(value_of(node, "Name") or f"Sheet{number}").strip(), number)
        visible = node.find("{*}WorksheetOptions/{*}Visible")
        hidden = visible is not None and (visible.text or "").strip() != "SheetVisible"
        if node.find("{*}WorksheetOptions/{*}FreezePanes") is not None:
            split = node.find("{*}WorksheetOptions/{*}SplitHorizontal")
            sheet.frozen_rows = number_of(split.text) if split is not None else 0
        reading = SheetReading(sheet, hidden)
        comments: list[str] = []
        for table in node.iterchildren("{*}Table"):
            self._read_table(table, reading, comments)
        yield from sheet_elements(sheet)
        why = f"in the hidden sheet {sheet.name}" if hidden else ""
        for comment in comments:
            if shown := self.work.hide(comment, why) if why else comment:
                yield Element(kind="text", text=shown, page=number, page_name=sheet.name)

    def _read_table(
        self, table: etree._Element, reading: SheetReading, comments: list[str]
    ) -> None:
        columns = _read_columns(table, reading.sheet)
        going_down: dict[int, _Area] = {}  # merged cells of several rows, by their first columns
        dropped = 0
        for row in table.iterchildren("{*}Row"):
            reading.row = max(1, number_of(value_of(row, "Index"), reading.row + 1)) - 1
            if reading.row >= MAX_ROWS:
                limit = f"of the sheet {reading.sheet.name} beyond its row {MAX_ROWS:,}"
                self.work.lose("limit", 1, "parts", limit)
                break
            for cell in row.iterchildren("{*}Cell"):
                right = _place_cell(cell, reading, going_down)
                style = value_of(cell, "StyleID") or value_of(row, "StyleID")
                form = self._form(style or columns.get(reading.column))
                dropped += not self.keeper.keep(reading, form, self._show(cell, form))
                reading.column = right
                comments += _comments(cell)
            hidden = value_of(row, "Hidden") == "1" or value_of(row, "Height") == "0"
            alike = max(0, number_of(value_of(row, "Span")))  # rows below that are like it
            self.keeper.end_row(reading, reading.row + 1, hidden=hidden)
            reading.row += alike
        self.keeper.end_sheet(reading.sheet, dropped)

    def _show(self, cell: etree._Element, form: Form) -> Shown:
        data = cell.find("{*}Data")
        formula = value_of(cell, "Formula")
        text = unescape("".join(data.itertext())) if data is not None else ""
        if not text:
            return self.values.show_formula(clean(formula)) if formula else ("", False, "")
        kind = value_of(data, "Type")
        if kind == "Number":
            return self.values.show_number(text.strip(), form)
        if kind == "DateTime" and (serial := self._serial(text.strip())) is not None:
            dated = ISO_DATE if serial == int(serial) else ISO_MOMENT
            shown = replace(form, code=dated) if form.code == GENERAL else form
            return self.values.show_number(repr(serial), shown)
        if kind == "Boolean":
            text = "TRUE" if text.strip() == "1" else "FALSE"
        return text, kind == "DateTime", text

    def _serial(self, moment: str) -> float | None:
        """The number that stands for a moment; None if it is no moment."""
        try:
            past = datetime.fromisoformat(moment) - datetime(1899, 12, 30)
        except (ValueError, TypeError):
            return None
        days = past.days + past.seconds / 86_400
        if self.values.from_1904:
            return days - 1_462
        return days if days >= 61 else days - 1  # the calendar of Excel has a 29 February 1900

    def _form(self, name: str | None) -> Form:
        """How cells of a style look, by what it and those that it is based on say."""
        name = name or _DEFAULT
        if name not in self.forms:
            chain: list[_CellStyle] = []
            at: str | None = name
            while at in self.styles and len(chain) < len(self.styles):
                chain.append(self.styles[at])
                at = chain[-1].above or (_DEFAULT if at != _DEFAULT else None)
            code = next((each.code for each in chain if each.code is not None), GENERAL)
            white = next((each.white for each in chain if each.white is not None), False)
            bare = next((each.bare for each in chain if each.bare is not None), True)
            tiny = next((each.tiny for each in chain if each.tiny is not None), False)
            self.forms[name] = Form(code, white and bare, tiny)
        return self.forms[name]


def _read_style(node: etree._Element) -> _CellStyle:
    form = value_of(node.find("{*}NumberFormat"), "Format")
    font, fill = node.find("{*}Font"), node.find("{*}Interior")
    colour = value_of(font, "Color")
    pattern = value_of(fill, "Pattern")
    return _CellStyle(
        above=value_of(node, "Parent"),
        code=_NAMED.get(form.lower(), form) if form is not None else None,
        white=colour.upper() == "#FFFFFF" if colour is not None else None,
        tiny=is_tiny(size) if (size := value_of(font, "Size")) is not None else None,
        bare=pattern in (None, "None") if fill is not None else None,
    )


def _read_columns(table: etree._Element, sheet: Sheet) -> dict[int, str]:
    """The styles of whole columns; the hidden ones are told to the sheet."""
    styles: dict[int, str] = {}
    last = 0
    for node in table.iterchildren("{*}Column"):
        first = number_of(value_of(node, "Index")) or last + 1
        last = min(first + number_of(value_of(node, "Span")), MAX_COLUMNS)
        covered = range(max(1, first), last + 1)
        if value_of(node, "Hidden") == "1" or value_of(node, "Width") == "0":
            sheet.unseen_columns.update(covered)
        if style := value_of(node, "StyleID"):
            styles.update(dict.fromkeys(covered, style))
    return styles


def _next_free(column: int, row: int, going_down: dict[int, _Area]) -> int:
    """The first column from this one on that no merged cell from above takes."""
    while (above := going_down.get(column)) is not None and above[2] >= row:
        column = above[3] + 1
    return column


def _place_cell(cell: etree._Element, reading: SheetReading, going_down: dict[int, _Area]) -> int:
    """The last column of a cell. It stands at its number, or beside those before it, those that come
    down from rows above included.
    """
    row = reading.row + 1
    column = number_of(value_of(cell, "Index"))
    if column < 1:
        column = _next_free(reading.column + 1, row, going_down)
    reading.column = column
    wide, tall = (max(0, number_of(value_of(cell, f"Merge{way}"))) for way in ("Across", "Down"))
    right = min(column + wide, MAX_COLUMNS)
    if wide or tall:
        area = (row, column, min(row + tall, MAX_ROWS), right)
        reading.sheet.merged.append(area)
        if tall:
            going_down[column] = area
    return right


def _comments(cell: etree._Element) -> Iterator[str]:
    for node in cell.iterchildren("{*}Comment"):
        text = " ".join(clean("".join(node.itertext())).split())
        if text:
            author = value_of(node, "Author")
            yield f"Comment by {author}: {text}" if author else f"Comment: {text}"
