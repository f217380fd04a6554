"""What is drawn on a page beside its text: paths to ruled lines and filled areas, pictures."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.partition.pdf.concealed import FAINT, TextObjects, read_clip, read_layers
from ingest.partition.pdf.page import Box, Drawing, FilledArea, Rule
from ingest.partition.pdf.pdfium import (
    address_of,
    count_form_objects,
    count_segments,
    get_bounds,
    get_draw_mode,
    get_fill,
    get_form_object,
    get_matrix,
    get_object,
    get_segment,
    get_segment_close,
    get_segment_point,
    get_segment_type,
    get_type,
)
from ingest.partition.pdf.silent import SilentObject
from ingest.partition.pdf.viewport import Viewport

RULE_WIDTH = 2.5  # points; a thicker bar is a filled area
MIN_RULE = 4.0
MAX_OBJECTS = 20_000  # looked at on one page; more is a map or an attack
MAX_SEGMENTS = 2_000  # of one path
MAX_FORM_DEPTH = 4
LATIN_FONT = 32  # a font descriptor's flag
_Matrix = tuple[float, float, float, float, float, float]
PLAIN: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_EDGES = [ctypes.c_float() for _ in range(4)]
_EDGE_PLACES = tuple(map(ctypes.addressof, _EDGES))


def read_drawing(page: pdfium.PdfPage, viewport: Viewport) -> tuple[Drawing, TextObjects]:
    """What is drawn, and what is to be known of the text objects."""
    texts = TextObjects()
    found = _DrawnSoFar(viewport)
    for order, (handle, kind, around) in enumerate(_objects(page, viewport), start=1):
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            _take_text(texts, handle, around, order, viewport)
        else:
            found.take(handle, kind, around.matrix, order)
    return found.drawing(), texts


@dataclass(frozen=True, slots=True)
class _Around:
    """What the forms around an object say of it."""

    matrix: _Matrix = PLAIN
    layers: tuple[str, ...] = ()
    seen: Box | None = None
    faint: bool = False

    def within(self, form: int, viewport: Viewport) -> "_Around":
        return _Around(
            _multiply(_matrix_of(form), self.matrix),
            self.layers + read_layers(form),
            self.narrowed(form, viewport),
            self.faint or _is_faint(form),
        )

    def narrowed(self, handle: int, viewport: Viewport) -> Box | None:
        """What is seen of an object, all if it is None."""
        edges = read_clip(handle)
        if edges is None:
            return self.seen
        box = _place_edges(edges, self.matrix, viewport)
        if self.seen is None:
            return box
        outer = self.seen
        return Box(
            max(box.left, outer.left),
            max(box.top, outer.top),
            min(box.right, outer.right),
            min(box.bottom, outer.bottom),
        )


def _take_text(
    texts: TextObjects, handle: int, around: _Around, order: int, viewport: Viewport
) -> None:
    texts.orders[handle] = order
    if _has_no_breadth(handle):
        x, y = _apply(_multiply(_matrix_of(handle), around.matrix), 0.0, 0.0)
        texts.silent.append(SilentObject(x, y, order, _is_foreign(handle)))
    if layers := around.layers + read_layers(handle):
        texts.layers[order] = layers
    if around.faint:
        texts.faint.add(order)
    seen = around.narrowed(handle, viewport)
    box = _box_of(handle, around.matrix, viewport) if seen is not None else None
    if seen is not None and box is not None and not _is_inside(box, seen):
        texts.clips[order] = seen


def _is_inside(box: Box, outer: Box) -> bool:
    return (
        outer.left <= box.left
        and box.right <= outer.right
        and outer.top <= box.top
        and box.bottom <= outer.bottom
    )


def _is_faint(form: int) -> bool:
    """Whether a form is drawn so thinly that nothing of it is seen."""
    paint = [ctypes.c_uint() for _ in range(4)]
    return bool(get_fill(form, *map(ctypes.addressof, paint))) and paint[3].value <= FAINT


@dataclass(slots=True)
class _DrawnSoFar:
    """What is drawn on a page so far."""

    viewport: Viewport
    level: list[Rule] = field(default_factory=list)
    upright: list[Rule] = field(default_factory=list)
    areas: list[FilledArea] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    shades: list[Box] = field(default_factory=list)
    outlines: int = 0

    def drawing(self) -> Drawing:
        return Drawing(
            tuple(self.level),
            tuple(self.upright),
            tuple(self.areas),
            tuple(self.pictures),
            tuple(self.shades),
            self.outlines,
        )

    def take(self, handle: int, kind: int, matrix: _Matrix, order: int) -> None:
        """matrix: of the forms around it. order: its place among the objects of the page."""
        box = _box_of(handle, matrix, self.viewport)
        if box is None:
            return
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            self.pictures.append(box)
        elif kind == pdfium_c.FPDF_PAGEOBJ_SHADING:
            self.shades.append(box)
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            self.outlines += 1
            self._take_path(handle, box, matrix, order)

    def _take_path(self, handle: int, box: Box, matrix: _Matrix, order: int) -> None:
        """A path's part in the tables of a page: thin ones are ruled lines, boxes have four."""
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        get_draw_mode(handle, ctypes.addressof(fill), ctypes.addressof(stroke))
        if not fill.value and not stroke.value:
            return
        if box.height <= RULE_WIDTH or box.width <= RULE_WIDTH:
            self._take_rule(box)
            return
        colour = _fill_colour(handle) if fill.value else None
        count = min(count_segments(handle), MAX_SEGMENTS)
        if stroke.value or count > 6:
            whole = _multiply(_matrix_of(handle), matrix)
            for part in _straight_parts(handle, count, whole, self.viewport):
                if part.height <= RULE_WIDTH or part.width <= RULE_WIDTH:
                    self._take_rule(part)
        if colour is not None:
            self.areas.append(FilledArea(box, colour, order, square=4 <= count <= 6))

    def _take_rule(self, box: Box) -> None:
        if box.width >= max(MIN_RULE, box.height):
            self.level.append(Rule((box.top + box.bottom) / 2, box.left, box.right))
        elif box.height >= MIN_RULE:
            self.upright.append(Rule((box.left + box.right) / 2, box.top, box.bottom))


