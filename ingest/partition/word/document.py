"""Word files: the body in its order, notes and comments after the block that refers to them,
headers and footers once, embedded files last.
"""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.office.drawings import chart_elements, diagram_elements
from ingest.partition.office.embedded import read_embedded, read_in_place
from ingest.partition.office.package import Package, open_package
from ingest.partition.office.pictures import Pictures
from ingest.partition.office.story import as_line
from ingest.partition.reading import ReadResult
from ingest.partition.word.numbering import Numbering, read_numbering
from ingest.partition.word.state import WordStory
from ingest.partition.word.story import read_story
from ingest.partition.word.styles import WordStyles

NOTES = ("footnotes", "endnotes", "comments")
MARGINS = ("header", "footer")


def read_word(path: Path, work: ParseContext) -> ReadResult:
    """A Word file of today's format. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        document = _Document(package, work)
        elements = list(document.elements())
        document.pictures.require_text(elements)
        return elements, package.about()


class _Document:
    """The parts of one file and what they share."""

    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        self.embedded: list[str] = []
        self.name = package.main("word/document.xml")
        if self.name not in package.names:
            raise SourceBroken("It has no document.")
        self.parts: dict[str, list[str]] = {}
        for each in package.relations(self.name).values():
            self.parts.setdefault(each.kind, []).append(each.target)
        self.styles = WordStyles(self._first("styles"))
        self.numbering = read_numbering(self._first("numbering"))

    def _first(self, kind: str) -> etree._Element | None:
        names = self.parts.get(kind)
        return self.package.xml(names[0]) if names else None

    def elements(self) -> Iterator[Element]:
        notes = self._read_notes()
        body = self._story(self.numbering)
        body.referred = notes
        read_story(body, self.name)
        yield from body.elements
        for key, blocks in notes.items():
            if key not in body.used:
                yield from blocks
        yield from self._margins()
        for name in dict.fromkeys(self.embedded):
            yield from read_embedded(self.package, name, self.work)

    def _read_notes(self) -> dict[str, list[Element]]:
        """The blocks of every note and comment, by its kind and id."""
        notes: dict[str, list[Element]] = {}
        for kind in NOTES:
            for name in self.parts.get(kind, []):
                told = self._story(Numbering())
                read_story(told, name)
                notes |= {f"{kind} {key}": blocks for key, blocks in told.notes.items()}
        return notes

    def _story(self, numbering: Numbering) -> WordStory:
        return WordStory(self.package, self.work, self.styles, numbering, self._read_relation)

    def _margins(self) -> Iterator[Element]:
        """Headers and footers, each text once."""
        told: set[str] = set()
        for kind in MARGINS:
            for name in self.parts.get(kind, []):
                story = self._story(Numbering())
                read_story(story, name)
                for element in story.elements:
                    if element.text not in told:
                        told.add(element.text)
                        yield as_line(element)

    def _read_relation(self, kind: str, name: str) -> list[Element]:
        """What a relation of the text leads to."""
        if kind == "image":
            return self.pictures.read(name)
        if kind in ("chart", "chartEx"):
            return list(chart_elements(self.package, name))
        if kind == "diagramData":
            return list(diagram_elements(self.package, name))
        if kind == "aFChunk":
            return read_in_place(self.package, name, self.work)
        if kind in ("package", "oleObject"):
            self.embedded.append(name)
        return []
