"""Pages as PDFium gives them: letters to words, drawn paths to ruled lines and filled shapes.

PDFium is asked once for each letter's code and box; everything else is asked once a word.
"""

import ctypes
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from ingest.partition.lines import SOFT_BREAKS
from ingest.partition.pdf.page import Box, Drawing, PageContent, Rule, Shape, Word
from ingest.partition.pdf.silent import (
    EAST_ASIAN,
    SecondReader,
    SilentObject,
    merge_words,
    silent_words,
)

RULE_WIDTH = 2.5  # points; a thicker bar is a shape
MIN_RULE = 4.0
MAX_OBJECTS = 20_000  # looked at on one page; more is a map or an attack
MAX_SEGMENTS = 2_000  # of one path
MAX_FORM_DEPTH = 4
ANGLE_SAMPLES = 40
HYPHEN = 2  # PDFium's mark for a hyphen made by the line end
PRIVATE_FIRST, PRIVATE_LAST, REPLACED = 0xE000, 0xF8FF, 0xFFFD
INVISIBLE_MODES = (pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium_c.FPDF_TEXTRENDERMODE_CLIP)


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _fast(function: Any, result: Any, *arguments: Any) -> Any:
    """A PDFium function that takes and gives handles as numbers, which is half the price."""
    return ctypes.CFUNCTYPE(result, *arguments)(_address(function))


_ADDRESS, _INT = ctypes.c_void_p, ctypes.c_int
_get_unicode = _fast(pdfium_c.FPDFText_GetUnicode, ctypes.c_uint, _ADDRESS, _INT)
_get_text_object = _fast(pdfium_c.FPDFText_GetTextObject, _ADDRESS, _ADDRESS, _INT)
_get_object = _fast(pdfium_c.FPDFPage_GetObject, _ADDRESS, _ADDRESS, _INT)
_get_form_object = _fast(pdfium_c.FPDFFormObj_GetObject, _ADDRESS, _ADDRESS, ctypes.c_ulong)
_count_form_objects = _fast(pdfium_c.FPDFFormObj_CountObjects, _INT, _ADDRESS)
_get_type = _fast(pdfium_c.FPDFPageObj_GetType, _INT, _ADDRESS)
_get_bounds = _fast(pdfium_c.FPDFPageObj_GetBounds, _INT, *[_ADDRESS] * 5)
_get_matrix = _fast(pdfium_c.FPDFPageObj_GetMatrix, _INT, _ADDRESS, _ADDRESS)
_get_fill = _fast(pdfium_c.FPDFPageObj_GetFillColor, _INT, *[_ADDRESS] * 5)
_get_draw_mode = _fast(pdfium_c.FPDFPath_GetDrawMode, _INT, *[_ADDRESS] * 3)
_count_segments = _fast(pdfium_c.FPDFPath_CountSegments, _INT, _ADDRESS)
_get_segment = _fast(pdfium_c.FPDFPath_GetPathSegment, _ADDRESS, _ADDRESS, _INT)
_get_segment_type = _fast(pdfium_c.FPDFPathSegment_GetType, _INT, _ADDRESS)
_get_segment_point = _fast(pdfium_c.FPDFPathSegment_GetPoint, _INT, *[_ADDRESS] * 3)
_get_segment_close = _fast(pdfium_c.FPDFPathSegment_GetClose, _INT, _ADDRESS)
_get_render_mode = _fast(pdfium_c.FPDFTextObj_GetTextRenderMode, _INT, _ADDRESS)
_get_origin = _fast(pdfium_c.FPDFText_GetCharOrigin, _INT, _ADDRESS, _INT, _ADDRESS, _ADDRESS)

_Matrix = tuple[float, float, float, float, float, float]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _View:
    """From the places of the file to those of the reader."""

    left: float
    bottom: float
    right: float
    top: float
    turn: int  # quarter turns clockwise

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turn % 2 else (width, height)

    def place(self, x: _Floats, y: _Floats) -> tuple[_Floats, _Floats]:
        if self.turn == 1:
            return y - self.bottom, x - self.left
        if self.turn == 2:
            return self.right - x, y - self.bottom
        if self.turn == 3:
            return self.top - y, self.right - x
        return x - self.left, self.top - y

    def place_point(self, x: float, y: float) -> tuple[float, float]:
        if self.turn == 0:
            return x - self.left, self.top - y
        across, down = self.place(np.array(x), np.array(y))
        return float(across), float(down)

    def place_box(self, left: float, bottom: float, right: float, top: float) -> Box:
        across, down = self.place(np.array([left, right]), np.array([bottom, top]))
        return Box(float(across.min()), float(down.min()), float(across.max()), float(down.max()))