def _has_no_breadth(handle: int) -> bool:
    if not get_bounds(handle, *_EDGE_PLACES):
        return False
    return abs(_EDGES[2].value - _EDGES[0].value) < 0.01


def _is_foreign(handle: int) -> bool:
    """Whether a text object's font is not in the file and not made for Latin letters."""
    font = pdfium_c.FPDFTextObj_GetFont(ctypes.cast(handle, pdfium_c.FPDF_PAGEOBJECT))
    if not font or pdfium_c.FPDFFont_GetIsEmbedded(font):
        return False
    return not pdfium_c.FPDFFont_GetFlags(font) & LATIN_FONT


def _objects(page: pdfium.PdfPage, viewport: Viewport) -> Iterator[tuple[int, int, _Around]]:
    """(object, its kind, what the forms around it say), in the order in which they are drawn."""
    seen = 0
    stack: list[tuple[Iterator[int], _Around]] = [(_page_objects(page), _Around())]
    while stack and seen < MAX_OBJECTS:
        handles, outer = stack[-1]
        handle = next(handles, None)
        if handle is None:
            stack.pop()
            continue
        seen += 1
        kind = get_type(handle)
        if kind != pdfium_c.FPDF_PAGEOBJ_FORM:
            yield handle, kind, outer
        elif len(stack) <= MAX_FORM_DEPTH:
            stack.append((_form_objects(handle), outer.within(handle, viewport)))


def _page_objects(page: pdfium.PdfPage) -> Iterator[int]:
    raw = address_of(page.raw)
    for index in range(pdfium_c.FPDFPage_CountObjects(page.raw)):
        yield get_object(raw, index) or 0


def _form_objects(form: int) -> Iterator[int]:
    for index in range(max(0, count_form_objects(form))):
        yield get_form_object(form, index) or 0


def _matrix_of(handle: int) -> _Matrix:
    matrix = pdfium_c.FS_MATRIX()
    if not get_matrix(handle, ctypes.addressof(matrix)):
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


def _apply(matrix: _Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _box_of(handle: int, matrix: _Matrix, viewport: Viewport) -> Box | None:
    if not get_bounds(handle, *_EDGE_PLACES):
        return None
    left, bottom, right, top = (edge.value for edge in _EDGES)
    return _place_edges((left, bottom, right, top), matrix, viewport)


def _place_edges(
    edges: tuple[float, float, float, float], matrix: _Matrix, viewport: Viewport
) -> Box:
    left, bottom, right, top = edges
    if matrix == PLAIN:
        return _place_quickly(viewport, left, bottom, right, top)
    corners = [_apply(matrix, x, y) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return _place_quickly(viewport, min(xs), min(ys), max(xs), max(ys))


def _place_quickly(viewport: Viewport, left: float, bottom: float, right: float, top: float) -> Box:
    if viewport.turn == 0:
        return Box(
            left - viewport.left, viewport.top - top, right - viewport.left, viewport.top - bottom
        )
    return viewport.place_box(left, bottom, right, top)


def _straight_parts(handle: int, count: int, matrix: _Matrix, viewport: Viewport) -> Iterator[Box]:
    """The lines of a path, each as a box without breadth."""
    x, y = ctypes.c_float(), ctypes.c_float()
    places = ctypes.addressof(x), ctypes.addressof(y)
    begin = here = (0.0, 0.0)
    for index in range(count):
        segment = get_segment(handle, index)
        kind = get_segment_type(segment)
        if not get_segment_point(segment, *places):
            continue
        point = _apply(matrix, x.value, y.value)
        if kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            begin = point
        elif kind == pdfium_c.FPDF_SEGMENT_LINETO:
            yield _between(here, point, viewport)
        here = point
        if get_segment_close(segment):
            yield _between(here, begin, viewport)
            here = begin


def _between(one: tuple[float, float], two: tuple[float, float], viewport: Viewport) -> Box:
    return _place_quickly(
        viewport, min(one[0], two[0]), min(one[1], two[1]), max(one[0], two[0]), max(one[1], two[1])
    )


def _fill_colour(handle: int) -> int | None:
    """0xRRGGBB; None if it lets through what is behind it."""
    paint = [ctypes.c_uint() for _ in range(4)]
    if not get_fill(handle, *map(ctypes.addressof, paint)):
        return None
    red, green, blue, alpha = (part.value for part in paint)
    return red << 16 | green << 8 | blue if alpha > 128 else None
