"""What conceals text objects of a page: layers that are switched off, and the paths that clip them."""

import ctypes
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import pypdfium2.raw as pdfium_c

from ingest.partition.pdf.page import Box
from ingest.partition.pdf.pdfium import (
    count_clip_paths,
    count_clip_segments,
    count_marks,
    get_clip,
    get_clip_segment,
    get_mark,
    get_mark_name,
    get_segment_point,
)
from ingest.partition.pdf.silent import SilentObject

FAINT = 12  # of 255; what covers so little of its ground is not seen
MAX_SEGMENTS = 200  # of one clip path; one of more is not looked at
_LAYER = "OC".encode("utf-16-le")
_NAME = ctypes.create_string_buffer(16)
_LENGTH = ctypes.c_ulong()
_X, _Y = ctypes.c_float(), ctypes.c_float()
_PLACES = ctypes.addressof(_X), ctypes.addressof(_Y)


@dataclass(frozen=True, slots=True)
class TextObjects:
    """The text objects of a page. Their orders are their places among all its objects."""

    orders: dict[int, int] = field(default_factory=dict)  # by what PDFium calls them
    silent: list[SilentObject] = field(default_factory=list)
    layers: dict[int, tuple[str, ...]] = field(default_factory=dict)  # names, by order
    faint: set[int] = field(default_factory=set)  # orders of those that are as good as not drawn
    clips: dict[int, Box] = field(default_factory=dict)  # what is seen of them, by order

    def switched_off(self, off: Callable[[], AbstractSet[str]]) -> frozenset[int]:
        """Orders of those on a layer that is off. off: asked only if there are layers."""
        if not self.layers:
            return frozenset()
        names = off()
        return frozenset(order for order, layers in self.layers.items() if names & set(layers))


def read_layers(handle: int) -> tuple[str, ...]:
    """The names of the layers that an object is on."""
    count = count_marks(handle)
    return tuple(_layer_names(handle, count)) if count > 0 else ()


def _layer_names(handle: int, count: int) -> Iterator[str]:
    for index in range(count):
        mark = get_mark(handle, index)
        told = get_mark_name(mark, ctypes.addressof(_NAME), 16, ctypes.addressof(_LENGTH))
        if not told or _NAME.raw[: max(0, _LENGTH.value - 2)] != _LAYER:
            continue
        name = ctypes.create_string_buffer(512)
        length = ctypes.c_ulong()
        found = pdfium_c.FPDFPageObjMark_GetParamStringValue(
            ctypes.cast(mark, pdfium_c.FPDF_PAGEOBJECTMARK),
            b"Name",
            ctypes.cast(name, ctypes.POINTER(pdfium_c.FPDF_WCHAR)),
            len(name),
            length,
        )
        if found and 2 < length.value <= len(name):
            yield name.raw[: length.value - 2].decode("utf-16-le", "replace")


def read_clip(handle: int) -> tuple[float, float, float, float] | None:
    """Left, bottom, right and top of what the paths around an object let through."""
    path = get_clip(handle)
    edges = None
    for number in range(max(0, count_clip_paths(path)) if path else 0):
        count = count_clip_segments(path, number)
        if not 0 < count <= MAX_SEGMENTS:
            continue
        points = list(_points(path, number, count))
        xs, ys = [x for x, _ in points], [y for _, y in points]
        left, bottom, right, top = edges or (-1e9, -1e9, 1e9, 1e9)
        edges = max(left, min(xs)), max(bottom, min(ys)), min(right, max(xs)), min(top, max(ys))
    return edges


def _points(path: int, number: int, count: int) -> Iterator[tuple[float, float]]:
    for index in range(count):
        if get_segment_point(get_clip_segment(path, number, index), *_PLACES):
            yield _X.value, _Y.value
