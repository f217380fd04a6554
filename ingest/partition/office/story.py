"""Running text of any Office format: one part of a file, read once and in its order.

A format says for each of its tags what to do when it begins and when it ends. Blocks go into the
innermost open flow: the body, a cell, a note, a text box.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.office.package import Package, local

MAX_BLOCKS = 1_000_000  # paragraphs and cells of one part, empty ones too


@dataclass(slots=True)
class Flow:
    """Blocks one after the other: a body, a cell, a text box, a note."""

    elements: list[Element] = field(default_factory=list)


FlowT = TypeVar("FlowT", bound=Flow)


class Story(Generic[FlowT]):
    """What is known while one part is read. `elements` are the blocks of its body."""

    def __init__(self, package: Package, work: ParseContext, body: FlowT) -> None:
        self.package, self.work = package, work
        self.flows = [body]
        self.after: list[Element] = []  # what follows the block that is being read
        self.blocks = 0

    @property
    def elements(self) -> list[Element]:
        return self.flows[0].elements

    @property
    def flow(self) -> FlowT:
        """The innermost open flow."""
        return self.flows[-1]

    def end_block(self) -> None:
        """Lets what belongs to a block of the body follow it."""
        if len(self.flows) == 1:
            self.flush()

    def flush(self) -> None:
        self.flow.elements += self.after
        self.after = []


StoryT = TypeVar("StoryT", bound=Story)  # type: ignore[type-arg]
Handlers = Mapping[tuple[str, str], Callable[[StoryT, etree._Element], None]]
"""What to do at ("start" or "end", tag)."""


def read_part(story: StoryT, name: str, handlers: Handlers[StoryT]) -> None:
    """Hands every node of the part over to its handler, up to a limit that is told."""
    for event, node in story.package.stream(name, *{tag for _, tag in handlers}):
        handler = handlers.get((event, local(node)))
        if handler is not None:
            handler(story, node)
        if story.blocks > MAX_BLOCKS:
            limit = f"{name} beyond its first {MAX_BLOCKS:,} paragraphs and cells"
            story.work.lose("limit", 1, "parts", limit)
            break


def name_note(name: str, found: Sequence[Element]) -> list[Element]:
    """The blocks of a note or a comment; the first says what it is."""
    return [
        each
        if each.kind == "table"
        else Element(
            kind="text", text=each.text if number else f"{name}: {each.text}", page=each.page
        )
        for number, each in enumerate(found)
    ]


def as_line(element: Element) -> Element:
    """A line of the margin that looks like a heading is none."""
    return Element(kind="text", text=element.text) if element.kind == "heading" else element
