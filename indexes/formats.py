"""The one table of file formats: how each is recognised, what it is called over HTTP, and what
reads it.

Everything that needs an ending, a media type, the kind of a page or a reader takes it from here.
The table imports nothing but the standard library, so that everybody may look something up in it. A
reader is only named: the side that parses imports it when the first file of its format is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Family = Literal["zip", "packed", "ole", "tnef", "rtf", "pdf", "image", "text"]
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
    mark: str = ""  # a zip entry or an OLE stream that only this format has; empty: any container


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_MS = "application/vnd.ms-"
_HOME = "ingest.partition."


def _zip(
    name: str, kind: str, mark: str, reader: str, page: PageKind | None = None, also: str = ""
) -> Format:
    """also: more endings, with spaces between."""
    endings = (f".{name}", *also.split())
    return Format(name, endings, kind, "zip", _HOME + reader, page, _ZIP, mark)


def _ole(
    name: str, kind: str, mark: str, reader: str, page: PageKind | None = None, also: str = ""
) -> Format:
    endings = (f".{name}", *also.split())
    return Format(name, endings, kind, "ole", _HOME + reader, page, _OLE, mark)


def _image(name: str, begins: tuple[bytes, ...], *endings: str) -> Format:
    return Format(
        name, endings, f"image/{name}", "image", _HOME + "ocr:read_picture", "page", begins
    )


def _text(name: str, kind: str, reader: str, *endings: str) -> Format:
    return Format(name, endings, kind, "text", _HOME + reader)


def _part(name: str, kind: str, reader: str, *endings: str) -> Format:
    return Format(name, endings, kind, "text", _HOME + reader, "part")


PACKERS: Mapping[bytes, str] = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
"""What a file that is compressed as a whole begins with, and the module of the standard library that
opens it.
"""

_TARS = (".tar", ".tgz", ".tbz", ".tbz2", ".txz")
_PACKED = (".gz", ".bz2", ".xz")  # any file, or after `.tar` an archive

_CODE_NAMES = """
    py pyi js mjs cjs ts jsx tsx java kt kts scala groovy go rs c h cc cpp cxx hh hpp hxx cs vb fs swift
    m mm rb php pl pm lua r jl hs ml ex exs erl clj lisp el dart zig nim sql sh bash zsh fish ps1 psm1
    bat cmd awk sed vim css scss sass less vue svelte graphql proto thrift tf hcl cmake mk gradle
    dockerfile patch diff asm s f f90 f95 pas ada cob cbl bas vbs v sv vhd vhdl tcl jsonc json5 lock lst
    po pot
