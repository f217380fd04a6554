"""Pages, and parts of pages, that are pictures of text: which they are, and what OCR reads there."""

from collections.abc import Sequence

import numpy as np
import pypdfium2 as pdfium

from ingest.elements import Element
from ingest.partition import ocr
from ingest.partition.pdf.page import Box, PageContent, Word

SCANNED_BELOW = 20  # letters; fewer beside a picture make a page a scan
PICTURED_SHARE = 0.1  # of the page; less is a logo
# drawn shapes on a page without letters that may be text turned into outlines
OUTLINED_LETTERS = 30
UNREADABLE_SHARE = 0.3  # of letters without a Unicode value: the text layer is of no use
MOSTLY = (
    0.5  # of the page; so much of it in pictures makes a scan of it, whatever stands at its edges
)
LARGE = 0.18  # of the page; a picture so large may be a page of its own
MARGIN = 0.08  # of the page's height, where stamps and fax lines stand
FEW_LETTERS = 40  # on a picture; more of them are printed over it
DPI_SCALE = 200 / 72


def scanned_parts(page: PageContent, seen: Sequence[Word]) -> tuple[Box, ...]:
    """The parts of a page that OCR should look at. seen: the words that readers see on it, and those
    of a text layer behind a picture.
    """
    whole = Box(0, 0, page.width, page.height)
    letters = sum(len(word.text) for word in seen)
    if letters and page.unreadable > UNREADABLE_SHARE * page.visible:
        return (whole,)
    pictures = [clip(box, whole) for box in page.drawing.pictures]
    covered = min(sum(box.area for box in pictures), whole.area) / max(whole.area, 1.0)
    if letters < SCANNED_BELOW:
        least = PICTURED_SHARE if letters else PICTURED_SHARE / 10
        outlined = not letters and page.drawing.outlines >= OUTLINED_LETTERS
        return (whole,) if covered >= least or outlined else ()
    if sum(len(word.text) for word in seen if word.unseen) >= SCANNED_BELOW:
        return ()  # somebody has read its pictures before
    if covered >= MOSTLY:
        around = _around([box for box in pictures if box.area > 0])
        if _letters_on(around, seen, margin=MARGIN * page.height, page=page) < FEW_LETTERS:
            return (around,)
    return tuple(
        box
        for box in pictures
        if box.area >= LARGE * whole.area and _letters_on(box, seen) < SCANNED_BELOW
    )


def clip(box: Box, within: Box) -> Box:
    left, top = max(box.left, within.left), max(box.top, within.top)
    return Box(
        left, top, max(left, min(box.right, within.right)), max(top, min(box.bottom, within.bottom))
    )


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _letters_on(
    box: Box, words: Sequence[Word], margin: float = 0.0, page: PageContent | None = None
) -> int:
    low, high = (margin, page.height - margin) if page else (0.0, float("inf"))
    return sum(
        len(word.text)
        for word in words
        if low <= word.middle <= high
        and box.holds((word.box.left + word.box.right) / 2, word.middle)
    )


def read_parts(
    document: pdfium.PdfDocument,
    page: PageContent,
    parts: Sequence[Box],
    words: Sequence[Word],
    *,
    certain: bool,
) -> list[Element] | None:
    """What OCR reads on these parts of a page; None if they look like photographs. What stands there
    as text is painted over first, so that it is not read twice.

    certain: they are scans, whatever they look like.
    """
    pixels, scale = _render(document, page)
    for word in words:
        _paint_over(pixels, word.box, scale)
    found: list[Element] = []
    looked = False
    for part in parts:
        piece = _cut(pixels, part, scale)
        if piece.size and (certain or ocr.looks_like_text(piece)):
            looked = True
            found += ocr.read_pixels(np.ascontiguousarray(piece), page.number)
    return found if looked else None


def _render(document: pdfium.PdfDocument, content: PageContent) -> tuple[ocr.Pixels, float]:
    """The page as its reader sees it, and how many pixels a point has."""
    page = document[content.number - 1]
    try:
        scale = min(DPI_SCALE, ocr.LONG_SIDE / max(1.0, *page.get_size()))
        bitmap = page.render(scale=scale)
        try:
            pixels = ocr.to_pixels(bitmap.to_pil())
        finally:
            bitmap.close()
    finally:
        page.close()
    pixels = np.array(np.rot90(pixels, -content.quarter_turns))
    return pixels, pixels.shape[1] / max(content.width, 1.0)


def _paint_over(pixels: ocr.Pixels, box: Box, scale: float) -> None:
    part = _cut(pixels, box, scale)
    if part.size:
        part[:] = 255


def _cut(pixels: ocr.Pixels, box: Box, scale: float) -> ocr.Pixels:
    left, top, right, bottom = (
        max(0, round(edge * scale)) for edge in (box.left, box.top, box.right, box.bottom)
    )
    return pixels[top:bottom, left:right]
