"""Excel files: cells as the sheet shows them, in bounded memory, and what stands around them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.notation import lowered, raised
from ingest.partition.number_formats import BUILTIN, GENERAL, format_number, general
from ingest.partition.office.drawings import (
    chart_elements,
    diagram_elements,
    paragraphs,
    without_fallbacks,
)
from ingest.partition.office.embedded import read_embedded
from ingest.partition.office.package import (
    Package,
    child,
    local,
    number_of,
    open_package,
    release,
    value_of,
)
from ingest.partition.office.pictures import Pictures
from ingest.partition.reading import ReadResult
from ingest.partition.sheet_tables import Cell, Sheet, sheet_elements

MAX_CELLS = 2_000_000  # with text, of one file
MAX_COLUMNS, MAX_ROWS = 16_384, 1_048_576
RELEASED_TOGETHER = 1_000  # cells of one row
SHEET_TAGS = (
    "c", "row", "col", "mergeCell", "pane", "oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader",
    "firstFooter",
)  # fmt: skip
_HEADER_CODES = re.compile(r"&(?:[LCRPNDTFAGZBIUESXYK]|\"[^\"]*\"|\d+)")
_PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DIGITS = "0123456789"
_WHITE = frozenset({"FFFFFFFF", "00FFFFFF", "FFFFFF"})
_THREADED = "[Threaded comment]"


@dataclass(frozen=True, slots=True)
class _Form:
    """How the cells of one style look."""

    code: str = GENERAL
    white: bool = False


_PLAIN = _Form()


def read_workbook(path: Path, work: ParseContext) -> ReadResult:
    """An Excel file of today's format. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        book = _Workbook(package, work)
        elements = list(book.elements())
        book.pictures.require_text(elements)
        return elements, package.about()


@dataclass(slots=True)
class _Reading:
    """One sheet while its cells come in."""

    sheet: Sheet
    hidden: bool
    cells: list[tuple[Cell, str]] = field(default_factory=list)  # of this row; why nobody sees it
    row: int = 0
    column: int = 0
    printed: list[str] = field(default_factory=list)


