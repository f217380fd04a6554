"""Where tables stand in what is quoted: rows are quoted one by one, each with what stands above it."""

from collections.abc import Sequence

from indexes.model import SectionMark, TableMark
from indexes.text.lines import line_ranges
from indexes.text.sentences import sentences


def split_units(text: str, start: int, tables: Sequence[TableMark]) -> list[tuple[int, int]]:
    """Offsets in the text of its sentences, and of the lines of its tables, in order.

    start: where the text begins in the document, as the marks count.
    """
    found: list[tuple[int, int]] = []
    at = 0
    for table in tables:
        begin, end = max(at, table.start - start), min(len(text), table.end - start)
        if begin >= end:
            continue
        found += ((at + first, at + last) for first, last in sentences(text[at:begin]))
        found += line_ranges(text, begin, end)
        at = end
    return [*found, *((at + first, at + last) for first, last in sentences(text[at:]))]


def header_of(place: int, text: str, start: int, tables: Sequence[TableMark], above: str) -> str:
    """Caption, notes and header rows of the row that stands at this place of the document; empty
    if none does.

    text: a stretch of the document that begins at `start`. above: what stands above a table that
    has begun before it.
    """
    for table in tables:
        if table.body <= place < table.end:
            own = text[max(0, table.start - start) : max(0, table.body - start)].strip()
            return own or (above if table.start <= start else "")
    return ""


def section_of(
    place: int, headings: Sequence[SectionMark], outer: tuple[str, ...]
) -> tuple[str, ...]:
    """The headings above this place. outer: above the whole stretch."""
    begun = [mark for mark in headings if mark.start <= place]
    return max(begun, key=lambda mark: mark.start).section if begun else outer
