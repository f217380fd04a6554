"""What parsing gives to chunking: a document as a row of elements in reading order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from indexes.formats import PageKind
from indexes.model import Chunk, Loss, Scalar

ElementKind = Literal["heading", "text", "table", "list", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The cells of one table, from whatever format, as a grid.

    A merged cell stands in every place that it covers, so that each row and each column can be
    understood alone. `spans` says where cells were merged, for whoever draws the table.
    """

    rows: tuple[tuple[str, ...], ...]  # all of one length; "" is an empty cell
    header_rows: int = 0  # so many rows at the top name the columns
    header_columns: int = 0  # so many columns at the left name the rows
    # (row, column, rows, columns) of every cell that covers more than one place
    spans: tuple[tuple[int, int, int, int], ...] = ()
    caption: str = ""  # what the file calls it, or the line above that names it
    notes: tuple[str, ...] = ()  # lines beside it that its figures need: the unit, the period
    # left, top, right, bottom in points on its page; None if the format has no places
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A heading, a paragraph, a table, a list item or a stretch of code."""

    kind: ElementKind
    text: str  # a table: as `ingest.partition.tables.readable_table` writes it
    level: int = 0  # headings only: 1 is the top
    page: int | None = None  # 1-based page, slide, sheet or part; None if the format has none
    page_name: str | None = None  # a sheet's name, a part's title
    table: Table | None = None  # tables only; None if nothing is known of its cells


@dataclass(frozen=True, slots=True, kw_only=True)
class CutText:
    """The text of a document and its chunks, as `ingest.chunking` makes them of elements."""

    title: str
    text: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions:
    """How a document is to be cut, and what it is called if it does not say itself."""

    chunk_tokens: int
    title: str | None  # whatever the file says
    fallback_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """One source file as elements. There is always at least one element with text, unless they have
    been cut already.
    """

    title: str | None  # as the file itself names it; None if it does not
    elements: tuple[Element, ...]
    media_type: str
    language: str | None  # ISO 639-1 of most of the text
    page_kind: PageKind | None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # what a reader should know, in sentences
    losses: tuple[Loss, ...] = ()  # what stands in the file and not in the elements
    cut: CutText | None = None  # then there are no elements any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOptions:
    """Limits and choices for one parse. Counted in the units of their names."""

    ocr: bool = True
    # text that no reader of the file sees: left out and counted, or kept between marks
    hidden_text: Literal["omit", "mark"] = "omit"
    max_file_mb: int = 200
    max_unpacked_mb: int = 200  # of all entries of a zip container together
    max_unpack_ratio: int = 100
    max_entries: int = 10_000
    max_pages: int = 5_000
    max_ocr_pages: int = 300
    max_attachments: int = 50  # of one message
    max_members: int = 1_000  # files inside one file altogether, whatever holds them
    max_attachment_depth: int = 3
    encodings: tuple[str, ...] = ("gb18030", "big5hkscs", "cp932", "cp949", "cp1251", "cp1252")
