"""PowerPoint files: slides in their order, the title of each first, then what stands on it from top
to bottom, then its notes and comments.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.office.drawings import (
    chart_elements,
    diagram_elements,
    paragraph_text,
    paragraphs,
    without_fallbacks,
)
from ingest.partition.office.embedded import read_embedded
from ingest.partition.office.grids import Placed, spread, table_elements
from ingest.partition.office.package import (
    Package,
    Part,
    child,
    local,
    number_of,
    open_package,
    value_of,
)
from ingest.partition.office.pictures import Pictures
from ingest.partition.reading import ReadResult

TITLES = ("title", "ctrTitle")
MARGINS = ("ftr", "dt", "hdr")
SLIDE_NUMBER = "sldNum"
SHAPES = ("sp", "pic", "graphicFrame", "grpSp", "cxnSp", "contentPart")
MAX_SHAPES = 20_000  # of one slide
TINY = 100  # hundredths of a point
SAME_LINE = 0.5  # shapes that share so much of their height stand side by side
HIDDEN_SLIDE, HIDDEN_SHAPE, OFF_SLIDE, DOT, UNSEEN = (
    "in hidden slides", "in hidden shapes", "outside of the slide", "in letters of one point or less",
    "in white on white",
)  # fmt: skip
_WHITE = frozenset({"FFFFFF", "bg1", "lt1"})

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape at its place; the members of a group have that of the group, in their own order."""

    node: etree._Element
    box: Box | None
    kind: str  # of its placeholder; "" if it is none
    members: tuple[etree._Element, ...]  # itself, or all shapes of the group


def read_slides(path: Path, work: ParseContext) -> ReadResult:
    """A PowerPoint file of today's format. Raises SourceBroken, SourceEmpty."""
    with open_package(path, work) as package:
        deck = _Deck(package, work)
        elements = list(deck.elements())
        deck.pictures.require_text(elements)
        return elements, package.about()


class _Deck:
    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self.pictures = Pictures(package, work)
        self.told: set[str] = set()  # what stands on many slides and was told once
        self.patterns: dict[str, Part | None] = {}
        self.embedded: list[str] = []
        self.size: tuple[int, int] | None = None

    def elements(self) -> Iterator[Element]:
        name = self.package.main("ppt/presentation.xml")
        deck = self.package.part(name)
        if deck is None:
            raise SourceBroken("It has no presentation.")
        size = child(deck.root, "sldSz")
        if size is not None:
            self.size = number_of(size.get("cx")), number_of(size.get("cy"))
        listed = child(deck.root, "sldIdLst")
        for number, node in enumerate(listed if listed is not None else (), start=1):
            relation = deck.relations.get(_relation_id(node))
            slide = self.package.part(relation.target) if relation else None
            if slide is None:
                self.work.lose("part", 1, "slides", "that are missing or damaged")
                continue
            yield from self._slide(slide, number)
        for embedded in dict.fromkeys(self.embedded):
            yield from read_embedded(self.package, embedded, self.work)

    def _slide(self, slide: Part, number: int) -> Iterator[Element]:
        without_fallbacks(slide.root)
        found = _Slide(self, slide, number)
        elements = [*found.elements(), *self._notes(slide, number), *self._comments(slide, number)]
        if value_of(slide.root, "show") in ("0", "false"):
            elements = [
                each for one in elements for each in hide_element(self.work, one, HIDDEN_SLIDE)
            ]
        yield from elements

    def pattern(self, part: Part, kind: str) -> Part | None:
        """The layout of a slide, or the master of a layout."""
        names = part.related(kind)
        if not names:
            return None
        if names[0] not in self.patterns:
            self.patterns[names[0]] = self.package.part(names[0])
        return self.patterns[names[0]]

    def _notes(self, slide: Part, number: int) -> Iterator[Element]:
        for name in slide.related("notesSlide"):
            root = self.package.xml(name)
            if root is None:
                continue
            without_fallbacks(root)
            said: list[str] = []
            for shape in root.iter("{*}sp"):
                kind = _placeholder(shape)
                if kind in MARGINS:
                    yield from self.margin(paragraphs(shape), number)
                elif kind not in (SLIDE_NUMBER, "sldImg"):
                    said += paragraphs(shape)
            if said:
                yield Element(kind="text", text="Notes: " + "\n".join(said), page=number)

    def margin(self, lines: Iterable[str], number: int) -> Iterator[Element]:
        """Lines that stand on many slides, each once."""
        for text in lines:
            if text not in self.told:
                self.told.add(text)
                yield Element(kind="text", text=text, page=number)

    def _comments(self, slide: Part, number: int) -> Iterator[Element]:
        for name in slide.related("comments"):
            root = self.package.xml(name)
            for node in root.iter("{*}cm", "{*}reply") if root is not None else ():
                plain = child(node, "text")
                body = child(node, "txBody")
                text = (plain.text or "") if plain is not None else ""
                if body is not None:
                    text = "\n".join(paragraphs(body))
                if text.strip():
                    yield Element(kind="text", text=f"Comment: {clean(text).strip()}", page=number)


