"""OpenDocument presentations and spreadsheets: their one XML file holds all the text."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.tables import make_table

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
TEXT, TABLE, DRAW, PRESENTATION = (
    f"{{{_URN}{name}:1.0}}" for name in ("text", "table", "drawing", "presentation")
)
MAX_REPEATED = 1_000  # a cell or row may claim to stand there a million times
MAX_EMPTY = 64  # empty cells keep the columns in their places


def read_presentation(path: Path, work: ParseContext) -> ReadResult:
    """Slides in order; the title placeholder is the heading. Raises SourceBroken."""
    elements: list[Element] = []
    for number, slide in enumerate(_parse_content(path).iter(f"{DRAW}page"), start=1):
        elements += _slide_elements(slide, number)
    return elements, {}


def _slide_elements(slide: etree._Element, number: int) -> Iterator[Element]:
    titled = False
    for node in slide.iter(f"{TEXT}p", f"{TEXT}h", f"{TABLE}table"):
        if node.tag == f"{TABLE}table":
            yield make_table(_rows_of(node), page=number)
            continue
        if next(node.iterancestors(f"{TABLE}table"), None) is not None:
            continue
        text = _text_of(node)
        frame = next(node.iterancestors(f"{DRAW}frame"), None)
        is_title = frame is not None and frame.get(f"{PRESENTATION}class") == "title" and not titled
        if not text:
            continue
        if is_title:
            titled = True
            yield Element(kind="heading", text=text, level=1, page=number)
        else:
            listed = next(node.iterancestors(f"{TEXT}list"), None) is not None
            yield Element(kind="list" if listed else "text", text=text, page=number)


def read_spreadsheet(path: Path, work: ParseContext) -> ReadResult:
    """One table a sheet. Raises SourceBroken."""
    elements: list[Element] = []
    for number, sheet in enumerate(_parse_content(path).iter(f"{TABLE}table"), start=1):
        rows = _rows_of(sheet)
        name = sheet.get(f"{TABLE}name")
        if any(any(row) for row in rows):
            if name:
                elements.append(
                    Element(kind="heading", text=name, level=1, page=number, page_name=name)
                )
            elements.append(make_table(rows, page=number, page_name=name))
    return elements, {}


def _parse_content(path: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        with zipfile.ZipFile(path) as archive:
            return etree.fromstring(archive.read("content.xml"), parser)
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError, EOFError) as error:
        raise SourceBroken(f"Its content cannot be read ({error}).") from error


def _rows_of(node: etree._Element) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in node.iter(f"{TABLE}table-row"):
        cells: list[str] = []
        for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            text = "\n".join(
                filter(None, (_text_of(paragraph) for paragraph in cell.iter(f"{TEXT}p")))
            )
            cells += [text] * _repeat_count(cell, "number-columns-repeated", text)
        rows += [cells] * _repeat_count(row, "number-rows-repeated", "".join(cells))
    return rows


def _repeat_count(node: etree._Element, name: str, text: str) -> int:
    claimed = node.get(f"{TABLE}{name}", "1")
    times = int(claimed) if claimed.isdigit() else 1
    empty = MAX_EMPTY if name == "number-columns-repeated" else 1
    return min(times, MAX_REPEATED if text else empty)


def _text_of(node: etree._Element) -> str:
    parts: list[str] = []
    for piece in node.iter():
        if piece.tag in (f"{TEXT}tab", f"{TEXT}line-break", f"{TEXT}s"):
            parts.append(" ")
        if isinstance(piece.tag, str) and piece.text:
            parts.append(piece.text)
        if piece is not node and piece.tail:
            parts.append(piece.tail)
    return " ".join("".join(parts).split())
