"""Excel files: each sheet in its order, with what stands around its cells, then embedded files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.office.embedded import read_embedded
from ingest.partition.office.package import (
    Package,
    child,
    number_of,
    open_package,
    release,
    value_of,
)
from ingest.partition.office.pictures import Pictures
from ingest.partition.reading import ReadResult
from ingest.partition.sheets.around import elements_around
from ingest.partition.sheets.cells import CellReader, SheetReading, area_of
from ingest.partition.sheets.forms import Forms
from ingest.partition.sheets.model import Sheet
from ingest.partition.sheets.tables import sheet_elements
from ingest.partition.sheets.values import Values, rich_text

MAX_HEADER_ROWS = 6


def read_workbook(path: Path, work: ParseContext) -> ReadResult:
    """An Excel file of today's format. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        book = _Workbook(package, work)
        elements = list(book.elements())
        book.pictures.require_text(elements)
        return elements, package.about()


class _Workbook:
    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        name = package.main("xl/workbook.xml")
        book = package.part(name)
        if book is None:
            raise SourceBroken("It has no workbook.")
        self.book = book
        strings = [
            text for part in book.related("sharedStrings") for text in self._read_strings(part)
        ]
        from_1904 = value_of(child(book.root, "workbookPr"), "date1904") in ("1", "true")
        styles = book.related("styles")
        self.values = Values(strings, from_1904=from_1904)
        forms = Forms(package.xml(styles[0]) if styles else None)
        self.cells = CellReader(package, work, self.values, forms)
        self.embedded: list[str] = []

    def _read_strings(self, name: str) -> Iterator[str]:
        for _, node in self.package.stream(name, "si", events=("end",)):
            yield rich_text(node)
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
        self.values.tell_uncomputed(self.work)
        for embedded in dict.fromkeys(self.embedded):
            yield from read_embedded(self.package, embedded, self.work)

    def _sheet(self, name: str, sheet: Sheet, hidden: bool) -> Iterator[Element]:
        relations = self.package.relations(name)
        kinds: dict[str, list[str]] = {}
        for each in relations.values():
            kinds.setdefault(each.kind, []).append(each.target)
        for table in kinds.get("table", []):
            self._read_table(table, sheet)
        reading = SheetReading(sheet, hidden)
        self.cells.read(name, reading)
        yield from sheet_elements(sheet)
        why = f"in the hidden sheet {sheet.name}" if hidden else ""
        for element in self._around(kinds, reading):
            shown = self.work.hide(element.text, why) if why else element.text
            if shown:
                kept = element if not why else replace(element, kind="text", text=shown, table=None)
                yield replace(kept, page=sheet.number, page_name=sheet.name)

    def _around(
        self, kinds: Mapping[str, Sequence[str]], reading: SheetReading
    ) -> Iterator[Element]:
        """Text boxes, charts, pictures, comments, and what is printed above and below."""
        yield from elements_around(self.package, self.pictures, kinds)
        for text in dict.fromkeys(reading.printed):
            yield Element(kind="text", text=text)
        self.embedded += [name for kind in ("package", "oleObject") for name in kinds.get(kind, ())]

    def _read_table(self, name: str, sheet: Sheet) -> None:
        """Where a table of the sheet says that it begins, and how many header rows it has."""
        root = self.package.xml(name)
        area = area_of(value_of(root, "ref") or "") if root is not None else None
        if area is not None and root is not None:
            headers = number_of(value_of(root, "headerRowCount"), 1)
            sheet.headers[area[0], area[1]] = max(0, min(headers, MAX_HEADER_ROWS))
