"""PDF to elements: lines with their page and size, headings by size, pages without text by OCR.

Home of PDFium.

PDFium is not safe for threads; parsing runs in a process of its own, one document at a time.
"""

import ctypes
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused, SourceTooCostly
from indexes.model import Scalar
from indexes.text.sentences import BULLETS, CLOSING, ENDS, ENDS_BEFORE_SPACE
from ingest.elements import Element
from ingest.partition import ocr
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.lines import SOFT_BREAKS, join_lines
from ingest.partition.reading import ReadResult

HEADING_RATIO = 1.15
HEADING_CHARS = 80
MAX_LEVELS = 6
SCANNED_BELOW = 20  # visible characters; fewer beside a picture make a page a scan
PICTURED_SHARE = 0.1  # of the page; less is a logo
# drawn shapes on a page without characters that may be text turned into outlines
OUTLINED_LETTERS = 30
UNREADABLE_SHARE = 0.3  # of characters without a Unicode value: the text layer is of no use
# a first or last line on this share of the pages is a running header or footer
REPEATED_SHARE = 0.5
REPEATED_PAGES = 5
DPI_SCALE = 200 / 72
MAX_NOTES = 2_000
_NOTE_KEYS = {
    pdfium_c.FPDF_ANNOT_WIDGET: b"V",
    pdfium_c.FPDF_ANNOT_TEXT: b"Contents",
    pdfium_c.FPDF_ANNOT_FREETEXT: b"Contents",
}
_BULLET = re.compile(rf"^(?:[{BULLETS}–*\-]|\(?\d{{1,3}}[.)]|\(?[a-z][.)])\s+\S")
_SENTENCE_END = re.compile(rf"[{ENDS_BEFORE_SPACE}{ENDS}:;：；][{CLOSING}]*$")
_LEADERS = re.compile(r"\s*+(?:[.·…_]\s?){5,}+")  # between a contents entry and its page number
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line. Coordinates in points as the reader sees the page: `top` counts downwards."""

    text: str
    size: float
    left: float
    top: float


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    lines: tuple[Line, ...]
    scanned: bool
    notes: tuple[str, ...] = ()  # what was filled into its form and written as comments


def read_pdf(path: Path, work: ParseContext) -> ReadResult:
    """Elements, those of the attached files last, and what the file says of itself.

    Raises SourceRefused (password, too many pages), SourceBroken, and SourceEmpty if there is no
    text to be had.
    """
    with _open_document(path) as document:
        count = len(document)
        if count > work.options.max_pages:
            raise SourceTooCostly(
                f"It has {count} pages; the limit is {work.options.max_pages}.",
                remedy="Split the file.",
            )
        pages = [_read_page(document, index) for index in range(count)]
        pages = _drop_running_lines(pages)
        body, levels = _heading_sizes(pages)
        scanned = _read_scans(document, pages, work)
        elements = []
        for page in pages:
            elements += [*_page_elements(page, body, levels), *scanned.get(page.number, [])]
        about, attached = _read_about(document), list(_read_attached_files(document, work))
    return elements + list(read_attachments(attached, work)), about


def _open_document(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceRefused(
                "It opens only with a password.", remedy="Store a copy without the password."
            ) from error
        if "security" in str(error).lower():
            raise SourceRefused("It is encrypted in a way that cannot be read.") from error
        raise SourceBroken(f"PDFium cannot read it: {error}.") from error


def _read_page(document: pdfium.PdfDocument, index: int) -> Page:
    try:
        page = document[index]
    except pdfium.PdfiumError:  # one damaged page among others
        return Page(index + 1, (), scanned=False)
    textpage = page.get_textpage()
    try:
        lines, unreadable, visible = _read_lines(textpage, page)
        pictured = visible < SCANNED_BELOW and _has_picture(page, visible)
        scanned = pictured or (visible > 0 and unreadable > UNREADABLE_SHARE * visible)
        return Page(index + 1, lines, scanned, tuple(_read_notes(page)))
    finally:
        textpage.close()
        page.close()


def _has_picture(page: pdfium.PdfPage, visible: int) -> bool:
    """Whether pictures cover a good part of the page, or, without a character, drawn outlines could
    be letters.
    """
    width, height = page.get_size()
    covered, outlines = 0.0, 0
    least = PICTURED_SHARE if visible else PICTURED_SHARE / 10
    for drawn in page.get_objects(
        filter=(pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_PATH), max_depth=4
    ):
        if drawn.type == pdfium_c.FPDF_PAGEOBJ_PATH:
            outlines += 1
        else:
            left, bottom, right, top = drawn.get_bounds()
            covered += abs((right - left) * (top - bottom))
        if covered >= least * width * height or (not visible and outlines >= OUTLINED_LETTERS):
            return True
    return False


def _read_lines(
    textpage: pdfium.PdfTextPage, page: pdfium.PdfPage
) -> tuple[tuple[Line, ...], int, int]:
    """Lines in the order of the file, and how many visible characters have no Unicode value, and
    how many there are.
    """
    raw, rotation = textpage.raw, page.get_rotation()
    lines: list[Line] = []
    letters: list[str] = []
    first = -1
    unreadable = visible = 0
    total = textpage.count_chars()
    for index in range(total + 1):
        code = pdfium_c.FPDFText_GetUnicode(raw, index) if index < total else 10
        if code in (10, 13):
            text = _LEADERS.sub(" … ", _join_surrogates("".join(letters))).strip()
            if text:
                lines.append(_make_line(raw, text, first, rotation))
            letters, first = [], -1
            continue
        if code > 32:
            visible += 1
            unreadable += code == 0xFFFD or 0xE000 <= code <= 0xF8FF
            first = index if first < 0 else first
        elif code == 0:
            visible, unreadable = visible + 1, unreadable + 1
            continue
        letters.append(_letter_of(code))
    return tuple(_join_pieces(lines)), unreadable, visible


def _join_surrogates(text: str) -> str:
    """The text with halves of surrogate pairs, which PDFium gives one by one, put together."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_notes(page: pdfium.PdfPage) -> Iterator[str]:
    """The values of form fields and the texts of comments, which are no part of a page's own text."""
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page.raw), MAX_NOTES)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        key = _NOTE_KEYS.get(pdfium_c.FPDFAnnot_GetSubtype(annotation))
        text = _note_text(annotation, key) if key else ""
        pdfium_c.FPDFPage_CloseAnnot(annotation)
        if any(char.isalnum() for char in text):
            yield text