def read_content(
    page: pdfium.PdfPage, number: int, second: SecondReader | None = None
) -> PageContent:
    """second: asked for letters that PDFium leaves out."""
    textpage = page.get_textpage()
    try:
        count = textpage.count_chars()
        rotation = page.get_rotation() // 90
        turn = _text_turn(textpage.raw, count, rotation)
        left, bottom, right, top = page.get_cropbox()
        view = _View(left, bottom, right, top, turn)
        drawing, orders, silent = _read_drawing(page, view)
        codes, boxes = _read_letters(textpage.raw, count)
        letters = codes[(codes > 32) | (codes == 0)]
        unreadable = int(
            (
                (letters == 0)
                | (letters == REPLACED)
                | ((letters >= PRIVATE_FIRST) & (letters <= PRIVATE_LAST))
            ).sum()
        )
        words = tuple(_read_words(textpage.raw, codes, boxes, view, orders))
        if silent and second is not None and (codes >= EAST_ASIAN).any():
            more = list(silent_words(silent, second.letters(number - 1), view))
            words = tuple(merge_words(words, more))
    finally:
        textpage.close()
    width, height = view.size
    return PageContent(
        number, width, height, words, drawing, unreadable, len(letters), (turn - rotation) % 4
    )


# --- text -----------------------------------------------------------------------------------------


def _text_turn(raw: pdfium_c.FPDF_TEXTPAGE, count: int, turned: int) -> int:
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


def _read_letters(raw: pdfium_c.FPDF_TEXTPAGE, count: int) -> tuple[NDArray[np.int64], _Floats]:
    """Each letter's code and its left, top, right and bottom as PDFium gives them."""
    handle = _address(raw)
    codes = np.fromiter((_get_unicode(handle, index) for index in range(count)), np.int64, count)
    rectangles = (pdfium_c.FS_RECTF * max(1, count))()
    ask = pdfium_c.FPDFText_GetLooseCharBox
    for index in range(count):
        ask(raw, index, rectangles[index])
    boxes = np.frombuffer(rectangles, np.float32).reshape(-1, 4)[:count].astype(np.float64)
    return codes, boxes


def _read_words(
    raw: pdfium_c.FPDF_TEXTPAGE,
    codes: NDArray[np.int64],
    boxes: _Floats,
    view: _View,
    orders: dict[int, int],
) -> Iterator[Word]:
    if not len(codes):
        return
    one, other = view.place(boxes[:, 0], boxes[:, 1]), view.place(boxes[:, 2], boxes[:, 3])
    left, right = np.minimum(one[0], other[0]), np.maximum(one[0], other[0])
    top, bottom = np.minimum(one[1], other[1]), np.maximum(one[1], other[1])
    solid = (codes > 32) | (codes == HYPHEN)
    lines = np.cumsum((codes == 10) | (codes == 13))
    starts = _word_starts(codes, solid, left, right, top, bottom)
    if not len(starts):
        return
    far = 1e9
    edges = zip(
        np.minimum.reduceat(np.where(solid, left, far), starts).tolist(),
        np.minimum.reduceat(np.where(solid, top, far), starts).tolist(),
        np.maximum.reduceat(np.where(solid, right, -far), starts).tolist(),
        np.maximum.reduceat(np.where(solid, bottom, -far), starts).tolist(),
        strict=True,
    )
    letters = [_letter_of(code) for code in codes.tolist()]
    places = starts.tolist()
    style = _Styles(raw, view, orders)
    line_of, is_solid = lines[starts].tolist(), solid.tolist()
    for start, end, line, box in zip(
        places, [*places[1:], len(letters)], line_of, edges, strict=True
    ):
        text = "".join(letters[start:end])
        if "\ud800" <= max(text) <= "\udfff":  # halves of pairs come one by one
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        spaced = start == 0 or not is_solid[start - 1]
        yield style.word(text, start, Box(*box), line, spaced)


def _letter_of(code: int) -> str:
    if code == HYPHEN:
        return SOFT_BREAKS[0]
    return chr(code) if code > 32 else ""