class _Workbook:
    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        name = package.main("xl/workbook.xml")
        book = package.part(name)
        if book is None:
            raise SourceBroken("It has no workbook.")
        self.book = book
        self.from_1904 = value_of(child(book.root, "workbookPr"), "date1904") in ("1", "true")
        self.strings = [
            text for part in book.related("sharedStrings") for text in self._read_strings(part)
        ]
        styles = book.related("styles")
        self.forms = _read_forms(package.xml(styles[0]) if styles else None)
        self.left = MAX_CELLS
        self.uncomputed = 0
        self.embedded: list[str] = []

    def _read_strings(self, name: str) -> Iterator[str]:
        for _, node in self.package.stream(name, "si", events=("end",)):
            yield _rich_text(node)
            release(node)

    def elements(self) -> Iterator[Element]:
        for number, node in enumerate(self.book.root.iter("{*}sheet"), start=1):
            relation = next(
                (value for key, value in node.attrib.items() if key.endswith("}id")), ""
            )
            target = self.book.relations.get(relation)
            name = clean(value_of(node, "name") or f"Sheet{number}").strip()
            if target is None or target.target not in self.package.names:
                self.work.lose("part", 1, "sheets", f"{name} is missing")
                continue
            hidden = value_of(node, "state") in ("hidden", "veryHidden")
            yield from self._sheet(target.target, Sheet(name, number), hidden)
        if self.uncomputed:
            self.work.warn(
                f"Formulas without a stored value: {self.uncomputed}. They are shown instead of it."
            )
        for embedded in dict.fromkeys(self.embedded):
            yield from read_embedded(self.package, embedded, self.work)

    def _sheet(self, name: str, sheet: Sheet, hidden: bool) -> Iterator[Element]:
        relations = self.package.relations(name)
        kinds: dict[str, list[str]] = {}
        for each in relations.values():
            kinds.setdefault(each.kind, []).append(each.target)
        for table in kinds.get("table", []):
            self._read_table(table, sheet)
        reading = _Reading(sheet, hidden)
        self._read_cells(name, reading)
        yield from sheet_elements(sheet)
        why = f"in the hidden sheet {sheet.name}" if hidden else ""
        for element in self._around(kinds, reading):
            shown = self.work.hide(element.text, why) if why else element.text
            if shown:
                kept = element if not why else replace(element, kind="text", text=shown, table=None)
                yield replace(kept, page=sheet.number, page_name=sheet.name)

    # --- cells ----------------------------------------------------------------------------------

    def _read_cells(self, name: str, reading: _Reading) -> None:
        dropped, sheet = 0, reading.sheet
        for _, node in self.package.stream(name, *SHEET_TAGS, events=("end",)):
            tag = local(node)
            if tag == "c":
                reading.column += 1
                dropped += not self._read_cell(node, reading)
                if reading.column % RELEASED_TOGETHER == 0:
                    release(node)
            elif tag == "row":
                self._end_row(node, reading)
                release(node)
                if reading.row > MAX_ROWS:
                    limit = f"of the sheet {sheet.name} beyond its row {MAX_ROWS:,}"
                    self.work.lose("limit", 1, "parts", limit)
                    break
            else:
                _read_beside(tag, node, reading)
        if dropped:
            self.work.lose("limit", dropped, "cells", f"of the sheet {reading.sheet.name}")
        for cells in reading.sheet.rows.values():
            cells.sort(key=lambda cell: cell.column)

    def _read_cell(self, node: etree._Element, reading: _Reading) -> bool:
        """Adds the cell to its row. False if it has text and there is no room for it."""
        if not len(node):
            return True
        place = node.get("r")
        if place:
            reading.column = _column_number(place.rstrip(_DIGITS))
        column = reading.column
        form = self._form(node.get("s"))
        text, is_number, raw = self._value(node, form)
        if not raw or not 0 < column <= MAX_COLUMNS:
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        why = self._why_unseen(reading, form, text)
        reading.cells.append((Cell(column, text or raw, is_number), why))
        return True

    def _form(self, style: str | None) -> _Form:
        if style is None:
            return self.forms[0] if self.forms else _PLAIN
        number = number_of(style)
        return self.forms[number] if 0 <= number < len(self.forms) else _PLAIN

    def _value(self, node: etree._Element, form: _Form) -> tuple[str, bool, str]:
        """(what it shows, whether it is a number, what it holds)"""
        value = formula = inline = None
        for each in node:
            tag = local(each)
            if tag == "v":
                value = each.text
            elif tag == "f":
                formula = each
            elif tag == "is":
                inline = _rich_text(each)
        kind = node.get("t") or "n"
        if inline is not None:
            return inline, False, inline
        if formula is not None and not value and kind != "str":
            self.uncomputed += 1
            shown = "=" + clean(formula.text or "…").strip()
            return shown, False, shown
        if not value:
            return "", False, ""
        if kind == "s":
            at = number_of(value, -1)
            text = self.strings[at] if 0 <= at < len(self.strings) else ""
            return text, False, text
        if kind == "b":
            text = "TRUE" if value.strip() in ("1", "true") else "FALSE"
            return text, False, text
        if kind == "n":
            return self._number(value.strip(), form)
        text = _unescape(value)
        text = text.removesuffix("T00:00:00") if kind == "d" else text
        return text, kind == "d", text

    def _number(self, value: str, form: _Form) -> tuple[str, bool, str]:
        if form.code == GENERAL and value.isdigit() and len(value) < 16:
            return value.lstrip("0") or "0", True, value
        try:
            number = float(value)
            shown = (
                general(number)
                if form.code == GENERAL
                else format_number(number, form.code, from_1904=self.from_1904)
            )
        except (ValueError, OverflowError, ArithmeticError):
            return value, True, value
        return shown, True, value

    def _why_unseen(self, reading: _Reading, form: _Form, text: str) -> str:
        """Why nobody sees the cell, apart from its row being hidden; "" if it is seen."""
        name = reading.sheet.name
        if reading.hidden:
            return f"in the hidden sheet {name}"
        if reading.column in reading.sheet.unseen_columns:
            return f"in hidden columns of the sheet {name}"
        if not text:
            return f"in cells of the sheet {name} whose format shows nothing"
        if form.white and not reading.sheet.headers:
            return f"in white on white in the sheet {name}"
        return ""

    def _end_row(self, node: etree._Element, reading: _Reading) -> None:
        number = number_of(node.get("r")) or reading.row + 1
        reading.row, reading.column = number, 0
        hidden = node.get("hidden") in ("1", "true") or node.get("ht") == "0"
        kept: list[Cell] = []
        for cell, why in reading.cells:
            if hidden and not reading.hidden:
                why = f"in hidden rows of the sheet {reading.sheet.name}"
            shown = self.work.hide(cell.text, why) if why else cell.text
            if shown and (shown := shown.strip()):
                kept.append(
                    cell if shown is cell.text else Cell(cell.column, shown, cell.is_number)
                )
        if reading.cells and not kept:
            reading.sheet.unseen_rows.add(number)
        reading.cells = []
        if kept and number <= MAX_ROWS:
            reading.sheet.rows.setdefault(number, []).extend(kept)

    def _read_table(self, name: str, sheet: Sheet) -> None:
        """Where a table of the sheet says that it begins, and how many header rows it has."""
        root = self.package.xml(name)
        area = _area(value_of(root, "ref") or "") if root is not None else None
        if area is not None and root is not None:
            headers = number_of(value_of(root, "headerRowCount"), 1)
            sheet.headers[area[0], area[1]] = max(0, min(headers, 6))

    # --- around the cells -----------------------------------------------------------------------

    def _around(self, kinds: Mapping[str, Sequence[str]], reading: _Reading) -> Iterator[Element]:
        """Text boxes, charts, pictures, comments, and what is printed above and below."""
        for name in kinds.get("drawing", ()):
            yield from self._drawing(name)
        threaded = list(kinds.get("threadedComment", ()))
        for name in threaded:
            yield from self._threads(name)
        for name in kinds.get("comments", ()):
            yield from self._comments(name, bool(threaded))
        for text in dict.fromkeys(reading.printed):
            yield Element(kind="text", text=text)
        self.embedded += [name for kind in ("package", "oleObject") for name in kinds.get(kind, ())]

    def _drawing(self, name: str) -> Iterator[Element]:
        part = self.package.part(name)
        if part is None:
            return
        without_fallbacks(part.root)
        for node in part.root.iter("{*}sp", "{*}chart", "{*}relIds", "{*}blip"):
            kind = local(node)
            if kind == "sp":
                text = "\n".join(paragraphs(node))
                if text:
                    yield Element(kind="text", text=text)
                continue
            key = {"relIds": "dm", "blip": "embed"}.get(kind, "id")
            relation = part.relations.get(value_of(node, key) or "")
            if relation is None:
                continue
            if kind == "chart":
                yield from chart_elements(self.package, relation.target)
            elif kind == "relIds":
                yield from diagram_elements(self.package, relation.target)
            else:
                yield from self.pictures.read(relation.target)

    def _comments(self, name: str, threaded: bool) -> Iterator[Element]:
        root = self.package.xml(name)
        if root is None:
            return
        authors = [clean(node.text or "").strip() for node in root.iter("{*}author")]
        for node in root.iter("{*}comment"):
            text = _rich_text(node).strip()
            if not text or (threaded and text.startswith(_THREADED)):
                continue
            at = number_of(value_of(node, "authorId"), -1)
            author = authors[at] if 0 <= at < len(authors) else ""
            text = text.removeprefix(f"{author}:").strip() if author else text
            by = f" by {author}" if author and not author.startswith("tc=") else ""
            yield Element(kind="text", text=f"Comment on {value_of(node, 'ref')}{by}: {text}")

    def _threads(self, name: str) -> Iterator[Element]:
        root = self.package.xml(name)
        for node in root.iter("{*}threadedComment") if root is not None else ():
            said = child(node, "text")
            text = clean(said.text or "").strip() if said is not None else ""
            if text:
                yield Element(kind="text", text=f"Comment on {value_of(node, 'ref')}: {text}")