class _Slide:
    """One slide being read."""

    def __init__(self, deck: _Deck, part: Part, number: int) -> None:
        self.deck, self.part, self.number = deck, part, number
        self.work = deck.work
        self.layout = deck.pattern(part, "slideLayout")
        self.master = deck.pattern(self.layout, "slideMaster") if self.layout else None
        self.titled = False
        self.filled = _filled_boxes(part.root)

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

    def _shapes(self, tree: etree._Element) -> list[_Shape]:
        nodes = [node for node in _choices(tree) if local(node) in SHAPES]
        if len(nodes) > MAX_SHAPES:
            self.work.lose("limit", len(nodes) - MAX_SHAPES, "shapes", f"of slide {self.number}")
        return [
            _Shape(node, self._box(node), _placeholder(node), _members(node))
            for node in nodes[:MAX_SHAPES]
        ]

    def _box(self, node: etree._Element) -> Box | None:
        """Where it stands: by itself, or as the layout or the master places it."""
        own = _own_box(node)
        if own is not None or not (kind := _placeholder(node)):
            return own
        for pattern in (self.layout, self.master):
            for other in pattern.root.iter("{*}sp") if pattern is not None else ():
                if _same_placeholder(node, kind, other) and (box := _own_box(other)) is not None:
                    return box
        return None

    def _why_unseen(self, shape: _Shape) -> str:
        if any(is_on_attribute(each, "hidden") for each in _properties(shape.node)):
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
            yield from self._text(node, kind or _placeholder(node))
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
        return self._is_on_white() and not any(_overlap(box, other) for other in self.filled)

    def _is_on_white(self) -> bool:
        """Whether the slide's background is white for certain."""
        for part in (self.part, self.layout, self.master):
            if part is None:
                return False
            behind = child(part.root, "cSld", "bg")
            if part is not self.part and _filled_boxes(part.root):
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
                (value_of(each, "dm") if name == "relIds" else _relation_id(each)) or ""
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


# --- order --------------------------------------------------------------------------------------


def sort_for_reading(shapes: Sequence[_Shape]) -> list[_Shape]:
    """The title first, then from top to bottom, what stands side by side from left to right;
    margins last. Shapes without a place keep theirs in the file.
    """
    titles = [shape for shape in shapes if shape.kind in TITLES]
    margins = [shape for shape in shapes if shape.kind in (*MARGINS, SLIDE_NUMBER)]
    others = [shape for shape in shapes if shape not in titles and shape not in margins]
    if any(shape.box is None for shape in others):
        return [*titles, *others, *margins]
    ordered = sorted(others, key=lambda shape: (shape.box or (0, 0, 0, 0))[1])
    lines: list[list[_Shape]] = []
    for shape in ordered:
        if lines and _same_line(lines[-1][0].box, shape.box):
            lines[-1].append(shape)
        else:
            lines.append([shape])
    for line in lines:
        line.sort(key=lambda shape: (shape.box or (0, 0, 0, 0))[0])
    return [*titles, *(shape for line in lines for shape in line), *margins]


def _same_line(one: Box | None, other: Box | None) -> bool:
    if one is None or other is None:
        return False
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > SAME_LINE * max(one[3] - one[1], other[3] - other[1], 1)


def _members(node: etree._Element) -> tuple[etree._Element, ...]:
    """The shape itself; all shapes of a group, and of groups in it, as the file has them."""
    if local(node) != "grpSp":
        return (node,)
    return tuple(
        each
        for each in node.iter("{*}sp", "{*}pic", "{*}graphicFrame")
        if each is not node and next(each.iterancestors("{*}graphicFrame"), None) is None
    )


def _choices(tree: etree._Element) -> Iterator[etree._Element]:
    for node in tree:
        if local(node) == "AlternateContent":
            choice = child(node, "Choice")
            yield from choice if choice is not None else ()
        else:
            yield node


def _own_box(node: etree._Element) -> Box | None:
    for holder in ("spPr", "grpSpPr", None):
        frame = child(node, holder, "xfrm") if holder else child(node, "xfrm")
        at, size = child(frame, "off"), child(frame, "ext")
        if at is not None and size is not None:
            left, top = number_of(at.get("x")), number_of(at.get("y"))
            return left, top, left + number_of(size.get("cx")), top + number_of(size.get("cy"))
    return None


def _properties(node: etree._Element) -> Iterator[etree._Element]:
    for holder in node:
        if local(holder).startswith("nv"):
            yield from (each for each in holder if local(each) == "cNvPr")


def is_on_attribute(node: etree._Element, name: str) -> bool:
    return value_of(node, name) in ("1", "true")


def _placeholder(node: etree._Element) -> str:
    """The kind of its placeholder; "" if it is none."""
    for holder in node:
        if local(holder).startswith("nv"):
            found = child(holder, "nvPr", "ph")
            return "" if found is None else (value_of(found, "type") or "obj")
    return ""


def _same_placeholder(node: etree._Element, kind: str, other: etree._Element) -> bool:
    if _placeholder(other) == kind and kind in TITLES:
        return True
    mine, theirs = (next(each.iter("{*}ph"), None) for each in (node, other))
    if mine is None or theirs is None:
        return False
    return mine.get("idx") == theirs.get("idx") and mine.get("idx") is not None


def _filled_boxes(root: etree._Element) -> list[Box]:
    """Where something stands that may have a colour: pictures and filled shapes."""
    found: list[Box] = []
    for node in root.iter("{*}sp", "{*}pic", "{*}graphicFrame", "{*}grpSp"):
        about = child(node, "spPr")
        colours = any(
            child(about, name) is not None
            for name in ("solidFill", "gradFill", "blipFill", "pattFill")
        )
        filled = local(node) != "sp" or child(node, "style") is not None or colours
        box = _own_box(node)
        if filled and box is not None:
            found.append(box)
    return found


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _relation_id(node: etree._Element) -> str:
    """The relation that a node names; its own `id` is something else."""
    return next((value for key, value in node.attrib.items() if key.endswith("}id")), "")


def _is_item(paragraph: etree._Element) -> bool:
    about = child(paragraph, "pPr")
    marked = any(child(about, name) is not None for name in ("buChar", "buAutoNum", "buBlip"))
    return marked or number_of(value_of(about, "lvl")) > 0


# --- tables -------------------------------------------------------------------------------------


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
