"""Elements laid out as one text, with the headings and pages that each place of it stands under."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from indexes.model import PageMark, SectionMark
from ingest.elements import Element

HEADING_CHARS = 160


@dataclass(frozen=True, slots=True)
class TextBlock:
    """An element at its place in the document text."""

    start: int
    end: int
    element: Element


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, with its place, so that a chunk that contains it does not name it twice."""

    start: int
    level: int
    text: str


HeadingPath = tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Section:
    path: HeadingPath
    blocks: tuple[TextBlock, ...]


def lay_out(elements: Iterable[Element]) -> tuple[str, list[TextBlock]]:
    """The document text, blocks a blank line apart and list items a line end apart, and where each
    block stands.
    """
    parts: list[str] = []
    blocks: list[TextBlock] = []
    at, before = 0, ""
    for element in elements:
        body = element.text.strip()
        if not body:
            continue
        gap = "\n" if before == element.kind == "list" else "\n\n"
        start = at + len(gap) if blocks else 0
        parts += (gap, body) if blocks else (body,)
        blocks.append(TextBlock(start, start + len(body), element))
        at, before = start + len(body), element.kind
    return "".join(parts), blocks


def make_sections(blocks: Sequence[TextBlock]) -> Iterator[Section]:
    """Blocks under the headings above them.

    Headings with nothing of their own go with what they introduce.
    """
    path: HeadingPath = ()
    held: list[TextBlock] = []
    for block in blocks:
        if block.element.kind == "heading":
            if any(one.element.kind != "heading" for one in held) or not _introduces(held, block):
                if held:
                    yield Section(path, tuple(held))
                held = []
            path = _path_to(block, path)
        held.append(block)
    if held:
        yield Section(path, tuple(held))


def _path_to(heading: TextBlock, before: HeadingPath) -> HeadingPath:
    """A heading after those that it stands under. before: the path of the heading before it."""
    level = max(1, heading.element.level)
    text = " ".join(heading.element.text.split())[:HEADING_CHARS]
    above = takewhile(lambda outer: outer.level < level, before)
    return (*above, Heading(heading.start, level, text))


def _introduces(held: Sequence[TextBlock], heading: TextBlock) -> bool:
    return bool(held) and held[-1].element.level < heading.element.level


def count_shared_headings(one: HeadingPath, other: HeadingPath) -> int:
    """How many headings, from the top, stand above both."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def section_marks(sections: Iterable[Section]) -> list[SectionMark]:
    """Every heading at its place, with those above it. Only the last of those that follow each
    other has a mark.
    """
    marks: list[SectionMark] = []
    for section in sections:
        if section.path and section.path[-1].start >= section.blocks[0].start:
            names = tuple(heading.text for heading in section.path)
            marks.append(SectionMark(section.blocks[0].start, names))
    return marks


def headings_in(
    marks: Sequence[SectionMark], start: int, end: int, path: HeadingPath
) -> tuple[SectionMark, ...]:
    """Those between two places; none if all of it is the one section of this path."""
    first = bisect_left(marks, start, key=lambda mark: mark.start)
    last = bisect_left(marks, end, key=lambda mark: mark.start)
    inside = tuple(marks[first:last])
    names = tuple(heading.text for heading in path)
    return () if all(mark.section == names for mark in inside) else inside


def page_marks(blocks: Sequence[TextBlock]) -> list[PageMark]:
    """Where each page begins. Blocks without a page stand on the page before them."""
    marks: list[PageMark] = []
    for block in blocks:
        page = block.element.page
        if page is not None and (not marks or marks[-1].number != page):
            marks.append(PageMark(0 if not marks else block.start, page, block.element.page_name))
    return marks


def pages_of(marks: Sequence[PageMark], start: int, end: int) -> tuple[PageMark, ...]:
    """The page that the first place stands on, then each that begins before the second."""
    first = max(0, bisect_right(marks, start, key=lambda mark: mark.start) - 1)
    return tuple(marks[first : bisect_left(marks, end, key=lambda mark: mark.start)])