def _note_text(annotation: pdfium_c.FPDF_ANNOTATION, key: bytes) -> str:
    # bytes of UTF-16, with a zero at the end
    size = pdfium_c.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium_c.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    return bytes(buffer).decode("utf-16-le", "replace").rstrip("\0").strip()


def _letter_of(code: int) -> str:
    if code == 2:  # PDFium's mark for a hyphen made by the line end
        return SOFT_BREAKS[0]
    return " " if code < 32 else chr(code)


def _make_line(raw: pdfium_c.FPDF_TEXTPAGE, text: str, index: int, rotation: int) -> Line:
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    pdfium_c.FPDFText_GetCharBox(raw, index, left, right, bottom, top)
    across, down = {
        90: (top.value, left.value),
        180: (-right.value, bottom.value),
        270: (-bottom.value, -right.value),
    }.get(rotation, (left.value, -bottom.value))
    return Line(text, _printed_size(raw, index), across, down)


def _printed_size(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> float:
    """The printed size: the nominal one times the scale that its matrix applies."""
    nominal = pdfium_c.FPDFText_GetFontSize(raw, index)
    matrix = pdfium_c.FS_MATRIX()
    if pdfium_c.FPDFText_GetMatrix(raw, index, matrix):
        scale = math.hypot(matrix.c, matrix.d)
        if scale > 0:
            nominal *= scale
    return round(float(nominal) * 2) / 2


def _join_pieces(lines: Sequence[Line]) -> Iterator[Line]:
    """Pieces of one printed line, such as the cells of a table row, made one line again."""
    held: list[Line] = []
    for line in lines:
        if held and not (
            abs(line.top - held[-1].top) < 0.3 * max(line.size, 1) and line.left > held[-1].left
        ):
            yield _merge_pieces(held)
            held = []
        held.append(line)
    if held:
        yield _merge_pieces(held)


def _merge_pieces(pieces: Sequence[Line]) -> Line:
    head = pieces[0]
    return Line(
        " ".join(piece.text for piece in pieces),
        max(piece.size for piece in pieces),
        head.left,
        head.top,
    )


def _drop_running_lines(pages: list[Page]) -> list[Page]:
    """Running headers and footers are kept where they first stand and left out on later pages."""
    if len(pages) < REPEATED_PAGES:
        return pages
    keys = Counter(key for page in pages for key in {_running_key(line) for line in _edges(page)})
    running = {
        key
        for key, count in keys.items()
        if count >= max(REPEATED_PAGES, REPEATED_SHARE * len(pages))
    }
    seen: set[str] = set()
    kept = []
    for page in pages:
        edges = _edges(page)
        drop = [line for line in edges if _running_key(line) in running & seen]
        seen |= {_running_key(line) for line in edges}
        kept.append(replace(page, lines=tuple(line for line in page.lines if line not in drop)))
    return kept


def _edges(page: Page) -> tuple[Line, ...]:
    if len(page.lines) < 4:
        return ()
    ordered = sorted(page.lines, key=lambda line: line.top)
    return (ordered[0], ordered[-1])


def _running_key(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _heading_sizes(pages: Sequence[Page]) -> tuple[float, dict[float, int]]:
    """The body's size (most characters are set in it) and the level of each size that makes
    headings, 1 the largest.
    """
    weight: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            weight[line.size] += len(line.text)
    if not weight:
        return 0.0, {}
    body = weight.most_common(1)[0][0]
    larger = {
        line.size
        for page in pages
        for line in page.lines
        if line.size > HEADING_RATIO * body and len(line.text) < HEADING_CHARS
    }
    return body, {
        size: min(rank, MAX_LEVELS)
        for rank, size in enumerate(sorted(larger, reverse=True), start=1)
    }


def _page_elements(page: Page, body: float, levels: dict[float, int]) -> Iterator[Element]:
    pitch = _pitch(page.lines)
    for group in _group_lines(page.lines, body, pitch):
        text = join_lines([line.text for line in group])
        size = group[0].size
        if not text:
            continue
        if size in levels and len(text) < HEADING_CHARS and any(char.isalpha() for char in text):
            yield Element(kind="heading", text=text, level=levels[size], page=page.number)
        else:
            yield Element(
                kind="list" if _BULLET.match(text) else "text", text=text, page=page.number
            )

    for note in page.notes:
        yield Element(kind="text", text=note, page=page.number)


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance from one line to the next, in line sizes."""
    steps = [
        (after.top - before.top) / before.size
        for before, after in pairwise(lines)
        if before.size == after.size and 0 < after.top - before.top < 3 * before.size
    ]
    return statistics.median(steps) if steps else 1.2


def _group_lines(lines: Sequence[Line], body: float, pitch: float) -> Iterator[list[Line]]:
    """Lines that are one paragraph, one list item or one heading."""
    group: list[Line] = []
    for line in lines:
        if group and not _continues_group(group, line, pitch):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _continues_group(group: list[Line], line: Line, pitch: float) -> bool:
    last = group[-1]
    if abs(line.size - last.size) > 0.1 * max(last.size, 1) or _BULLET.match(line.text):
        return False
    step = (line.top - last.top) / max(last.size, 1)
    open_sentence = not _SENTENCE_END.search(last.text)
    if step <= 0:  # the next column, or a page whose lines are out of order
        return open_sentence and line.text[:1].islower()
    if step > max(1.35 * pitch, pitch + 0.3):
        return False
    indented = (
        line.left > group[0].left + 0.8 * last.size
        and len(group) > 1
        and line.left > last.left + 0.8 * last.size
    )
    return open_sentence or not indented


def _read_scans(
    document: pdfium.PdfDocument, pages: Sequence[Page], work: ParseContext
) -> dict[int, list[Element]]:
    """What OCR reads on the pages that are pictures, by page number."""
    scanned = [page for page in pages if page.scanned]
    if not scanned:
        return {}
    if not work.options.ocr:
        if not any(page.lines or page.notes for page in pages):
            raise SourceEmpty(
                "It has no text layer and OCR is off.", remedy="Set CLEARANCE_OCR=true."
            )
        work.warn(f"{len(scanned)} pages have no text layer and OCR is off.")
        return {}
    read = {}
    for page in scanned:
        if not work.may_read_picture():
            break
        read[page.number] = ocr.read_pixels(_render_page(document, page.number - 1), page.number)
        work.page_read()
    return read


def _render_page(document: pdfium.PdfDocument, index: int) -> ocr.Pixels:
    page = document[index]
    try:
        scale = min(DPI_SCALE, ocr.LONG_SIDE / max(1.0, *page.get_size()))
        bitmap = page.render(scale=scale)
        try:
            return ocr.to_pixels(bitmap.to_pil())
        finally:
            bitmap.close()
    finally:
        page.close()


def _read_about(document: pdfium.PdfDocument) -> dict[str, Scalar]:
    told = document.get_metadata_dict(skip_empty=True)
    return {
        key.lower(): value
        for key, value in told.items()
        if key in ("Title", "Author", "Subject", "Keywords")
    }


def _read_attached_files(document: pdfium.PdfDocument, work: ParseContext) -> Iterator[Attachment]:
    for index in range(min(document.count_attachments(), work.options.max_attachments)):
        attachment = document.get_attachment(index)
        try:
            yield Attachment(attachment.get_name(), bytes(attachment.get_data()))
        except pdfium.PdfiumError:
            work.warn(f"The attached file {attachment.get_name()} cannot be read.")
