"""What parsing gives to chunking: a document as a row of elements in reading order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from indexes.formats import PageKind
from indexes.model import Scalar

ElementKind = Literal["heading", "text", "table", "list", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A heading, a paragraph, a table, a list item or a stretch of code."""

    kind: ElementKind
    text: str  # a table: one row a line, cells joined with " | ", header row first
    level: int = 0  # headings only: 1 is the top
    page: int | None = None  # 1-based page, slide, sheet or part; None if the format has none
    page_name: str | None = None  # a sheet's name, a part's title
    html: str | None = None  # tables only, if the source has cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """One source file as elements. There is always at least one element with text."""

    title: str | None  # as the file itself names it; None if it does not
    elements: tuple[Element, ...]
    media_type: str
    language: str | None  # ISO 639-1 of most of the text
    page_kind: PageKind | None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # what could not be read although the rest was


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOptions:
    """Limits and choices for one parse. Counted in the units of their names."""

    ocr: bool = True
    max_file_mb: int = 200
    max_unpacked_mb: int = 200  # of all entries of a zip container together
    max_unpack_ratio: int = 100
    max_entries: int = 10_000
    max_pages: int = 5_000
    max_ocr_pages: int = 300
    max_attachments: int = 50
    max_attachment_depth: int = 3
    encodings: tuple[str, ...] = ("gb18030", "big5hkscs", "cp932", "cp949", "cp1251", "cp1252")
