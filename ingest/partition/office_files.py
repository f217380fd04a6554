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
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.recover import merge_readings


def read_docx(path: Path, work: ParseContext) -> ReadResult:
    return _read_office_file(path, work, office.partition_word)


def read_pptx(path: Path, work: ParseContext) -> ReadResult:
    return _read_office_file(path, work, office.partition_slides)


def read_xlsx(path: Path, work: ParseContext) -> ReadResult:
    return _read_office_file(path, work, office.partition_sheets)


def read_doc(path: Path, work: ParseContext) -> ReadResult:
    return read_docx(convert.convert_office_file(path, "doc", work), work)


def read_ppt(path: Path, work: ParseContext) -> ReadResult:
    return read_pptx(convert.convert_office_file(path, "ppt", work), work)


def read_xls(path: Path, work: ParseContext) -> ReadResult:
    return office.partition_sheets(path), {}


def read_odt(path: Path, work: ParseContext) -> ReadResult:
    return office.partition_open_text(path), {}


def read_rtf(path: Path, work: ParseContext) -> ReadResult:
    return office.partition_rich_text(path), {}


def _read_office_file(
    path: Path, work: ParseContext, reader: Callable[[Path], list[Element]]
) -> ReadResult:
    """unstructured's reading, with what our own reading of the XML finds beside it; our own alone
    if it gives up.
    """
    usual = ooxml.to_transitional(path, work.scratch)
    about, own, pictures = ooxml.read(usual)
    try:
        found = reader(usual)
    except SourceBroken:
        if not own:
            raise
        work.warn("Its structure is damaged; its text was read without it.")
        found = []
    elements = merge_readings(found, own)
    return elements + list(_read_pictures(usual, elements, pictures, work)), about


def _read_pictures(
    path: Path, elements: list[Element], pictures: list[tuple[int | None, str]], work: ParseContext
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
            return ocr.read_pixels(ocr.to_pixels(image), page)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