def _word_starts(
    codes: NDArray[np.int64],
    solid: NDArray[np.bool_],
    left: _Floats,
    right: _Floats,
    top: _Floats,
    bottom: _Floats,
) -> NDArray[np.int64]:
    """Where a word begins: after white space, and where letters jump or change their size."""
    before = np.concatenate(([False], solid[:-1]))
    height = np.maximum(bottom - top, 0.5)
    gap = np.concatenate(([0.0], left[1:] - right[:-1]))
    moved = np.concatenate(
        (
            [0.0],
            np.maximum(np.abs(top[1:] - top[:-1]), np.abs(bottom[1:] - bottom[:-1])),
        )
    )
    jumps = (gap > 0.5 * height) | (gap < -0.8 * height) | (moved > 0.12 * height)
    jumps &= codes != HYPHEN
    return np.flatnonzero(solid & (~before | jumps))


class _Styles:
    """Asks what a word looks like, once for each text object of the file."""

    def __init__(self, raw: pdfium_c.FPDF_TEXTPAGE, view: _View, orders: dict[int, int]) -> None:
        self.raw, self.view, self.orders = raw, view, orders
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.paint = [ctypes.c_uint() for _ in range(4)]
        self.matrix = pdfium_c.FS_MATRIX()
        self.handle = _address(raw)
        self.origin = ctypes.addressof(self.x), ctypes.addressof(self.y)
        self.known: dict[int, tuple[float, bool, int, bool]] = {}

    def word(self, text: str, index: int, box: Box, line: int, spaced: bool) -> Word:
        _get_origin(self.handle, index, *self.origin)
        _, down = self.view.place_point(self.x.value, self.y.value)
        key = _get_text_object(self.handle, index) or 0
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
        mode = _get_render_mode(handle) if handle else 0
        turned = (turn - 4 * self._upright()) % 16 not in (0,)
        return round(size * 2) / 2, turned, colour, mode in INVISIBLE_MODES or alpha == 0

    def _upright(self) -> int:
        """The quarter turns that an upright letter's matrix has in this view."""
        return self.view.turn


# --- drawing --------------------------------------------------------------------------------------


def _read_drawing(
    page: pdfium.PdfPage, view: _View
) -> tuple[Drawing, dict[int, int], list[SilentObject]]:
    """The drawing, the place of each text object in the order in which objects are drawn, and the
    text objects without breadth.
    """
    silent: list[SilentObject] = []
    level: list[Rule] = []
    upright: list[Rule] = []
    shapes: list[Shape] = []
    pictures: list[Box] = []
    shades: list[Box] = []
    orders: dict[int, int] = {}
    outlines = 0
    for order, (handle, kind, matrix) in enumerate(_objects(page), start=1):
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            orders[handle] = order
            if _has_no_breadth(handle):
                x, y = _apply(_multiply(_matrix_of(handle), matrix), 0.0, 0.0)
                silent.append(SilentObject(x, y, order))
            continue
        box = _box_of(handle, matrix, view)
        if box is None:
            continue
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            pictures.append(box)
        elif kind == pdfium_c.FPDF_PAGEOBJ_SHADING:
            shades.append(box)
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            outlines += 1
            _take_path(handle, box, matrix, view, order, level, upright, shapes)
    drawing = Drawing(
        tuple(level), tuple(upright), tuple(shapes), tuple(pictures), tuple(shades), outlines
    )
    return drawing, orders, silent


def _has_no_breadth(handle: int) -> bool:
    if not _get_bounds(handle, *_EDGE_PLACES):
        return False
    return abs(_EDGES[2].value - _EDGES[0].value) < 0.01


def _objects(
    page: pdfium.PdfPage,
) -> Iterator[tuple[int, int, _Matrix]]:
    """(object, its kind, the matrix of the forms around it), in the order in which they are drawn."""
    seen = 0
    stack: list[tuple[Iterator[int], _Matrix]] = [(_page_objects(page), PLAIN)]
    while stack and seen < MAX_OBJECTS:
        handles, outer = stack[-1]
        handle = next(handles, None)
        if handle is None:
            stack.pop()
            continue
        seen += 1
        kind = _get_type(handle)
        if kind != pdfium_c.FPDF_PAGEOBJ_FORM:
            yield handle, kind, outer
        elif len(stack) <= MAX_FORM_DEPTH:
            stack.append((_form_objects(handle), _multiply(_matrix_of(handle), outer)))


def _page_objects(page: pdfium.PdfPage) -> Iterator[int]:
    raw = _address(page.raw)
    for index in range(pdfium_c.FPDFPage_CountObjects(page.raw)):
        yield _get_object(raw, index) or 0


