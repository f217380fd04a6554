"""What the slides of one file share: layouts, lines that stand on many slides, pictures."""

from collections.abc import Iterable, Iterator

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.office.package import Package, Part
from ingest.partition.office.pictures import Pictures


class Deck:
    """One file, and what stands on many of its slides."""

    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        self.told: set[str] = set()  # what stands on many slides and was told once
        self.patterns: dict[str, Part | None] = {}
        self.embedded: list[str] = []
        self.size: tuple[int, int] | None = None

    def pattern(self, part: Part, kind: str) -> Part | None:
        """The layout of a slide, or the master of a layout."""
        names = part.related(kind)
        if not names:
            return None
        if names[0] not in self.patterns:
            self.patterns[names[0]] = self.package.part(names[0])
        return self.patterns[names[0]]

    def margin(self, lines: Iterable[str], number: int) -> Iterator[Element]:
        """Lines that stand on many slides, each once."""
        for text in lines:
            if text not in self.told:
                self.told.add(text)
                yield Element(kind="text", text=text, page=number)
