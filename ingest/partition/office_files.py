"""Word, PowerPoint, Excel, OpenDocument text and RTF files, old and new: what reads each of them.

The new ones are read twice, by unstructured and by our own reading of the XML, and their pictures
with OCR.
"""

import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image

from indexes.errors import SourceBroken, SourceEmpty
from ingest.elements import Element
from ingest.partition import convert, ocr, office, ooxml
from ingest.partition.reading import Read
from ingest.partition.recover import merge_readings
from ingest.partition.work import Work


def docx(path: Path, work: Work) -> Read:
    return _office(path, work, office.word)


def pptx(path: Path, work: Work) -> Read:
    return _office(path, work, office.slides)


def xlsx(path: Path, work: Work) -> Read:
    return _office(path, work, office.sheets)


def doc(path: Path, work: Work) -> Read:
    return docx(convert.modernise(path, "doc", work), work)


def ppt(path: Path, work: Work) -> Read:
    return pptx(convert.modernise(path, "ppt", work), work)


def xls(path: Path, work: Work) -> Read:
    return office.sheets(path), {}


def odt(path: Path, work: Work) -> Read:
    return office.open_text(path), {}


def rtf(path: Path, work: Work) -> Read:
    return office.rich_text(path), {}


def _office(path: Path, work: Work, reader: Callable[[Path], list[Element]]) -> Read:
    """unstructured's reading, with what our own reading of the XML finds beside it; our own alone
    where it gives up.
    """
    usual = ooxml.transitional(path, work.scratch)
    about, own, pictures = ooxml.read(usual)
    try:
        found = reader(usual)
    except SourceBroken:
        if not own:
            raise
        work.warn("Its structure is damaged; its text was read without it.")
        found = []
    elements = merge_readings(found, own)
    return elements + list(_embedded(usual, elements, pictures, work)), about


def _embedded(
    path: Path, elements: list[Element], pictures: list[tuple[int | None, str]], work: Work
) -> Iterator[Element]:
    """OCR of the pictures on slides without text, or of all pictures of a document without text."""
    told = {element.page for element in elements}
    silent = [
        (page, name)
        for page, name in pictures
        if (page not in told if page is not None else not elements)
    ]
    if not silent:
        return
    if not work.options.ocr:
        if not elements:
            raise SourceEmpty(
                "It holds only pictures and OCR is off.", remedy="Set CLEARANCE_OCR=true."
            )
        return
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for page, name in silent:
            if name in names and work.may_read_picture():
                yield from _read_picture(archive.read(name), page)
                work.page_read()


def _read_picture(data: bytes, page: int | None) -> list[Element]:
    try:
        with Image.open(BytesIO(data)) as image:
            return ocr.read(ocr.pixels(image), page)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
