"""Letters that PDFium leaves out: single Chinese, Japanese or Korean ones in a font that is not in
the file.

It skips a text object without breadth, and one letter for which no installed font has a shape has
none. Where there may be such objects, a second library is asked what stands in their places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingest.partition.guards import read_optional
from ingest.partition.pdf.page import Word
from ingest.partition.pdf.viewport import Viewport

MAX_PAGES = 200  # asked about in one file: the second library is slow
NEAR = 0.6  # points between the places that the two libraries tell
EAST_ASIAN = 0x2E80  # letters from here on


@dataclass(frozen=True, slots=True)
class SilentObject:
    """A text object without breadth, at its place in the file's own coordinates."""

    x: float
    y: float
    order: int
    foreign: bool = False  # in a font for other letters than Latin ones that is not in the file


class SecondReader:
    """pypdf, opened when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages_left = MAX_PAGES

    @cached_property
    def _reader(self) -> Any:
        from pypdf import PdfReader

        return PdfReader(self.path, strict=False)

    def letters(self, index: int) -> list[tuple[str, float, float, float]]:
        """(text, x, y, size) of everything short on a page, "" for white space; nothing if it cannot
        be read.
        """
        if self.pages_left <= 0:
            return []
        self.pages_left -= 1
        found: list[tuple[str, float, float, float]] = []

        def visit(text: str, cm: Sequence[float], tm: Sequence[float], _: Any, size: float) -> None:
            bare = text.strip()
            if text and len(bare) <= 2:
                x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
                y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
                found.append((bare, x, y, abs(size * tm[3] * cm[3]) or size))

        def read() -> list[tuple[str, float, float, float]]:
            self._reader.pages[index].extract_text(visitor_text=visit)
            return found

        return read_optional(read, [])  # PDFium has read the page but for these letters

    def layers_off(self) -> frozenset[str]:
        """Names of the layers that are off when the file is opened, all of that name."""

        def read() -> frozenset[str]:
            told = self._reader.trailer["/Root"].get("/OCProperties")
            told = told.get_object() if told is not None else {}
            default = told.get("/D", {})
            off = {each.idnum for each in default.get("/OFF", ())}
            on = {each.idnum for each in default.get("/ON", ())}
            shown: set[str] = set()
            gone: set[str] = set()
            for each in told.get("/OCGs", ()):
                closed = each.idnum not in on if default.get("/BaseState") == "/OFF" else False
                names = gone if closed or each.idnum in off else shown
                names.add(str(each.get_object().get("/Name", "")))
            return frozenset(gone - shown)

        return read_optional(read, frozenset())


def silent_words(
    objects: Sequence[SilentObject],
    letters: Sequence[tuple[str, float, float, float]],
    viewport: Viewport,
) -> tuple[list[Word], int]:
    """(what stands where objects are silent, foreign objects in whose place nothing is known)"""
    found: list[Word] = []
    unknown = 0
    for each in objects:
        there = [
            one for one in letters if abs(one[1] - each.x) <= NEAR and abs(one[2] - each.y) <= NEAR
        ]
        text, x, y, size = next((one for one in there if one[0]), ("", 0.0, 0.0, 0.0))
        unknown += each.foreign and not there
        if text:
            box = viewport.place_box(x, y - 0.2 * size, x + len(text) * size, y + 0.8 * size)
            _, down = viewport.place_point(x, y)
            found.append(Word(text, box, down, size, line=-1, spaced=False, order=each.order))
    return found, unknown


def merge_words(words: Sequence[Word], more: Sequence[Word]) -> list[Word]:
    """Both, in the order of the file."""
    merged = list(words)
    for word in more:
        place = next(
            (index for index, other in enumerate(merged) if other.order > word.order), len(merged)
        )
        merged.insert(place, word)
    return merged
