"""One slide: its shapes in the order in which they are read, without what nobody sees."""

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.office.drawings import (
    chart_elements,
    diagram_elements,
    paragraph_text,
    paragraphs,
)
from ingest.partition.office.grids import Placed, spread, table_elements
from ingest.partition.office.package import Part, child, local, number_of, value_of
from ingest.partition.slides.deck import Deck
from ingest.partition.slides.shapes import (
    MARGINS,
    SLIDE_NUMBER,
    TITLES,
    Shape,
    ShapeBox,
    boxes_overlap,
    chosen_nodes,
    filled_boxes,
    is_on_attribute,
    is_same_placeholder,
    members_of,
    own_box,
    placeholder_of,
    properties_of,
    relation_id,
    sort_for_reading,
)

SHAPES = ("sp", "pic", "graphicFrame", "grpSp", "cxnSp", "contentPart")
MAX_SHAPES = 20_000  # of one slide
TINY = 100  # hundredths of a point
HIDDEN_SHAPE, OFF_SLIDE, DOT, UNSEEN = (
    "in hidden shapes", "outside of the slide", "in letters of one point or less", "in white on white",
)  # fmt: skip
_WHITE = frozenset({"FFFFFF", "bg1", "lt1"})


class Slide:
    """One slide being read."""

    def __init__(self, deck: Deck, part: Part, number: int) -> None:
        self.deck, self.part, self.number = deck, part, number
        self.work = deck.work
        self.layout = deck.pattern(part, "slideLayout")
        self.master = deck.pattern(self.layout, "slideMaster") if self.layout else None
        self.titled = False
        self.filled = filled_boxes(part.root)

    def elements(self) -> Iterator[Element]:
        tree = child(self.part.root, "cSld", "spTree")
        shapes = self._shapes(tree) if tree is not None else []
        for shape in sort_for_reading(shapes):
            why = self._why_unseen(shape)
            for node in shape.members:
                found = list(self._shape(node, shape.kind))
                if not why:
                    yield from found
                else:
                    yield from (each for one in found for each in hide_element(self.work, one, why))
        yield from self._pattern_texts()

    def _shapes(self, tree: etree._Element) -> list[Shape]:
        nodes = [node for node in chosen_nodes(tree) if local(node) in SHAPES]
        if len(nodes) > MAX_SHAPES:
            self.work.lose("limit", len(nodes) - MAX_SHAPES, "shapes", f"of slide {self.number}")
        return [
            Shape(node, self._box(node), placeholder_of(node), members_of(node))
            for node in nodes[:MAX_SHAPES]
        ]

    def _box(self, node: etree._Element) -> ShapeBox | None:
        """Where it stands: by itself, or as the layout or the master places it."""
        own = own_box(node)
        if own is not None or not (kind := placeholder_of(node)):
            return own
        for pattern in (self.layout, self.master):
            for other in pattern.root.iter("{*}sp") if pattern is not None else ():
                if is_same_placeholder(node, kind, other) and (box := own_box(other)) is not None:
                    return box
        return None

    def _why_unseen(self, shape: Shape) -> str:
        if any(is_on_attribute(each, "hidden") for each in properties_of(shape.node)):
            return HIDDEN_SHAPE
        if shape.box and self.deck.size and not shape.kind:
            left, top, right, bottom = shape.box
            wide, high = self.deck.size
            if right <= 0 or bottom <= 0 or left >= wide or top >= high:
                return OFF_SLIDE
        return ""

    def _shape(self, node: etree._Element, kind: str) -> Iterator[Element]:
        name = local(node)
        if name == "graphicFrame":
            yield from self._frame(node)
        elif name == "pic":
            yield from self._pictures(node)
        elif name == "sp":
            yield from self._text(node, kind or placeholder_of(node))
            yield from self._pictures(node)

    def _text(self, node: etree._Element, kind: str) -> Iterator[Element]:
        body = child(node, "txBody")
        if body is None or kind == SLIDE_NUMBER:
            return
        said = [
            (each, text) for each in body.iterchildren("{*}p") if (text := self._seen(each, node))
        ]
        if kind in TITLES and not self.titled and said:
            self.titled = True
            text = " ".join(" ".join(text.split()) for _, text in said)
            yield Element(kind="heading", text=text, level=1, page=self.number)
            return
        if kind in MARGINS:
            yield from self.deck.margin((text for _, text in said), self.number)
            return
        for paragraph, text in said:
            listed = _is_item(paragraph) or (kind in ("body", "obj") and len(said) > 1)
            yield Element(kind="list" if listed else "text", text=text, page=self.number)

    def _seen(self, paragraph: etree._Element, shape: etree._Element) -> str:
        """The paragraph without what nobody sees on the slide."""
        for run in list(paragraph.iter("{*}r")):
            about = child(run, "rPr")
            why = DOT if 0 < number_of(value_of(about, "sz"), TINY + 1) <= TINY else ""
            if not why and self._is_white(about, shape):
                why = UNSEEN
            if why:
                for letters in run.iter("{*}t"):
                    letters.text = self.work.hide(letters.text or "", why) or ""
        return paragraph_text(paragraph)

    def _is_white(self, about: etree._Element | None, shape: etree._Element) -> bool:
        """White letters with nothing but the white slide behind them."""
        colour = child(about, "solidFill", "srgbClr")
        if (value_of(colour) or "").upper() != "FFFFFF":
            return False
        if any(local(above) in ("grpSp", "tbl") for above in shape.iterancestors()):
            return False
        if child(shape, "style") is not None or child(about, "highlight") is not None:
            return False
        box = self._box(shape)
        fills = (
            child(shape, "spPr", name) for name in ("solidFill", "gradFill", "blipFill", "pattFill")
        )
        if box is None or any(fill is not None for fill in fills):
            return False
        return self._is_on_white() and not any(boxes_overlap(box, other) for other in self.filled)

    def _is_on_white(self) -> bool:
        """Whether the slide's background is white for certain."""
        for part in (self.part, self.layout, self.master):
            if part is None:
                return False
            behind = child(part.root, "cSld", "bg")
            if part is not self.part and filled_boxes(part.root):
                return False
            if behind is not None:
                fill = child(behind, "bgPr", "solidFill")
                fill = fill if fill is not None else child(behind, "bgRef")
                return fill is not None and any(value_of(each) in _WHITE for each in fill)
        return False

    def _frame(self, node: etree._Element) -> Iterator[Element]:
        for each in node.iter("{*}tbl", "{*}chart", "{*}relIds", "{*}oleObj"):
            name = local(each)
            if name == "tbl":
                yield from _table(each, self.number)
                continue
            target = self.part.relations.get(
                (value_of(each, "dm") if name == "relIds" else relation_id(each)) or ""
            )
            if target is None:
                continue
            if name == "chart":
                yield from chart_elements(self.deck.package, target.target, self.number)
            elif name == "relIds":
                yield from diagram_elements(self.deck.package, target.target, self.number)
            else:
                self.deck.embedded.append(target.target)

    def _pictures(self, node: etree._Element) -> Iterator[Element]:
        for blip in node.iter("{*}blip"):
            relation = self.part.relations.get(value_of(blip, "embed") or "")
            if relation is not None and relation.kind == "image":
                yield from self.deck.pictures.read(relation.target, self.number)

    def _pattern_texts(self) -> Iterator[Element]:
        """What the layout and the master show on every slide, each text once."""
        if value_of(self.part.root, "showMasterSp") in ("0", "false"):
            return
        for pattern in (self.layout, self.master):
            for node in pattern.root.iter("{*}sp") if pattern is not None else ():
                if child(node, "nvSpPr", "nvPr", "ph") is not None:
                    continue
                yield from self.deck.margin(paragraphs(node), self.number)