def _read_beside(tag: str, node: etree._Element, reading: _Reading) -> None:
    """What a sheet says of its columns, of merged cells, of what stays in sight and is printed."""
    if tag == "col":
        if node.get("hidden") in ("1", "true") or node.get("width") == "0":
            first, last = number_of(node.get("min")), number_of(node.get("max"))
            hidden = range(max(1, first), min(last, MAX_COLUMNS) + 1)
            reading.sheet.unseen_columns.update(hidden)
    elif tag == "mergeCell":
        area = _area(node.get("ref") or "")
        if area is not None:
            reading.sheet.merged.append(area)
    elif tag == "pane":
        if (node.get("state") or "").startswith("frozen"):
            reading.sheet.frozen_rows = number_of((node.get("ySplit") or "").partition(".")[0])
    else:
        text = " ".join(_HEADER_CODES.sub(" ", clean(node.text or "")).split())
        if any(char.isalnum() for char in text):
            reading.printed.append(text)


def _area(reference: str) -> tuple[int, int, int, int] | None:
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


def _rich_text(node: etree._Element) -> str:
    """The text of a string item, without how it is pronounced."""
    parts: list[str] = []
    for each in node.iter("{*}t"):
        about = child(each.getparent(), "rPr")
        shift = value_of(child(about, "vertAlign")) if about is not None else None
        text = each.text or ""
        if shift in ("superscript", "subscript") and text.strip():
            text = (raised if shift == "superscript" else lowered)(parts[-1] if parts else "", text)
        if local(each.getparent()) != "rPh":
            parts.append(text)
    return _unescape("".join(parts))


