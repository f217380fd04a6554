"""Plain text to paragraphs, code and logs to lines, delimited rows to tables."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.text.sentences import BULLETS
from ingest.elements import Element, ElementKind
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.reading import ReadResult
from ingest.partition.tables import make_table
from ingest.partition.text_tables import find_text_table

MAX_ELEMENT_CHARS = 20_000
CODE_CHARS = 2_000  # of a stretch of code, which ends before a line that is not indented
MAX_CELL_CHARS = 1 << 30  # more than any file that is read
MAX_SWALLOWED = 20  # times all lines that rows with stray quotation marks may take up
_BLANK_LINES = re.compile(r"\n[ \t\u3000]*\n+")
_BULLET = re.compile(rf"^\s*(?:[-*+{BULLETS}]|\d{{1,3}}[.)]|[a-zA-Z][.)])\s+\S")
_RULE = re.compile(r"^([=\-~^#*_+])\1{2,}$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FIGURE = re.compile(r"[-+]?\d[\d.,:/ -]*%?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[ \t]*\n', re.IGNORECASE)


def read_plain(path: Path, work: ParseContext) -> ReadResult:
    """Plain text as paragraphs, or as the table that all of it is."""
    text = without_colours(read_text(path, work))
    table = find_text_table(text)
    if table is None:
        return list(parse_paragraphs(text)), {}
    return [
        *parse_paragraphs(table.above),
        make_table(table.rows, header_rows=table.header_rows),
        *parse_paragraphs(table.below),
    ], {}


def read_code(path: Path, work: ParseContext) -> ReadResult:
    """Source code and logs with their lines as they stand."""
    return list(parse_code(without_colours(read_text(path, work)))), {}


def read_comma_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells as one table, whatever sign separates the cells. Raises SourceBroken."""
    text = read_text(path, work)
    if told := _SEPARATOR_LINE.match(text):  # a line that only tells the separator
        return list(parse_delimited(text[told.end() :], told.group(1), work)), {}
    return list(parse_delimited(text, _guess_delimiter(text), work)), {}


def read_tab_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells with tabs between them as one table. Raises SourceBroken."""
    return list(parse_delimited(read_text(path, work), "\t", work)), {}


def without_colours(text: str) -> str:
    """The text without what tells a terminal to show it in colours."""
    return _COLOURS.sub("", text) if "\x1b" in text else text


def read_text(path: Path, work: ParseContext, declared: str | None = None) -> str:
    """The whole file as text, with what could not be decoded counted."""
    return decode(path.read_bytes(), work, declared)


def parse_code(text: str) -> Iterator[Element]:
    """Stretches of whole lines, cut where a line begins at the margin if possible."""
    held: list[str] = []
    size = 0
    for line in text.split("\n"):
        at_margin = bool(line) and not line[0].isspace() and line[0] not in "})]"
        if held and size > (CODE_CHARS if at_margin else MAX_ELEMENT_CHARS // 2):
            yield from _code_elements(held)
            held, size = [], 0
        held.append(line.rstrip())
        size += len(line) + 1
    yield from _code_elements(held)


def _code_elements(lines: list[str]) -> Iterator[Element]:
    for piece in _split_long("\n".join(lines).strip("\n")):
        yield Element(kind="code", text=piece)


def parse_paragraphs(text: str) -> Iterator[Element]:
    """Plain text as paragraphs and list items; lines of one paragraph stay on their lines."""
    for block in _BLANK_LINES.split(text):
        lines = [
            line.rstrip()
            for line in block.split("\n")
            if line.strip() and not _RULE.match(line.strip())
        ]
        for item in _split_items(lines):
            kind: ElementKind = "list" if _BULLET.match(item[0]) else "text"
            for piece in _split_long("\n".join(item).strip()):
                yield Element(kind=kind, text=piece)


def _split_items(lines: list[str]) -> Iterator[list[str]]:
    """A block's lines, cut before each bullet when more than one line begins with a bullet."""
    if not lines:
        return
    starts = [i for i, line in enumerate(lines) if _BULLET.match(line)]
    if len(starts) < 2:
        yield lines
        return
    edges = [0, *[i for i in starts if i > 0], len(lines)]
    for start, end in pairwise(edges):
        yield lines[start:end]


