"""Word, PowerPoint and Excel files opened as what they are, zips of XML: for the text that
unstructured passes over.

Tags are compared by local name, so the strict and the transitional namespaces read alike.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from indexes.formats import PICTURE_ENDINGS
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.tables import make_table
from ingest.partition.text import clean

STRICT = b"http://purl.oclc.org/ooxml/"
_STRICT_NAME = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
_RENAMED = {
    b"extendedProperties": b"extended-properties",
    b"customProperties": b"custom-properties",
}
_HEADER_CODES = re.compile(r"&(?:[LCRPNDTFAGZBIUESXYK]|\"[^\"]*\"|\d+)")
_NOTES = ("footnotes", "endnotes", "comments")
_SLIDE_PARTS = ("chart", "chartEx", "diagramData", "comments")
_SHEET_PARTS = ("drawing", "comments", "threadedComment", "vmlDrawing")


@dataclass(frozen=True, slots=True)
class Part:
    """One XML part and the parts it points at, by kind of relation."""

    name: str
    root: etree._Element
    related: tuple[tuple[str, str], ...]  # (last word of the relation type, part name)


class Package:
    """An open Office file. Parts that are missing or damaged are simply not there."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names = set(archive.namelist())

    def part(self, name: str) -> Part | None:
        root = self.xml(name)
        return Part(name, root, self._relations(name)) if root is not None else None

    def xml(self, name: str) -> etree._Element | None:
        if name not in self.names:
            return None
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, huge_tree=True, recover=True
        )
        try:
            return etree.fromstring(self.archive.read(name), parser)
        except (etree.XMLSyntaxError, zipfile.BadZipFile, EOFError, OSError, ValueError):
            return None

    def _relations(self, name: str) -> tuple[tuple[str, str], ...]:
        folder, base = posixpath.split(name)
        root = self.xml(f"{folder}/_rels/{base}.rels")
        if root is None:
            return ()
        found = []
        for node in root.iter("{*}Relationship"):
            if node.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join(folder, node.get("Target", ""))).lstrip(
                    "/"
                )
                found.append((posixpath.basename(node.get("Type", "")), target))
        return tuple(found)

    def target(self, name: str, relation: str) -> str | None:
        """The part that a relation id of this part points at."""
        folder, base = posixpath.split(name)
        root = self.xml(f"{folder}/_rels/{base}.rels")
        for node in root.iter("{*}Relationship") if root is not None else ():
            if node.get("Id") == relation:
                return posixpath.normpath(posixpath.join(folder, node.get("Target", ""))).lstrip(
                    "/"
                )
        return None

    def about(self) -> dict[str, Scalar]:
        root = self.xml("docProps/core.xml")
        told: dict[str, Scalar] = {}
        for tag, name in (
            ("title", "title"),
            ("creator", "author"),
            ("subject", "subject"),
            ("keywords", "keywords"),
        ):
            node = next(root.iter(f"{{*}}{tag}"), None) if root is not None else None
            if node is not None and node.text and node.text.strip():
                told[name] = clean(node.text.strip())
        return told


def to_transitional(path: Path, scratch: Path) -> Path:
    """The file itself, or, of a strict Office file, a copy under the namespaces that the libraries
    know.
    """
    with zipfile.ZipFile(path) as archive:
        if not any(STRICT in archive.read(name) for name in _main_parts(archive)):
            return path
        copy = scratch / f"transitional{path.suffix}"
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as out:
            for entry in archive.infolist():
                data = archive.read(entry)
                out.writestr(
                    entry.filename, _STRICT_NAME.sub(_usual_name, data) if STRICT in data else data
                )
    return copy


def _main_parts(archive: zipfile.ZipFile) -> list[str]:
    mains = ("xl/workbook.xml", "word/document.xml", "ppt/presentation.xml")
    return [
        name
        for name in archive.namelist()
        if name in mains and archive.getinfo(name).file_size < 50_000_000
    ]


def _usual_name(match: re.Match[bytes]) -> bytes:
    area, word = match.groups()
    return b"http://schemas.openxmlformats.org/" + area + b"/2006/" + _RENAMED.get(word, word)


