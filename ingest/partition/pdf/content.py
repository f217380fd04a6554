"""Pages as PDFium gives them: words and what is drawn, as a reader sees the page."""

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from ingest.partition.pdf.downward import join_columns
from ingest.partition.pdf.drawing import read_drawing
from ingest.partition.pdf.leftward import is_shattered
from ingest.partition.pdf.page import PageContent
from ingest.partition.pdf.silent import EAST_ASIAN, SecondReader, merge_words, silent_words
from ingest.partition.pdf.viewport import Viewport
from ingest.partition.pdf.words import read_letters, read_words, text_turn

PRIVATE_FIRST, PRIVATE_LAST, REPLACED = 0xE000, 0xF8FF, 0xFFFD


def read_content(
    page: pdfium.PdfPage, number: int, second: SecondReader | None = None
) -> PageContent:
    """second: asked for letters that PDFium leaves out."""
    textpage = page.get_textpage()
    try:
        count = textpage.count_chars()
        rotation = page.get_rotation() // 90
        turn = text_turn(textpage.raw, count, rotation)
        left, bottom, right, top = page.get_cropbox()
        viewport = Viewport(left, bottom, right, top, turn)
        drawing, texts = read_drawing(page, viewport)
        silent = texts.silent
        codes, boxes = read_letters(textpage.raw, count)
        unreadable, visible = _count_letters(codes)
        words = tuple(read_words(textpage.raw, codes, boxes, viewport, texts.orders))
        if any(each.foreign for each in silent) or (silent and (codes >= EAST_ASIAN).any()):
            letters = second.letters(number - 1) if second is not None else []
            more, unknown = silent_words(silent, letters, viewport)
            words = tuple(merge_words(words, more))
            unreadable, visible = unreadable + unknown, visible + len(more) + unknown
        words = join_columns(words)
        off = texts.switched_off(second.layers_off if second is not None else frozenset)
    finally:
        textpage.close()
    width, height = viewport.size
    return PageContent(
        number,
        width,
        height,
        words,
        drawing,
        unreadable,
        visible,
        is_shattered(words),
        (turn - rotation) % 4,
        off,
        frozenset(texts.faint),
        texts.clips,
    )


def _count_letters(codes: NDArray[np.int64]) -> tuple[int, int]:
    """(letters without a Unicode value, all letters)"""
    letters = codes[(codes > 32) | (codes == 0)]
    private = (letters >= PRIVATE_FIRST) & (letters <= PRIVATE_LAST)
    return int(((letters == 0) | (letters == REPLACED) | private).sum()), len(letters)