def _unescape(text: str) -> str:
    """The text with its characters that XML cannot hold; controls become spaces."""
    if "_x" in text:
        text = _ESCAPED.sub(_unescaped, text)
    return clean(text)


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match.group(1), 16))
    return char if char.isprintable() or char in "\n\t" else " "


def _read_forms(root: etree._Element | None) -> list[_Form]:
    """The form of every cell style, by its number."""
    if root is None:
        return []
    codes = dict(BUILTIN) | {
        number_of(value_of(node, "numFmtId"), -1): value_of(node, "formatCode") or GENERAL
        for node in root.iter("{*}numFmt")
    }
    whites = [_is_white(font) for font in _listed(root, "fonts")]
    bare = [_is_bare(fill) for fill in _listed(root, "fills")]
    forms: list[_Form] = []
    for node in _listed(root, "cellXfs"):
        font, fill, code = (
            number_of(value_of(node, name)) for name in ("fontId", "fillId", "numFmtId")
        )
        unseen = whites[font : font + 1] == [True] and bare[fill : fill + 1] != [False]
        shown = codes.get(code, GENERAL)
        forms.append(_Form(GENERAL if shown.lower() == "general" else shown, unseen))
    return forms


def _listed(root: etree._Element, name: str) -> list[etree._Element]:
    holder = child(root, name)
    return list(holder) if holder is not None else []


def _is_white(font: etree._Element) -> bool:
    colour = child(font, "color")
    return (value_of(colour, "rgb") or "").upper() in _WHITE


def _is_bare(fill: etree._Element) -> bool:
    return value_of(child(fill, "patternFill"), "patternType") in (None, "none") and (
        child(fill, "gradientFill") is None
    )