def read(path: Path) -> tuple[dict[str, Scalar], list[Element], list[tuple[int | None, str]]]:
    """What the file says of itself, its text by our own reading, and its pictures (slide number or
    None, entry name).

    Raises SourceBroken if not even the zip can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            package = Package(archive)
            if path.suffix.lower() == ".docx":
                return (
                    package.about(),
                    list(_document_elements(package)),
                    _pictures(package, "word/media/"),
                )
            if path.suffix.lower() == ".pptx":
                slides = list(_slide_parts(package))
                found = [
                    element
                    for number, slide in slides
                    for element in _slide_elements(package, number, slide)
                ]
                return (
                    package.about(),
                    found,
                    [pair for number, slide in slides for pair in _slide_pictures(number, slide)],
                )
            return package.about(), list(_workbook_elements(package)), []
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise SourceBroken(f"Its zip container cannot be read: {error}.") from error


# --- Word ---------------------------------------------------------------------------------------


def _document_elements(package: Package) -> Iterator[Element]:
    part = package.part("word/document.xml")
    if part is None:
        return
    yield from _paragraph_elements(part.root)
    for kind, name in part.related:
        if kind in _NOTES:
            root = package.xml(name)
            yield from _paragraph_elements(root) if root is not None else ()
        elif kind in ("chart", "diagramData"):
            yield from _drawing_elements(package, kind, name, None)


def _paragraph_elements(root: etree._Element) -> Iterator[Element]:
    """Every paragraph, those in text boxes and content controls too, without deletions and copies
    for old programs.
    """
    for node in root.iter("{*}p"):
        text = _paragraph_text(node)
        if text and not _stands_within(node, "Fallback", "del", "moveFrom"):
            yield Element(kind="text", text=text)


def _stands_within(node: etree._Element, *names: str) -> bool:
    return any(etree.QName(above).localname in names for above in node.iterancestors())


def _paragraph_text(node: etree._Element) -> str:
    """A paragraph's own text, without that of text boxes anchored in it."""
    letters: list[str] = []
    for piece in node.iter("{*}t", "{*}tab", "{*}br"):
        holder = next(piece.iterancestors("{*}p"), None)
        if holder is node and not _stands_within_run(piece, node):
            letters.append(piece.text or "" if etree.QName(piece).localname == "t" else " ")
    return clean("".join(letters)).strip()


def _stands_within_run(piece: etree._Element, top: etree._Element) -> bool:
    for above in piece.iterancestors():
        if above is top:
            return False
        if etree.QName(above).localname in ("del", "moveFrom", "Fallback"):
            return True
    return False


# --- PowerPoint ---------------------------------------------------------------------------------


def _slide_parts(package: Package) -> Iterator[tuple[int, Part]]:
    root = package.xml("ppt/presentation.xml")
    listed = root.iter("{*}sldId") if root is not None else ()
    for number, node in enumerate(listed, start=1):
        relation = next((value for key, value in node.attrib.items() if key.endswith("}id")), "")
        name = package.target("ppt/presentation.xml", relation)
        part = package.part(name) if name else None
        if part is not None:
            yield number, part


def _slide_elements(package: Package, number: int, slide: Part) -> Iterator[Element]:
    titled = False
    for node in slide.root.iter("{*}p"):
        text = _paragraph_text(node)
        if not text or _stands_within(node, "Fallback"):
            continue
        if not titled and _is_title(node):
            titled = True
            yield Element(kind="heading", text=text, level=1, page=number)
        else:
            yield Element(kind="text", text=text, page=number)
    for kind, name in slide.related:
        if kind in _SLIDE_PARTS:
            yield from _drawing_elements(package, kind, name, number)


def _is_title(paragraph: etree._Element) -> bool:
    shape = next(paragraph.iterancestors("{*}sp"), None)
    holder = next(shape.iter("{*}ph"), None) if shape is not None else None
    return holder is not None and holder.get("type") in ("title", "ctrTitle")