"""
_CODE = tuple(f".{ending}" for ending in _CODE_NAMES.split())

_TABLE = (
    _zip(
        "docx",
        _OFFICE + "wordprocessingml.document",
        "word/",
        "word:read_word",
        also=".docm .dotx .dotm",
    ),
    _zip(
        "pptx",
        _OFFICE + "presentationml.presentation",
        "ppt/",
        "slides:read_slides",
        "slide",
        also=".pptm .ppsx .ppsm .potx .potm",
    ),
    _zip(
        "xlsx",
        _OFFICE + "spreadsheetml.sheet",
        "xl/",
        "sheets.workbook:read_workbook",
        "sheet",
        also=".xlsm .xltx .xltm",
    ),
    _zip("odt", _OPEN + "text", "content.xml", "odf:read_text"),
    _zip("odp", _OPEN + "presentation", "content.xml", "odf:read_presentation", "slide"),
    _zip("ods", _OPEN + "spreadsheet", "content.xml", "odf:read_spreadsheet", "sheet"),
    _zip("epub", "application/epub+zip", "META-INF/container.xml", "epub:read_epub", "part"),
    _ole("doc", "application/msword", "WordDocument", "office_files:read_doc", also=".dot"),
    _ole(
        "ppt",
        _MS + "powerpoint",
        "PowerPoint Document",
        "office_files:read_ppt",
        "slide",
        ".pps",
    ),
    _ole(
        "xls", _MS + "excel", "Workbook", "sheets.old_workbook:read_old_workbook", "sheet", ".xlt"
    ),
    _ole("msg", _MS + "outlook", "__properties_version1.0", "mail.outlook:read_msg"),
    Format(
        "rtf",
        (".rtf",),
        "application/rtf",
        "rtf",
        _HOME + "rtf:read_rtf",
        None,
        (b"{\\rtf",),
    ),
    _zip("zip", "application/zip", "", "archives:read_zip", "part"),
    Format(
        "packed",
        (*_TARS, *_PACKED),
        "application/gzip",
        "packed",
        _HOME + "archives:read_packed",
        "part",
        tuple(PACKERS),
    ),
    Format(
        "tnef",
        (".tnef",),
        "application/ms-tnef",
        "tnef",
        _HOME + "mail.tnef:read_tnef",
        None,
        (b'x\x9f>"',),
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
    _text(
        "txt",
        "text/plain",
        "text:read_plain",
        ".txt",
        ".text",
        ".adoc",
        ".asc",
        ".nfo",
        ".srt",
        ".vtt",
        ".tex",
        ".bib",
    ),
    _text("rst", "text/x-rst", "light_markup:read_rst", ".rst"),
    _text("org", "text/org", "light_markup:read_org", ".org"),
    _text("log", "text/plain", "text:read_code", ".log", ".out", ".err"),
    _text("csv", "text/csv", "text:read_comma_separated", ".csv"),
    _text("tsv", "text/tab-separated-values", "text:read_tab_separated", ".tsv", ".tab"),
    _text("eml", "message/rfc822", "mail.messages:read_eml", ".eml"),
    _part("mbox", "application/mbox", "mail.mailbox:read_mbox", ".mbox", ".mbx"),
    _text("mht", "multipart/related", "mail.messages:read_saved_page", ".mht", ".mhtml"),
    _text("ics", "text/calendar", "calendars:read_calendar", ".ics", ".ifb", ".vcs"),
    _text("vcf", "text/vcard", "calendars:read_contacts", ".vcf", ".vcard"),
    _text(
        "json",
        "application/json",
        "structured:read_json",
        ".json",
        ".geojson",
        ".jsonld",
        ".har",
        ".webmanifest",
    ),
    _text("jsonl", "application/x-ndjson", "structured:read_json_lines", ".jsonl", ".ndjson"),
    _text("ipynb", "application/x-ipynb+json", "notebooks:read_notebook", ".ipynb"),
    _text("yaml", "application/yaml", "structured:read_yaml", ".yaml", ".yml"),
    _text(
        "ini",
        "text/x-ini",
        "structured:read_settings",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".cnf",
        ".properties",
    ),
    _text(
        "xml",
        "application/xml",
        "markup:read_xml",
        ".xml",
        ".rss",
        ".atom",
        ".opml",
        ".kml",
        ".gpx",
        ".svg",
        ".xsd",
        ".xsl",
        ".xslt",
        ".wsdl",
        ".plist",
        ".resx",
        ".xlf",
        ".xliff",
        ".tmx",
        ".dita",
        ".docbook",
        ".fodt",
        ".fods",
    ),
    _text("code", "text/x-source", "text:read_code", *_CODE),
)

FORMATS: Mapping[str, Format] = {each.name: each for each in _TABLE}
"""Every format by its name. First bytes are compared in this order."""

BY_ENDING: Mapping[str, Format] = {ending: each for each in _TABLE for ending in each.endings}
"""The format of every ending, in lower case, with its dot."""

ENDING_OF: Mapping[str, str] = {each.media_type: each.endings[0] for each in reversed(_TABLE)}
"""The usual ending of a media type; that of the first format if several have it."""

KNOWN_ENDINGS = "Known endings: " + " ".join(sorted(BY_ENDING)) + "."
"""The remedy for a file that cannot be read."""

INSIDE = "!/"
"""Stands in a uri between an archive and the file in it; nowhere else, since uris are quoted."""

FOLDER_ENDINGS = (*FORMATS["zip"].endings, *_TARS, *(f".tar{ending}" for ending in _PACKED))
"""Of archives each of whose files becomes a document of its own."""

PICTURE_ENDINGS = tuple(ending for ending, each in BY_ENDING.items() if each.family == "image")

_UNREAD_NAMES = """
    mp3 mp4 m4a m4v mkv avi mov wmv webm flv mpg mpeg ogg ogv opus wav flac aac wma mid exe dll so dylib
    o a lib obj class pyc pyo wasm msi deb rpm apk app dmg iso img vmdk vdi qcow2 vhdx bin rar 7z cab
    jar war ttf otf woff woff2 eot ico icns psd ai blend stl dwg dxf sqlite sqlite3 db mdb accdb parquet
    feather npy npz pkl pickle h5 hdf5 pt pth onnx safetensors gguf swp lnk part crdownload p7s p7m p12
    pfx jks keystore kdbx
"""
UNREAD_ENDINGS = frozenset(f".{ending}" for ending in _UNREAD_NAMES.split())
"""Endings of sound, films, programs, data bases, keys and the like: such files are refused without being
read. Everything else is judged by its content."""
