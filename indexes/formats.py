"""The one table of file formats: how each is recognised, what it is called over HTTP, and what
reads it.

Everything that needs an ending, a media type, the kind of a page or a reader takes it from here.
The table imports nothing but the standard library, so that everybody may look something up in it. A
reader is only named: the side that parses imports it when the first file of its format is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Family = Literal["zip", "ole", "rtf", "pdf", "image", "text"]
PageKind = Literal["page", "slide", "sheet", "part"]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file that can be read."""

    name: str
    endings: tuple[str, ...]  # of file names: lower case, with the dot, the usual one first
    media_type: str
    family: Family  # what the first bytes can tell
    reader: str  # "module:function": from a path and the running parse to elements and metadata
    page_kind: PageKind | None = None  # what a page is called; None: the format has no pages
    begins: tuple[bytes, ...] = ()  # the first bytes, any one of these; empty: plain text
    mark: str = ""  # a zip entry or an OLE stream that only this format has


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_MS = "application/vnd.ms-"
_HOME = "ingest.partition."


def _zip(name: str, kind: str, mark: str, reader: str, page: PageKind | None = None) -> Format:
    return Format(name, (f".{name}",), kind, "zip", _HOME + reader, page, _ZIP, mark)


def _ole(name: str, kind: str, mark: str, reader: str, page: PageKind | None = None) -> Format:
    return Format(name, (f".{name}",), kind, "ole", _HOME + reader, page, _OLE, mark)


def _image(name: str, begins: tuple[bytes, ...], *endings: str) -> Format:
    return Format(
        name, endings, f"image/{name}", "image", _HOME + "ocr:read_picture", "page", begins
    )


def _text(name: str, kind: str, reader: str, *endings: str) -> Format:
    return Format(name, endings, kind, "text", _HOME + reader)


_TABLE = (
    _zip("docx", _OFFICE + "wordprocessingml.document", "word/", "office_files:read_docx"),
    _zip(
        "pptx", _OFFICE + "presentationml.presentation", "ppt/", "office_files:read_pptx", "slide"
    ),
    _zip("xlsx", _OFFICE + "spreadsheetml.sheet", "xl/", "office_files:read_xlsx", "sheet"),
    _zip("odt", _OPEN + "text", "content.xml", "office_files:read_odt"),
    _zip("odp", _OPEN + "presentation", "content.xml", "odf:read_presentation", "slide"),
    _zip("ods", _OPEN + "spreadsheet", "content.xml", "odf:read_spreadsheet", "sheet"),
    _zip("epub", "application/epub+zip", "META-INF/container.xml", "epub:read_epub", "part"),
    _ole("doc", "application/msword", "WordDocument", "office_files:read_doc"),
    _ole("ppt", _MS + "powerpoint", "PowerPoint Document", "office_files:read_ppt", "slide"),
    _ole("xls", _MS + "excel", "Workbook", "office_files:read_xls", "sheet"),
    _ole("msg", _MS + "outlook", "__properties_version1.0", "mail:read_msg"),
    Format(
        "rtf",
        (".rtf",),
        "application/rtf",
        "rtf",
        _HOME + "office_files:read_rtf",
        None,
        (b"{\\rtf",),
    ),
    Format("pdf", (".pdf",), "application/pdf", "pdf", _HOME + "pdf:read_pdf", "page", (b"%PDF-",)),
    _image("png", (b"\x89PNG\r\n\x1a\n",), ".png"),
    _image("jpeg", (b"\xff\xd8\xff",), ".jpg", ".jpeg", ".jpe"),
    _image("tiff", (b"II*\x00", b"MM\x00*"), ".tif", ".tiff"),
    _image("gif", (b"GIF8",), ".gif"),
    _image("bmp", (b"BM",), ".bmp"),
    _image("webp", (b"RIFF",), ".webp"),
    _text("html", "text/html", "web:read_html", ".html", ".htm", ".xhtml"),
    _text("md", "text/markdown", "web:read_markdown", ".md", ".markdown", ".mdown"),
    _text("txt", "text/plain", "text:read_plain", ".txt", ".text", ".log", ".rst"),
    _text("csv", "text/csv", "text:read_comma_separated", ".csv"),
    _text("tsv", "text/tab-separated-values", "text:read_tab_separated", ".tsv", ".tab"),
    _text("eml", "message/rfc822", "mail:read_eml", ".eml"),
)

FORMATS: Mapping[str, Format] = {each.name: each for each in _TABLE}
"""Every format by its name. First bytes are compared in this order."""

BY_ENDING: Mapping[str, Format] = {ending: each for each in _TABLE for ending in each.endings}
"""The format of every ending, in lower case, with its dot."""

KNOWN_ENDINGS = "Known endings: " + " ".join(sorted(BY_ENDING)) + "."
"""The remedy for a file whose ending is not in the table."""


PICTURE_ENDINGS = tuple(ending for ending, each in BY_ENDING.items() if each.family == "image")
