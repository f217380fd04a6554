"""Shapes of a slide: their places, what the layout makes of them, the order of reading."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from ingest.partition.office.package import child, local, number_of, value_of

TITLES = ("title", "ctrTitle")
MARGINS = ("ftr", "dt", "hdr")
SLIDE_NUMBER = "sldNum"
SAME_LINE = 0.5  # shapes that share so much of their height stand side by side
ShapeBox = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape at its place; the members of a group have that of the group, in their own order."""

    node: etree._Element
    box: ShapeBox | None
    kind: str  # of its placeholder; "" if it is none
    members: tuple[etree._Element, ...]  # itself, or all shapes of the group


def sort_for_reading(shapes: Sequence[Shape]) -> list[Shape]:
    """The title first, then from top to bottom, what stands side by side from left to right;
    margins last. Shapes without a place keep theirs in the file.
    """
    titles = [shape for shape in shapes if shape.kind in TITLES]
    margins = [shape for shape in shapes if shape.kind in (*MARGINS, SLIDE_NUMBER)]
    others = [shape for shape in shapes if shape not in titles and shape not in margins]
    if any(shape.box is None for shape in others):
        return [*titles, *others, *margins]
    ordered = sorted(others, key=lambda shape: (shape.box or (0, 0, 0, 0))[1])
    lines: list[list[Shape]] = []
    for shape in ordered:
        if lines and _same_line(lines[-1][0].box, shape.box):
            lines[-1].append(shape)
        else:
            lines.append([shape])
    for line in lines:
        line.sort(key=lambda shape: (shape.box or (0, 0, 0, 0))[0])
    return [*titles, *(shape for line in lines for shape in line), *margins]


def _same_line(one: ShapeBox | None, other: ShapeBox | None) -> bool:
    if one is None or other is None:
        return False
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > SAME_LINE * max(one[3] - one[1], other[3] - other[1], 1)


def members_of(node: etree._Element) -> tuple[etree._Element, ...]:
    """The shape itself; all shapes of a group, and of groups in it, as the file has them."""
    if local(node) != "grpSp":
        return (node,)
    return tuple(
        each
        for each in node.iter("{*}sp", "{*}pic", "{*}graphicFrame")
        if each is not node and next(each.iterancestors("{*}graphicFrame"), None) is None
    )


def chosen_nodes(tree: etree._Element) -> Iterator[etree._Element]:
    for node in tree:
        if local(node) == "AlternateContent":
            choice = child(node, "Choice")
            yield from choice if choice is not None else ()
        else:
            yield node


def own_box(node: etree._Element) -> ShapeBox | None:
    for holder in ("spPr", "grpSpPr", None):
        frame = child(node, holder, "xfrm") if holder else child(node, "xfrm")
        at, size = child(frame, "off"), child(frame, "ext")
        if at is not None and size is not None:
            left, top = number_of(at.get("x")), number_of(at.get("y"))
            return left, top, left + number_of(size.get("cx")), top + number_of(size.get("cy"))
    return None


def properties_of(node: etree._Element) -> Iterator[etree._Element]:
    for holder in node:
        if local(holder).startswith("nv"):
            yield from (each for each in holder if local(each) == "cNvPr")


def is_on_attribute(node: etree._Element, name: str) -> bool:
    return value_of(node, name) in ("1", "true")


def placeholder_of(node: etree._Element) -> str:
    """The kind of its placeholder; "" if it is none."""
    for holder in node:
        if local(holder).startswith("nv"):
            found = child(holder, "nvPr", "ph")
            return "" if found is None else (value_of(found, "type") or "obj")
    return ""


def is_same_placeholder(node: etree._Element, kind: str, other: etree._Element) -> bool:
    if placeholder_of(other) == kind and kind in TITLES:
        return True
    mine, theirs = (next(each.iter("{*}ph"), None) for each in (node, other))
    if mine is None or theirs is None:
        return False
    return mine.get("idx") == theirs.get("idx") and mine.get("idx") is not None


def filled_boxes(root: etree._Element) -> list[ShapeBox]:
    """Where something stands that may have a colour: pictures and filled shapes."""
    found: list[ShapeBox] = []
    for node in root.iter("{*}sp", "{*}pic", "{*}graphicFrame", "{*}grpSp"):
        about = child(node, "spPr")
        colours = any(
            child(about, name) is not None
            for name in ("solidFill", "gradFill", "blipFill", "pattFill")
        )
        filled = local(node) != "sp" or child(node, "style") is not None or colours
        box = own_box(node)
        if filled and box is not None:
            found.append(box)
    return found


def boxes_overlap(one: ShapeBox, other: ShapeBox) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def relation_id(node: etree._Element) -> str:
    """The relation that a node names; its own `id` is something else."""
    return next((value for key, value in node.attrib.items() if key.endswith("}id")), "")
