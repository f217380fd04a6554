"""PowerPoint files: slides in their order, the title of each first, then what stands on it from top
to bottom, then its notes and comments.
"""

from collections.abc import Iterator
from pathlib import Path

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.office.drawings import paragraphs, without_fallbacks
from ingest.partition.office.embedded import read_embedded
from ingest.partition.office.package import Part, child, number_of, open_package, value_of
from ingest.partition.reading import ReadResult
from ingest.partition.slides.deck import Deck
from ingest.partition.slides.shapes import MARGINS, SLIDE_NUMBER, placeholder_of, relation_id
from ingest.partition.slides.slide import Slide, hide_element

HIDDEN_SLIDE = "in hidden slides"


def read_slides(path: Path, work: ParseContext) -> ReadResult:
    """A PowerPoint file of today's format. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        deck = Deck(package, work)
        elements = list(_elements(deck))
        deck.pictures.require_text(elements)
        return elements, package.about()


def _elements(deck: Deck) -> Iterator[Element]:
    main = deck.package.part(deck.package.main("ppt/presentation.xml"))
    if main is None:
        raise SourceBroken("It has no presentation.")
    size = child(main.root, "sldSz")
    if size is not None:
        deck.size = number_of(size.get("cx")), number_of(size.get("cy"))
    listed = child(main.root, "sldIdLst")
    for number, node in enumerate(listed if listed is not None else (), start=1):
        relation = main.relations.get(relation_id(node))
        slide = deck.package.part(relation.target) if relation else None
        if slide is None:
            deck.work.lose("part", 1, "slides", "that are missing or damaged")
        else:
            yield from _slide_elements(deck, slide, number)
    for embedded in dict.fromkeys(deck.embedded):
        yield from read_embedded(deck.package, embedded, deck.work)


def _slide_elements(deck: Deck, part: Part, number: int) -> Iterator[Element]:
    without_fallbacks(part.root)
    found = [
        *Slide(deck, part, number).elements(),
        *_notes(deck, part, number),
        *_comments(deck, part, number),
    ]
    if value_of(part.root, "show") in ("0", "false"):
        found = [each for one in found for each in hide_element(deck.work, one, HIDDEN_SLIDE)]
    yield from found


def _notes(deck: Deck, slide: Part, number: int) -> Iterator[Element]:
    for name in slide.related("notesSlide"):
        root = deck.package.xml(name)
        if root is None:
            continue
        without_fallbacks(root)
        said: list[str] = []
        for shape in root.iter("{*}sp"):
            kind = placeholder_of(shape)
            if kind in MARGINS:
                yield from deck.margin(paragraphs(shape), number)
            elif kind not in (SLIDE_NUMBER, "sldImg"):
                said += paragraphs(shape)
        if said:
            yield Element(kind="text", text="Notes: " + "\n".join(said), page=number)


def _comments(deck: Deck, slide: Part, number: int) -> Iterator[Element]:
    for name in slide.related("comments"):
        root = deck.package.xml(name)
        for node in root.iter("{*}cm", "{*}reply") if root is not None else ():
            plain = child(node, "text")
            body = child(node, "txBody")
            text = (plain.text or "") if plain is not None else ""
            if body is not None:
                text = "\n".join(paragraphs(body))
            if text.strip():
                yield Element(kind="text", text=f"Comment: {clean(text).strip()}", page=number)
