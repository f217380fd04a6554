"""Functions of PDFium that are called for every letter and line, called at half the price."""

import ctypes
from typing import Any

import pypdfium2.raw as pdfium_c


def address_of(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _fast(function: Any, result: Any, *arguments: Any) -> Any:
    """A PDFium function that takes and gives handles as numbers, which is half the price."""
    return ctypes.CFUNCTYPE(result, *arguments)(address_of(function))


_ADDRESS, _INT = ctypes.c_void_p, ctypes.c_int
get_unicode = _fast(pdfium_c.FPDFText_GetUnicode, ctypes.c_uint, _ADDRESS, _INT)
get_text_object = _fast(pdfium_c.FPDFText_GetTextObject, _ADDRESS, _ADDRESS, _INT)
get_object = _fast(pdfium_c.FPDFPage_GetObject, _ADDRESS, _ADDRESS, _INT)
get_form_object = _fast(pdfium_c.FPDFFormObj_GetObject, _ADDRESS, _ADDRESS, ctypes.c_ulong)
count_form_objects = _fast(pdfium_c.FPDFFormObj_CountObjects, _INT, _ADDRESS)
get_type = _fast(pdfium_c.FPDFPageObj_GetType, _INT, _ADDRESS)
get_bounds = _fast(pdfium_c.FPDFPageObj_GetBounds, _INT, *[_ADDRESS] * 5)
get_matrix = _fast(pdfium_c.FPDFPageObj_GetMatrix, _INT, _ADDRESS, _ADDRESS)
get_fill = _fast(pdfium_c.FPDFPageObj_GetFillColor, _INT, *[_ADDRESS] * 5)
get_draw_mode = _fast(pdfium_c.FPDFPath_GetDrawMode, _INT, *[_ADDRESS] * 3)
count_segments = _fast(pdfium_c.FPDFPath_CountSegments, _INT, _ADDRESS)
get_segment = _fast(pdfium_c.FPDFPath_GetPathSegment, _ADDRESS, _ADDRESS, _INT)
get_segment_type = _fast(pdfium_c.FPDFPathSegment_GetType, _INT, _ADDRESS)
get_segment_point = _fast(pdfium_c.FPDFPathSegment_GetPoint, _INT, *[_ADDRESS] * 3)
get_segment_close = _fast(pdfium_c.FPDFPathSegment_GetClose, _INT, _ADDRESS)
get_render_mode = _fast(pdfium_c.FPDFTextObj_GetTextRenderMode, _INT, _ADDRESS)
get_origin = _fast(pdfium_c.FPDFText_GetCharOrigin, _INT, _ADDRESS, _INT, _ADDRESS, _ADDRESS)
count_marks = _fast(pdfium_c.FPDFPageObj_CountMarks, _INT, _ADDRESS)
get_mark = _fast(pdfium_c.FPDFPageObj_GetMark, _ADDRESS, _ADDRESS, ctypes.c_ulong)
get_mark_name = _fast(
    pdfium_c.FPDFPageObjMark_GetName, _INT, _ADDRESS, _ADDRESS, ctypes.c_ulong, _ADDRESS
)
get_clip = _fast(pdfium_c.FPDFPageObj_GetClipPath, _ADDRESS, _ADDRESS)
count_clip_paths = _fast(pdfium_c.FPDFClipPath_CountPaths, _INT, _ADDRESS)
count_clip_segments = _fast(pdfium_c.FPDFClipPath_CountPathSegments, _INT, _ADDRESS, _INT)
get_clip_segment = _fast(pdfium_c.FPDFClipPath_GetPathSegment, _ADDRESS, _ADDRESS, _INT, _INT)
