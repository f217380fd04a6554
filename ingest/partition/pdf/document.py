"""One PDF file from its first page to its last.

PDFium is not safe for threads; parsing runs in a process of its own, one document at a time. A page
is made into lines and tables at once, so that the letters of one page only are held.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused, SourceTooCostly
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.pdf.content import read_content
from ingest.partition.pdf.flow import Item, Line, read_flow
from ingest.partition.pdf.forms import read_notes
from ingest.partition.pdf.hidden import hidden_words, runs
from ingest.partition.pdf.page import Box, PageContent, Word
from ingest.partition.pdf.paragraphs import HeadingSizes, heading_sizes, paragraphs
from ingest.partition.pdf.rows import words_text
from ingest.partition.pdf.running import (
    PageLines,
    find_edges,
    page_numbers,
    repeated_lines,
    running_lines,
)
from ingest.partition.pdf.scans import SCANNED_BELOW, UNREADABLE_SHARE, read_parts, scanned_parts
from ingest.partition.pdf.scripts import join_scripts
from ingest.partition.pdf.silent import SecondReader
from ingest.partition.pdf.tables.captions import take_captions
from ingest.partition.pdf.tables.find import find_tables
from ingest.partition.pdf.tables.grid import FoundTable
from ingest.partition.pdf.tables.joining import carry_over, continues
from ingest.partition.reading import ReadResult
from ingest.partition.tables import make_table


@dataclass(frozen=True, slots=True)
class KeptPage:
    """What is kept of a page until all are read."""

    number: int
    items: tuple[Item, ...] = ()
    label: str | None = None  # what is printed on it as its number, if that is another one
    notes: tuple[str, ...] = ()
    scanned: tuple[Element, ...] = ()  # what OCR read
    table_letters: Counter[float] = field(default_factory=Counter)  # in each size
    numbers: frozenset[int] = frozenset()  # ids of the lines that are its number
    repeated: frozenset[int] = frozenset()  # and of those that pages nearby have in their place


def read_pdf(path: Path, work: ParseContext) -> ReadResult:
    """Elements, those of the attached files last, and what the file says of itself.

    Raises SourceRefused (password, too many pages), SourceBroken, and SourceEmpty if there is no
    text to be had.
    """
    with _open_document(path) as document:
        pages = read_pages(document, work, SecondReader(path))
        about, attached = _read_about(document), list(_read_attached_files(document, work))
    return _to_elements(pages) + list(read_attachments(attached, work)), about


def read_pages(
    document: pdfium.PdfDocument, work: ParseContext, second: SecondReader | None = None
) -> list[KeptPage]:
    """All pages, without running headers and footers, captions put into their tables, and tables
    that go on over pages under one header.
    """
    count = len(document)
    if count > work.options.max_pages:
        raise SourceTooCostly(
            f"It has {count} pages; the limit is {work.options.max_pages}.",
            remedy="Split the file.",
        )
    if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
        document.init_forms()
    reader = _PdfPageReader(document, work, second)
    pages = [reader.read(index) for index in range(count)]
    reader.tell()
    pages = _drop_running_lines(pages, work)
    return _join_tables(pages, heading_sizes(_all_lines(pages), _table_letters(pages)))


def _open_document(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceRefused(
                "It opens only with a password.", remedy="Store a copy without the password."
            ) from error
        if "security" in str(error).lower():
            raise SourceRefused("It is encrypted in a way that cannot be read.") from error
        raise SourceBroken(f"PDFium cannot read it: {error}.") from error


class _PdfPageReader:
    """Reads pages one by one and counts what it cannot read."""

    def __init__(
        self, document: pdfium.PdfDocument, work: ParseContext, second: SecondReader | None
    ) -> None:
        self.document, self.work, self.second = document, work, second
        self.damaged = self.empty = self.unread = self.photographs = self.text_pages = 0
        self.unreadable = self.shattered = 0

    def read(self, index: int) -> KeptPage:
        label = self._label(index)
        try:
            page = self.document[index]
        except pdfium.PdfiumError:  # one damaged page among others
            self.damaged += 1
            return KeptPage(index + 1, label=label)
        try:
            content = read_content(page, index + 1, self.second)
            notes = tuple(read_notes(page))
        finally:
            page.close()
        return self._make(content, label, notes)

    def _make(self, content: PageContent, label: str | None, notes: tuple[str, ...]) -> KeptPage:
        hidden = hidden_words(content)
        shown = [word for index, word in enumerate(content.words) if index not in hidden]
        parts = scanned_parts(content, shown)
        scanned = self._scan(content, parts, shown)
        useless = (
            bool(scanned) and parts and content.unreadable > UNREADABLE_SHARE * content.visible
        )
        self.unreadable += 0 if useless else content.unreadable
        words = [] if useless else list(join_scripts(shown))
        tables, columns = find_tables(replace(content, words=tuple(words)))
        items = [*read_flow(words, tables, columns), *self._marked(content, hidden)]
        drawn = content.drawing.pictures or content.drawing.outlines
        self.empty += not items and not scanned and not notes and bool(drawn) and not parts
        self.text_pages += bool(items or notes)
        self.shattered += content.shattered and not useless
        letters = _count_sizes(words[index] for table in tables for index in table.words)
        return KeptPage(content.number, tuple(items), label, notes, tuple(scanned), letters)

    def _marked(self, content: PageContent, hidden: dict[int, str]) -> Iterator[Line]:
        """Hidden text as lines of its own, if the options say so."""
        for first, last, reason in runs(hidden):
            words = content.words[first : last + 1]
            text = self.work.hide(words_text(words), reason)
            if text is not None:
                yield Line(text, words[0].size, words[0].box.left, words[-1].box.right, 0.0)

    def _scan(
        self, content: PageContent, parts: Sequence[Box], shown: Sequence[Word]
    ) -> list[Element]:
        """What OCR reads on a page, as far as the options and limits let it."""
        if not parts:
            return []
        if not self.work.options.ocr:
            self.unread += 1
            return []
        certain = (
            sum(len(word.text) for word in shown) < SCANNED_BELOW
            or content.unreadable > UNREADABLE_SHARE * content.visible
        )
        if not self.work.may_read_picture():
            return []
        found = read_parts(self.document, content, parts, shown, certain=certain)
        self.work.page_read()
        if found is None:
            self.work.ocr_pages -= 1  # a look at a photograph costs little
            self.photographs += 1
        return found or []

    def _label(self, index: int) -> str | None:
        """The number printed on a page, if the file names one that is not its place."""
        label = (self.document.get_page_label(index) or "").strip()
        return label if label and label != str(index + 1) and len(label) <= 40 else None

    def tell(self) -> None:
        """Counts what was not read. Raises SourceEmpty if that is all there is."""
        work = self.work
        if self.unread and not self.text_pages:
            raise SourceEmpty(
                "It has no text layer and OCR is off.", remedy="Set CLEARANCE_OCR=true."
            )
        work.lose("picture", self.unread, "pages", "pictures of text, and OCR is off")
        work.lose("part", self.damaged, "pages", "damaged")
        work.lose("part", self.empty, "pages", "drawn without text")
        work.lose("part", self.shattered, "pages", "the order of their letters cannot be told")
        work.lose("picture", self.photographs, "pages", "photographs without a sign of text")
        work.lose("undecodable", self.unreadable, "characters", "their font tells no letters")


# --- over all pages -------------------------------------------------------------------------------


def _count_sizes(words: Iterable[Word]) -> Counter[float]:
    """How many letters they have in each size."""
    letters: Counter[float] = Counter()
    for word in words:
        letters[word.size] += len(word.text)
    return letters


def _all_lines(pages: Sequence[KeptPage]) -> Iterator[Line]:
    """All lines but page numbers."""
    for page in pages:
        yield from (line for line in _lines_of(page) if id(line) not in page.numbers)


def _lines_of(page: KeptPage) -> list[Line]:
    return [item for item in page.items if isinstance(item, Line)]


def _table_letters(pages: Sequence[KeptPage]) -> Counter[float]:
    total: Counter[float] = Counter()
    for page in pages:
        total.update(page.table_letters)
    return total


def _drop_running_lines(pages: Sequence[KeptPage], work: ParseContext) -> list[KeptPage]:
    """The pages without what only repeats, and what else stands at their edges told."""
    edges = find_edges([_page_lines(page) for page in pages])
    dropped = running_lines(edges)
    work.lose("repeated", sum(map(len, dropped)), "lines", "running headers and footers")
    return [
        replace(
            page,
            items=tuple(item for item in page.items if id(item) not in gone),
            numbers=frozenset(numbers),
            repeated=frozenset(repeated),
        )
        for page, gone, numbers, repeated in zip(
            pages, dropped, page_numbers(edges), repeated_lines(edges), strict=True
        )
    ]


def _page_lines(page: KeptPage) -> PageLines:
    lines = _lines_of(page)
    return PageLines(page.number, page.label, lines, len(lines) < len(page.items))


def _join_tables(pages: Sequence[KeptPage], sizes: HeadingSizes) -> list[KeptPage]:
    """The pages, lines that belong to tables put into them, and tables that go on from the page
    before under the header where they begin.
    """
    done: list[KeptPage] = []
    for page in pages:
        items = take_captions(page.items, sizes, page.numbers)
        joined = _join_first(done, page, items)
        if joined is None:  # what repeats may have been taken for the name of another table
            joined = _join_first(done, page, take_captions(page.items, sizes, page.repeated))
        done.append(joined or replace(page, items=tuple(items)))
    return done


def _join_first(done: Sequence[KeptPage], page: KeptPage, items: Sequence[Item]) -> KeptPage | None:
    """A page whose first table goes on with the last one of the page before; None if it does not.
    What repeats on every page does not part them.
    """
    if not done:
        return None
    before = [item for item in done[-1].items if id(item) not in done[-1].repeated]
    after = [item for item in items if id(item) not in page.repeated]
    above, below = next(reversed(before), None), next(iter(after), None)
    if not (isinstance(above, FoundTable) and isinstance(below, FoundTable)):
        return None
    if not continues(above, below):
        return None
    joined = carry_over(above, below)
    return replace(page, items=tuple(joined if item is below else item for item in items))


# --- elements -------------------------------------------------------------------------------------


def _to_elements(pages: Sequence[KeptPage]) -> list[Element]:
    sizes = heading_sizes(_all_lines(pages), _table_letters(pages))
    elements: list[Element] = []
    for page in pages:
        elements += _page_elements(page, sizes)
        elements += [replace(element, page_name=page.label) for element in page.scanned]
    return elements


def _page_elements(page: KeptPage, sizes: HeadingSizes) -> Iterator[Element]:
    held: list[Line] = []
    for item in page.items:
        if isinstance(item, Line):
            held.append(item)
            continue
        yield from paragraphs(held, sizes, page.number, page.label, page.numbers)
        held = []
        yield _table_element(item, page)
    yield from paragraphs(held, sizes, page.number, page.label, page.numbers)
    for note in page.notes:
        yield Element(kind="text", text=note, page=page.number, page_name=page.label)


def _table_element(table: FoundTable, page: KeptPage) -> Element:
    return make_table(
        table.rows,
        page=page.number,
        page_name=page.label,
        header_rows=table.header_rows,
        header_columns=table.header_columns,
        spans=table.spans,
        caption=table.caption,
        notes=table.notes,
        box=(table.box.left, table.box.top, table.box.right, table.box.bottom),
    )


def _read_about(document: pdfium.PdfDocument) -> dict[str, Scalar]:
    told = document.get_metadata_dict(skip_empty=True)
    return {
        key.lower(): value
        for key, value in told.items()
        if key in ("Title", "Author", "Subject", "Keywords")
    }


def _read_attached_files(document: pdfium.PdfDocument, work: ParseContext) -> Iterator[Attachment]:
    total = document.count_attachments()
    limit = work.options.max_attachments
    work.lose("limit", total - limit, "attachments", f"only the first {limit} are read")
    for index in range(min(total, limit)):
        attachment = document.get_attachment(index)
        try:
            yield Attachment(attachment.get_name(), bytes(attachment.get_data()))
        except pdfium.PdfiumError:
            work.lose("part", 1, "attachments", "damaged")
