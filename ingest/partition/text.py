"""Plain text to paragraphs, code and logs to lines, delimited rows to tables."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.text.sentences import BULLETS
from ingest.elements import Element, ElementKind
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.reading import ReadResult
from ingest.partition.tables import make_table

MAX_ELEMENT_CHARS = 20_000
CODE_CHARS = 2_000  # of a stretch of code, which ends before a line that is not indented
MAX_CELL_CHARS = 1 << 30  # more than any file that is read
STRAY_QUOTE_LINES = 200  # a cell with more lines comes from a quotation mark that nobody closed
_BLANK_LINES = re.compile(r"\n[ \t\u3000]*\n+")
_BULLET = re.compile(rf"^\s*(?:[-*+{BULLETS}]|\d{{1,3}}[.)]|[a-zA-Z][.)])\s+\S")
_RULE = re.compile(r"^([=\-~^#*_+])\1{2,}$")
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[ \t]*\n', re.IGNORECASE)


def read_plain(path: Path, work: ParseContext) -> ReadResult:
    """Plain text as paragraphs."""
    return list(parse_paragraphs(read_text(path, work))), {}


def read_code(path: Path, work: ParseContext) -> ReadResult:
    """Source code and logs with their lines as they stand."""
    return list(parse_code(read_text(path, work))), {}


def read_comma_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells as one table, whatever sign separates the cells. Raises SourceBroken."""
    text = read_text(path, work)
    if told := _SEPARATOR_LINE.match(text):  # a line that only tells the separator
        return list(parse_delimited(text[told.end() :], told.group(1), work)), {}
    return list(parse_delimited(text, _guess_delimiter(text), work)), {}


def read_tab_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells with tabs between them as one table. Raises SourceBroken."""
    return list(parse_delimited(read_text(path, work), "\t", work)), {}


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
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        if rows and any(
            cell.count("\n") > STRAY_QUOTE_LINES for cell in rows[-1] if len(cell) > 1_000
        ):
            work.warn(
                "A quotation mark is never closed; its rows were read without quotation marks."
            )
            lines = io.StringIO(text, newline="")
            rows = list(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise SourceBroken(f"Its rows cannot be read: {error}.") from error
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    if kept:
        yield make_table(kept)


def _guess_delimiter(text: str) -> str:
    """The separator that gives the first lines the same, largest number of cells."""
    csv.field_size_limit(MAX_CELL_CHARS)
    lines = [line for line in text[:20_000].split("\n")[:50] if line.strip()][:20]

    def fit(candidate: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=candidate)]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)

    try:
        return max((",", ";", "\t", "|"), key=fit) if lines else ","
    except csv.Error:
        return ","