def _form_objects(form: int) -> Iterator[int]:
    for index in range(max(0, _count_form_objects(form))):
        yield _get_form_object(form, index) or 0


def _matrix_of(handle: int) -> _Matrix:
    matrix = pdfium_c.FS_MATRIX()
    if not _get_matrix(handle, ctypes.addressof(matrix)):
        return PLAIN
    return (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _multiply(one: _Matrix, two: _Matrix) -> _Matrix:
    a, b, c, d, e, f = one
    k, m, n, p, q, r = two
    return (
        a * k + b * n,
        a * m + b * p,
        c * k + d * n,
        c * m + d * p,
        e * k + f * n + q,
        e * m + f * p + r,
    )


PLAIN: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def _apply(matrix: _Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


_EDGES = [ctypes.c_float() for _ in range(4)]
_EDGE_PLACES = tuple(map(ctypes.addressof, _EDGES))


def _box_of(handle: int, matrix: _Matrix, view: _View) -> Box | None:
    if not _get_bounds(handle, *_EDGE_PLACES):
        return None
    left, bottom, right, top = (edge.value for edge in _EDGES)
    if matrix == PLAIN:
        return _place_quickly(view, left, bottom, right, top)
    corners = [_apply(matrix, x, y) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return _place_quickly(view, min(xs), min(ys), max(xs), max(ys))


def _place_quickly(view: _View, left: float, bottom: float, right: float, top: float) -> Box:
    if view.turn == 0:
        return Box(left - view.left, view.top - top, right - view.left, view.top - bottom)
    return view.place_box(left, bottom, right, top)


def _take_path(
    handle: int,
    box: Box,
    matrix: _Matrix,
    view: _View,
    order: int,
    level: list[Rule],
    upright: list[Rule],
    shapes: list[Shape],
) -> None:
    """A path's part in the tables of a page: thin ones are ruled lines, boxes have four."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    _get_draw_mode(handle, ctypes.addressof(fill), ctypes.addressof(stroke))
    if not fill.value and not stroke.value:
        return
    if box.height <= RULE_WIDTH or box.width <= RULE_WIDTH:
        _take_rule(box, level, upright)
        return
    colour = _fill_colour(handle) if fill.value else None
    count = min(_count_segments(handle), MAX_SEGMENTS)
    if stroke.value or count > 6:
        whole = _multiply(_matrix_of(handle), matrix)
        for part in _straight_parts(handle, count, whole, view):
            if part.height <= RULE_WIDTH or part.width <= RULE_WIDTH:
                _take_rule(part, level, upright)
    if colour is not None:
        shapes.append(Shape(box, colour, order, square=4 <= count <= 6))


def _take_rule(box: Box, level: list[Rule], upright: list[Rule]) -> None:
    if box.width >= max(MIN_RULE, box.height):
        level.append(Rule((box.top + box.bottom) / 2, box.left, box.right))
    elif box.height >= MIN_RULE:
        upright.append(Rule((box.left + box.right) / 2, box.top, box.bottom))


def _straight_parts(handle: int, count: int, matrix: _Matrix, view: _View) -> Iterator[Box]:
    """The lines of a path, each as a box without breadth."""
    x, y = ctypes.c_float(), ctypes.c_float()
    places = ctypes.addressof(x), ctypes.addressof(y)
    begin = here = (0.0, 0.0)
    for index in range(count):
        segment = _get_segment(handle, index)
        kind = _get_segment_type(segment)
        if not _get_segment_point(segment, *places):
            continue
        point = _apply(matrix, x.value, y.value)
        if kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            begin = point
        elif kind == pdfium_c.FPDF_SEGMENT_LINETO:
            yield _between(here, point, view)
        here = point
        if _get_segment_close(segment):
            yield _between(here, begin, view)
            here = begin


def _between(one: tuple[float, float], two: tuple[float, float], view: _View) -> Box:
    return _place_quickly(
        view, min(one[0], two[0]), min(one[1], two[1]), max(one[0], two[0]), max(one[1], two[1])
    )


def _fill_colour(handle: int) -> int | None:
    """0xRRGGBB; None if it lets through what is behind it."""
    paint = [ctypes.c_uint() for _ in range(4)]
    if not _get_fill(handle, *map(ctypes.addressof, paint)):
        return None
    red, green, blue, alpha = (part.value for part in paint)
    return red << 16 | green << 8 | blue if alpha > 128 else None
