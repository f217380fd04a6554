"""Printed lines to paragraphs, list items and headings."""

import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexes.text.sentences import ANNOUNCES, BULLETS, ends_sentence
from ingest.elements import Element, ElementKind
from ingest.partition.lines import join_lines
from ingest.partition.pdf.flow import Line

HEADING_RATIO = 1.15
HEADING_CHARS = 80
MAX_LEVELS = 6
_BULLET = re.compile(rf"^(?:[{BULLETS}–*\-]|\(?\d{{1,3}}[.)]|\(?[a-z][.)])\s+\S")
_STOPS = (*ANNOUNCES, *";；")


@dataclass(frozen=True, slots=True)
class HeadingSizes:
    """The size of running text, and the level of each size that makes headings, 1 the largest."""

    body: float
    levels: dict[float, int]

    def level_of(self, text: str, size: float) -> int | None:
        """The level of a heading of this text and size; None if it is none."""
        if size in self.levels and len(text) < HEADING_CHARS and any(map(str.isalpha, text)):
            return self.levels[size]
        return None


def heading_sizes(lines: Iterable[Line], other: Counter[float]) -> HeadingSizes:
    """other: letters in each size that stand in no line, those of tables."""
    weight = Counter(other)
    short: Counter[float] = Counter()
    for line in lines:
        weight[line.size] += len(line.text)
        if len(line.text) < HEADING_CHARS:
            short[line.size] += 1
    if not weight:
        return HeadingSizes(0.0, {})
    body = weight.most_common(1)[0][0]
    larger = sorted((size for size in short if size > HEADING_RATIO * body), reverse=True)
    return HeadingSizes(
        body, {size: min(rank, MAX_LEVELS) for rank, size in enumerate(larger, start=1)}
    )


def paragraphs(
    lines: Sequence[Line],
    sizes: HeadingSizes,
    page: int,
    name: str | None,
    numbers: Collection[int] = (),
) -> Iterator[Element]:
    """Elements of lines that follow each other. numbers: ids of those that are page numbers."""
    pitch = _pitch(lines)
    for group in _group_lines(lines, pitch, numbers):
        text = join_lines([line.text for line in group])
        if not text:
            continue
        is_number = id(group[0]) in numbers
        level = None if is_number else sizes.level_of(text, group[0].size)
        if level is not None:
            yield Element(kind="heading", text=text, level=level, page=page, page_name=name)
        else:
            kind: ElementKind = "list" if _BULLET.match(text) else "text"
            yield Element(kind=kind, text=text, page=page, page_name=name)


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance from one line to the next, in line sizes."""
    steps = [
        (after.top - before.top) / before.size
        for before, after in pairwise(lines)
        if before.size == after.size and 0 < after.top - before.top < 3 * before.size
    ]
    return statistics.median(steps) if steps else 1.2


def _group_lines(
    lines: Sequence[Line], pitch: float, numbers: Collection[int]
) -> Iterator[list[Line]]:
    """Lines that are one paragraph, one list item, one heading or one page number."""
    group: list[Line] = []
    for line in lines:
        apart = id(line) in numbers or (group and id(group[0]) in numbers)
        if group and (apart or not _continues_group(group, line, pitch)):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _continues_group(group: list[Line], line: Line, pitch: float) -> bool:
    last = group[-1]
    if abs(line.size - last.size) > 0.1 * max(last.size, 1) or _BULLET.match(line.text):
        return False
    step = (line.top - last.top) / max(last.size, 1)
    open_sentence = not (last.text.endswith(_STOPS) or ends_sentence(last.text))
    if step <= 0:  # the next column, or a page whose lines are out of order
        return open_sentence and line.text[:1].islower()
    if step > max(1.35 * pitch, pitch + 0.3):
        return False
    indented = (
        line.inset > group[0].inset + 0.8 * last.size
        and len(group) > 1
        and line.inset > last.inset + 0.8 * last.size
    )
    return open_sentence or not indented
