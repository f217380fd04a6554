"""The words of a page from its letters.

PDFium is asked once for each letter's code and box; everything else is asked once a word.
"""

import ctypes
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from ingest.partition.lines import SOFT_BREAKS
from ingest.partition.pdf.concealed import FAINT
from ingest.partition.pdf.leftward import leftward_letters, runs_leftward
from ingest.partition.pdf.letter_order import order_letters
from ingest.partition.pdf.page import Box, Word
from ingest.partition.pdf.pdfium import (
    address_of,
    get_origin,
    get_render_mode,
    get_text_object,
    get_unicode,
)
from ingest.partition.pdf.viewport import Floats, Viewport

ANGLE_SAMPLES = 40
TOUCHES = (-0.25, 0.08)  # of the boxes' height: across between letters of one word
BESIDE = 0.6  # of the lower box: how much of its height stands beside the other one
FAR = 0.8  # of the taller box; letters from right to left so far apart are of two words
HYPHEN = 2  # PDFium's mark for a hyphen made by the line end
INVISIBLE_MODES = (pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium_c.FPDF_TEXTRENDERMODE_CLIP)


def text_turn(raw: pdfium_c.FPDF_TEXTPAGE, count: int, turned: int) -> int:
    """Quarter turns that make most of the text upright, for a wide table may lie on its side; those
    of the page if it has no text.
    """
    step = max(1, count // ANGLE_SAMPLES)
    turns = Counter(
        -round(pdfium_c.FPDFText_GetCharAngle(raw, index) / (math.pi / 2)) % 4
        for index in range(0, count, step)
        if pdfium_c.FPDFText_GetUnicode(raw, index) > 32
    )
    return turns.most_common(1)[0][0] if turns else turned


def read_letters(raw: pdfium_c.FPDF_TEXTPAGE, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Each letter's code and its left, top, right and bottom as PDFium gives them."""
    handle = address_of(raw)
    codes = np.fromiter((get_unicode(handle, index) for index in range(count)), np.int64, count)
    rectangles = (pdfium_c.FS_RECTF * max(1, count))()
    ask = pdfium_c.FPDFText_GetLooseCharBox
    for index in range(count):
        ask(raw, index, rectangles[index])
    boxes = np.frombuffer(rectangles, np.float32).reshape(-1, 4)[:count].astype(np.float64)
    return codes, boxes


def read_words(
    raw: pdfium_c.FPDF_TEXTPAGE,
    codes: NDArray[np.int64],
    boxes: Floats,
    viewport: Viewport,
    orders: dict[int, int],
) -> Iterator[Word]:
    if not len(codes):
        return
    placed = _place(codes, boxes, viewport)
    lines = np.cumsum((placed.codes == 10) | (placed.codes == 13))
    starts = placed.word_starts()
    if not len(starts):
        return
    letters = [_letter_of(code) for code in placed.codes.tolist()]
    places = starts.tolist()
    style = _LetterStyles(raw, viewport, orders)
    looks, is_solid = placed.order[starts].tolist(), placed.solid.tolist()
    for start, end, look, line, box in zip(
        places,
        [*places[1:], len(letters)],
        looks,
        lines[starts].tolist(),
        placed.edges(starts),
        strict=True,
    ):
        text = "".join(letters[start:end])
        if "\ud800" <= max(text) <= "\udfff":  # halves of pairs come one by one
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        spaced = start == 0 or not is_solid[start - 1]
        yield style.word(text, look, Box(*box), line, spaced)


def _letter_of(code: int) -> str:
    if code == HYPHEN:
        return SOFT_BREAKS[0]
    return chr(code) if code > 32 else ""


def _place(codes: NDArray[np.int64], boxes: Floats, viewport: Viewport) -> "_Letters":
    one, other = viewport.place(boxes[:, 0], boxes[:, 1]), viewport.place(boxes[:, 2], boxes[:, 3])
    sides = np.stack((*np.minimum(one, other), *np.maximum(one, other)))
    kept = np.flatnonzero(~needless_breaks(codes, sides))
    codes, sides = codes[kept], sides[:, kept]
    leftward = leftward_letters(codes)
    left, top, right, bottom = sides
    order, codes = order_letters(codes, leftward, (left, top, right, bottom))
    if leftward.any():
        leftward, left, top, right, bottom = (
            each[order] for each in (leftward, left, top, right, bottom)
        )
    solid = (codes > 32) | (codes == HYPHEN)
    return _Letters(kept[order], codes, solid, leftward, left, top, right, bottom)


def needless_breaks(codes: NDArray[np.int64], sides: Floats) -> NDArray[np.bool_]:
    """Which letters are line ends that PDFium put between letters that touch each other: it does so
    where a word is drawn in parts. sides: left, top, right and bottom.
    """
    needless = np.zeros(len(codes), np.bool_)
    ends = np.flatnonzero((codes[1:-2] == 13) & (codes[2:-1] == 10)) + 1
    one, other = ends - 1, ends + 2
    sound = (codes[one] > 32) & (codes[other] > 32)
    left, top, right, bottom = sides
    tall = np.maximum(bottom - top, 0.5)
    low, high = np.minimum(tall[one], tall[other]), np.maximum(tall[one], tall[other])
    onward, back = left[other] - right[one], left[one] - right[other]
    across = np.where(leftward_letters(codes[other]), np.maximum(onward, back), onward)
    down = np.minimum(bottom[one], bottom[other]) - np.maximum(top[one], top[other])
    sound &= (across < TOUCHES[1] * high) & (across > TOUCHES[0] * low) & (down > BESIDE * low)
    needless[ends[sound]] = needless[ends[sound] + 1] = True
    return needless


@dataclass(frozen=True, slots=True)
class _Letters:
    """The letters of a page as they are read, and where they stand for the reader."""

    order: NDArray[np.intp]  # their places among those that PDFium gives
    codes: NDArray[np.int64]
    solid: NDArray[np.bool_]
    leftward: NDArray[np.bool_]
    left: Floats
    top: Floats
    right: Floats
    bottom: Floats

    def edges(self, starts: NDArray[np.intp]) -> Iterator[tuple[float, float, float, float]]:
        """Left, top, right and bottom of each word."""
        far, solid = 1e9, self.solid
        return zip(
            np.minimum.reduceat(np.where(solid, self.left, far), starts).tolist(),
            np.minimum.reduceat(np.where(solid, self.top, far), starts).tolist(),
            np.maximum.reduceat(np.where(solid, self.right, -far), starts).tolist(),
            np.maximum.reduceat(np.where(solid, self.bottom, -far), starts).tolist(),
            strict=True,
        )

    def word_starts(self) -> NDArray[np.intp]:
        """Where a word begins: after white space, and where letters jump or change their size."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        before = np.concatenate(([False], self.solid[:-1]))
        height = np.maximum(bottom - top, 0.5)
        gap = np.concatenate(([0.0], left[1:] - right[:-1]))
        moved = np.concatenate(
            (
                [0.0],
                np.maximum(np.abs(top[1:] - top[:-1]), np.abs(bottom[1:] - bottom[:-1])),
            )
        )
        jumps = (gap > 0.5 * height) | (gap < -0.8 * height) | (moved > 0.12 * height)
        if self.leftward.any():
            jumps = np.where(self._beside_leftward(), self._leave(height), jumps)
        jumps &= self.codes != HYPHEN
        return np.flatnonzero(self.solid & (~before | jumps))

    def _beside_leftward(self) -> NDArray[np.bool_]:
        """Which letters run from right to left, or follow one that does."""
        return self.leftward | np.concatenate(([False], self.leftward[:-1]))

    def _leave(self, height: Floats) -> NDArray[np.bool_]:
        """Which letters stand far from those before them, on any side: boxes of joined letters
        differ in height.
        """
        tall = np.concatenate((height[:1], np.maximum(height[1:], height[:-1])))
        across = np.maximum(self.left[1:] - self.right[:-1], self.left[:-1] - self.right[1:])
        down = np.maximum(self.top[1:] - self.bottom[:-1], self.top[:-1] - self.bottom[1:])
        return np.concatenate(([0.0], np.maximum(across, down))) > FAR * tall


class _LetterStyles:
    """Asks what a word looks like, once for each text object of the file."""

    def __init__(
        self, raw: pdfium_c.FPDF_TEXTPAGE, viewport: Viewport, orders: dict[int, int]
    ) -> None:
        self.raw, self.viewport, self.orders = raw, viewport, orders
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.paint = [ctypes.c_uint() for _ in range(4)]
        self.matrix = pdfium_c.FS_MATRIX()
        self.handle = address_of(raw)
        self.origin = ctypes.addressof(self.x), ctypes.addressof(self.y)
        self.known: dict[int, tuple[float, bool, int, bool]] = {}

    def word(self, text: str, index: int, box: Box, line: int, spaced: bool) -> Word:
        get_origin(self.handle, index, *self.origin)
        _, down = self.viewport.place_point(self.x.value, self.y.value)
        key = get_text_object(self.handle, index) or 0
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._look(key, index)
        size, turned, colour, unseen = found
        if turned:
            size = size or box.width
        return Word(
            text,
            box,
            down,
            size,
            line,
            spaced,
            turned,
            colour,
            unseen,
            self.orders.get(key, 0),
            runs_leftward(text),
        )

    def _look(self, handle: int, index: int) -> tuple[float, bool, int, bool]:
        raw, paint, matrix = self.raw, self.paint, self.matrix
        size = float(pdfium_c.FPDFText_GetFontSize(raw, index))
        turn = 0
        if pdfium_c.FPDFText_GetMatrix(raw, index, matrix):
            scale = math.hypot(matrix.c, matrix.d)
            size = size * scale if scale > 0 else size
            turn = round(math.atan2(matrix.b, matrix.a) / (math.pi / 2) * 4) % 16
        colour, alpha = 0, 255
        if pdfium_c.FPDFText_GetFillColor(raw, index, *paint):
            red, green, blue, alpha = (part.value for part in paint)
            colour = red << 16 | green << 8 | blue
        mode = get_render_mode(handle) if handle else 0
        turned = (
            turn - 4 * self.viewport.turn
        ) % 16 != 0  # an upright letter is turned with the page
        return round(size * 2) / 2, turned, colour, mode in INVISIBLE_MODES or alpha <= FAINT