def hide_element(work: ParseContext, element: Element, why: str) -> Iterator[Element]:
    """The element between marks if hidden text is kept; nothing otherwise."""
    shown = work.hide(element.text, why)
    if shown:
        yield replace(element, kind="text", text=shown, level=0, table=None)


def _is_item(paragraph: etree._Element) -> bool:
    about = child(paragraph, "pPr")
    marked = any(child(about, name) is not None for name in ("buChar", "buAutoNum", "buBlip"))
    return marked or number_of(value_of(about, "lvl")) > 0


def _table(node: etree._Element, page: int) -> Iterator[Element]:
    placed: list[Placed] = []
    rows = list(node.iterchildren("{*}tr"))
    for number, row in enumerate(rows):
        for column, cell in enumerate(row.iterchildren("{*}tc")):
            if is_on_attribute(cell, "hMerge") or is_on_attribute(cell, "vMerge"):
                continue
            body = child(cell, "txBody")
            text = "\n".join(paragraphs(body)) if body is not None else ""
            across, down = (number_of(value_of(cell, name), 1) for name in ("gridSpan", "rowSpan"))
            placed.append(Placed(number, column, text, max(1, down), max(1, across)))
    grid, spans = spread(placed, len(rows))
    about = child(node, "tblPr")
    named = about is not None and is_on_attribute(about, "firstCol")
    yield from table_elements(grid, spans, header_columns=int(named), page=page)