def _split_long(text: str) -> Iterator[str]:
    """Pieces of at most MAX_ELEMENT_CHARS, cut at a line end or a space if there is one."""
    start = 0
    while len(text) - start > MAX_ELEMENT_CHARS:
        end = start + MAX_ELEMENT_CHARS
        cut = max(text.rfind("\n", start, end), text.rfind(" ", start, end))
        cut = cut if cut > start + MAX_ELEMENT_CHARS // 2 else end
        if piece := text[start:cut].strip():
            yield piece
        start = cut
    if piece := text[start:].strip():
        yield piece


def parse_delimited(text: str, delimiter: str, work: ParseContext) -> Iterator[Element]:
    """Delimited rows as one table; ragged rows keep every cell they have. Raises SourceBroken."""
    csv.field_size_limit(MAX_CELL_CHARS)
    remarks, lines = _split_remarks(text.split("\n"), delimiter)
    for piece in _split_long("\n".join(remarks)):
        yield Element(kind="text", text=piece)
    try:
        rows = list(_read_rows(lines, delimiter, work))
    except csv.Error as error:
        raise SourceBroken(f"Its rows cannot be read: {error}.") from error
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    if kept:
        yield make_table(kept, header_rows=0 if _has_no_header(kept) else None)


def _split_remarks(lines: list[str], delimiter: str) -> tuple[list[str], list[str]]:
    """(lines above the header that are marked as remarks, the others)"""
    count = next((n for n, line in enumerate(lines) if not line.startswith("#")), 0)
    header = lines[count - 1] if 0 < count < len(lines) else ""
    if header[1:2].strip() and header.count(delimiter) == lines[count].count(delimiter):
        count -= 1  # "#id,name" names the columns
    return lines[:count], lines[count:]


def _read_rows(lines: list[str], delimiter: str, work: ParseContext) -> Iterator[list[str]]:
    """The rows; a quotation mark that nobody closes is a sign like any other."""
    start, swallowed = 0, 0
    while start < len(lines):
        if swallowed > MAX_SWALLOWED * len(lines):  # no quotation mark means anything
            yield from csv.reader(lines[start:], delimiter=delimiter, quoting=csv.QUOTE_NONE)
            return
        begun = start
        rest = (f"{lines[number]}\n" for number in range(start, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            end = begun + reader.line_num
            if end - start > 1 and not _is_sound(lines[start:end], delimiter):
                break
            yield row
            start = end
        else:
            return
        swallowed += end - start
        work.warn("A quotation mark is never closed; its row was read without quotation marks.")
        yield from csv.reader(lines[start : start + 1], delimiter=delimiter, quoting=csv.QUOTE_NONE)
        start += 1


def _is_sound(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the quotation marks of a row that takes several lines belong together."""
    whole = (f"{line}\n" for line in lines)
    try:
        return bool(
            list(csv.reader(whole, delimiter=delimiter, skipinitialspace=True, strict=True))
        )
    except csv.Error:
        return False


def _has_no_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds figures like the rows below it, and no names of columns."""
    first, others = rows[0], rows[1:6]
    if not others or not all(_FIGURE.fullmatch(cell.strip()) for cell in first):
        return False
    years = all(_YEAR.fullmatch(cell.strip()) for cell in first)
    return not years and all(
        _FIGURE.fullmatch(cell.strip()) for row in others for cell in row if cell.strip()
    )


def _guess_delimiter(text: str) -> str:
    """The separator that gives the first lines the same, largest number of cells."""
    csv.field_size_limit(MAX_CELL_CHARS)
    lines = [
        line
        for line in text[:20_000].split("\n")[:50]
        if line.strip() and not line.startswith("# ")
    ][:20]

    def fit(candidate: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=candidate)]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)

    try:
        return max((",", ";", "\t", "|"), key=fit) if lines else ","
    except csv.Error:
        return ","