def _slide_pictures(number: int, slide: Part) -> list[tuple[int | None, str]]:
    pictures = (name for kind, name in slide.related if kind == "image")
    return [(number, name) for name in pictures if name.lower().endswith(PICTURE_ENDINGS)]


def _pictures(package: Package, folder: str) -> list[tuple[int | None, str]]:
    inside = (name for name in package.names if name.startswith(folder))
    names = [name for name in inside if name.lower().endswith(PICTURE_ENDINGS)]
    return [(None, name) for name in sorted(names, key=lambda name: (len(name), name))]


# --- Excel --------------------------------------------------------------------------------------


def _workbook_elements(package: Package) -> Iterator[Element]:
    """What stands around the cells: text boxes, charts, comments, printed headers and footers."""
    root = package.xml("xl/workbook.xml")
    for number, node in enumerate(root.iter("{*}sheet") if root is not None else (), start=1):
        relation = next((value for key, value in node.attrib.items() if key.endswith("}id")), "")
        name = package.target("xl/workbook.xml", relation)
        sheet = package.part(name) if name else None
        if sheet is not None:
            for element in _sheet_elements(package, sheet, number):
                yield replace(element, page_name=node.get("name"))


def _sheet_elements(package: Package, sheet: Part, number: int) -> Iterator[Element]:
    for kind, name in sheet.related:
        if kind not in _SHEET_PARTS:
            continue
        part = package.part(name)
        if part is None:
            continue
        yield from _drawing_elements(package, kind, name, number)
        for inner, chart in part.related if kind == "drawing" else ():
            if inner in _SLIDE_PARTS:
                yield from _drawing_elements(package, inner, chart, number)
    for node in sheet.root.iter("{*}headerFooter"):
        for printed in node.iter():
            text = _HEADER_CODES.sub(" ", printed.text or "").strip()
            if text:
                yield Element(kind="text", text=" ".join(text.split()), page=number)


# --- drawings of all three ----------------------------------------------------------------------


def _drawing_elements(
    package: Package, kind: str, name: str, page: int | None
) -> Iterator[Element]:
    root = package.xml(name)
    if root is None:
        return
    if kind == "chart":
        yield from _chart_elements(root, page)
    elif kind == "comments" and not any(True for _ in root.iter("{*}p")):
        for node in root.iter("{*}comment", "{*}cm"):
            text = clean(
                "".join(
                    piece.text or "" for piece in node.iter("{*}t", "{*}text") if not len(piece)
                )
            ).strip()
            if text:
                yield Element(kind="text", text=text, page=page)
    elif kind == "threadedComment":
        for node in root.iter("{*}text"):
            if node.text and node.text.strip():
                yield Element(kind="text", text=clean(node.text).strip(), page=page)
    elif kind != "vmlDrawing":
        for element in _paragraph_elements(root):
            yield replace(element, page=page)


def _chart_elements(root: etree._Element, page: int | None) -> Iterator[Element]:
    """A chart's title and axis names as text, its series as a table: categories down, series
    across.
    """
    for element in _paragraph_elements(root):
        yield replace(element, page=page)
    names: list[str] = []
    columns: list[list[str]] = []
    labels: list[str] = []
    for series in root.iter("{*}ser"):
        names.append(" ".join(_values(series, "tx")))
        columns.append(_values(series, "val") or _values(series, "yVal"))
        own = _values(series, "cat") or _values(series, "xVal")
        labels = own if len(own) > len(labels) else labels
    height = max(map(len, [labels, *columns]), default=0)
    rows = [
        [_cell_at(labels, row), *(_cell_at(column, row) for column in columns)]
        for row in range(height)
    ]
    if any(any(row) for row in rows) or any(names):
        yield make_table([["", *names], *rows], page=page)


def _values(series: etree._Element, name: str) -> list[str]:
    return [
        node.text or ""
        for holder in series.iterchildren(f"{{*}}{name}")
        for node in holder.iter("{*}v")
    ]


def _cell_at(column: Sequence[str], row: int) -> str:
    return column[row] if row < len(column) else ""
