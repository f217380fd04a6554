"""What was filled into the form of a page, by the names of its fields, and its comments."""

import ctypes
from collections.abc import Callable, Iterator

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

MAX_NOTES = 2_000
MAX_CHARS = 100_000  # of one value
_COMMENTS = (pdfium_c.FPDF_ANNOT_TEXT, pdfium_c.FPDF_ANNOT_FREETEXT)


def read_notes(page: pdfium.PdfPage) -> Iterator[str]:
    """ "Name: value" of each field that has a value, and the texts of comments."""
    form = page.formenv.raw if page.formenv else None
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page.raw), MAX_NOTES)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium_c.FPDF_ANNOT_WIDGET:
                text = _read_field(form, annotation) if form else _string(annotation, b"V")
            else:
                text = _string(annotation, b"Contents") if kind in _COMMENTS else ""
        finally:
            pdfium_c.FPDFPage_CloseAnnot(annotation)
        if any(char.isalnum() for char in text):
            yield text


def _read_field(form: pdfium_c.FPDF_FORMHANDLE, annotation: pdfium_c.FPDF_ANNOTATION) -> str:
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    ask = pdfium_c
    name = _ask(ask.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _ask(
        ask.FPDFAnnot_GetFormFieldName, form, annotation
    )
    if kind == pdfium_c.FPDF_FORMFIELD_CHECKBOX:
        value = "yes" if pdfium_c.FPDFAnnot_IsChecked(form, annotation) else "no"
    elif kind == pdfium_c.FPDF_FORMFIELD_RADIOBUTTON:
        if not pdfium_c.FPDFAnnot_IsChecked(form, annotation):
            return ""
        value = _ask(ask.FPDFAnnot_GetFormFieldExportValue, form, annotation) or "yes"
    elif kind in (pdfium_c.FPDF_FORMFIELD_PUSHBUTTON, pdfium_c.FPDF_FORMFIELD_SIGNATURE):
        return ""
    else:
        value = _chosen(form, annotation) or _ask(ask.FPDFAnnot_GetFormFieldValue, form, annotation)
    if not value:
        return ""
    return f"{name.rstrip(' :')}: {value}" if name else value


def _chosen(form: pdfium_c.FPDF_FORMHANDLE, annotation: pdfium_c.FPDF_ANNOTATION) -> str:
    """The options that are chosen in a list, as it shows them."""
    count = min(max(0, pdfium_c.FPDFAnnot_GetOptionCount(form, annotation)), MAX_NOTES)
    picked = []
    for index in range(count):
        if pdfium_c.FPDFAnnot_IsOptionSelected(form, annotation, index):
            picked.append(
                _text(
                    lambda buffer, size, index=index: pdfium_c.FPDFAnnot_GetOptionLabel(
                        form, annotation, index, buffer, size
                    )
                )
            )
    return ", ".join(filter(None, picked))


def _ask(
    function: Callable[..., int],
    form: pdfium_c.FPDF_FORMHANDLE,
    annotation: pdfium_c.FPDF_ANNOTATION,
) -> str:
    return _text(lambda buffer, size: function(form, annotation, buffer, size))


def _string(annotation: pdfium_c.FPDF_ANNOTATION, key: bytes) -> str:
    return _text(
        lambda buffer, size: pdfium_c.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    )


def _text(fill: Callable[..., int]) -> str:
    """What PDFium writes into a buffer: UTF-16 with a zero at the end."""
    size = min(fill(None, 0), 2 * MAX_CHARS)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    fill(buffer, size)
    return bytes(buffer).decode("utf-16-le", "replace").split("\0")[0].strip()
