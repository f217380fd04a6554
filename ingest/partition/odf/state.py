"""What is known while a part of an OpenDocument text or presentation is read."""

from dataclasses import dataclass, field

from lxml import etree

from ingest.elements import Element, ElementKind
from ingest.partition.context import ParseContext
from ingest.partition.odf.styles import OdfStyles
from ingest.partition.office.grids import Placed
from ingest.partition.office.package import Package, local
from ingest.partition.office.pictures import Pictures
from ingest.partition.office.story import Flow, Story

_IN_PLACE = ("text", "section", "list-item", "text-box", "note-body")


@dataclass(slots=True)
class OdfGrid:
    """A table while its cells come in."""

    placed: list[Placed] = field(default_factory=list)
    row: int = -1
    column: int = 0
    header_rows: int = 0
    in_header: bool = False


class OdfStory(Story[Flow]):
    """One part of a file. `margins` are the blocks of its headers and footers."""

    def __init__(
        self, package: Package, work: ParseContext, pictures: Pictures, styles: OdfStyles
    ) -> None:
        super().__init__(package, work, Flow())
        self.pictures, self.styles = pictures, styles
        self.margins: list[Element] = []
        self.grids: list[OdfGrid] = []
        self.lists = self.deleted = 0  # so many open ones
        self.hidden_sections: list[bool] = []  # of every open one
        self.frames: list[str] = []  # what every open frame is, on a slide
        self.slide = 0  # its number; 0: this is no presentation
        self.slide_hidden = self.titled = False
        self.told: set[str] = set()  # margins of slides

    @property
    def page(self) -> int | None:
        return self.slide or None

    def element(self, kind: ElementKind, text: str, level: int = 0) -> Element:
        return Element(kind=kind, text=text, level=level, page=self.page)

    def close_flow(self) -> list[Element]:
        """The blocks of the innermost flow, which ends; nothing of the body, which does not."""
        return self.flows.pop().elements if len(self.flows) > 1 else []


def start_flow(story: OdfStory, node: etree._Element) -> None:
    story.flows.append(Flow())


def release_in_place(node: etree._Element) -> None:
    """Clears a block that may stand inside a paragraph, whose text goes on after it."""
    node.clear(keep_tail=True)
    parent = node.getparent()
    if parent is not None and local(parent) in _IN_PLACE:
        while (before := node.getprevious()) is not None:
            parent.remove(before)
