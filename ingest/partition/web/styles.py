"""What a web page does not show, as far as its own markup and style sheets tell it.

The part of CSS that decides it: display, visibility, size, colour, place. Nothing is fetched.
"""

import re
from dataclasses import dataclass, replace

from ingest.partition.web.measures import LENGTH, PIXELS, WHITE, Rgb, colour_of, distance, pixels_of
from ingest.partition.web.rules import CssRules, Declarations, parse_declarations
from ingest.partition.web.trees import Node

FAR_AWAY = -400.0  # pixels left of or above the page from which on nothing of it is seen
TINY = 1.0  # pixels: letters up to this size cannot be read
SAME_COLOUR = 24  # difference of the channels together up to which letters cannot be seen
_PRESENTATION = frozenset({"color", "bgcolor", "text", "background"})
_BLOCK_DISPLAYS = ("block", "flex", "grid", "list-item", "table")


@dataclass(frozen=True, slots=True)
class Look:
    """How the text of an element looks: what it inherits from the elements around it."""

    unseen: str = ""  # why nothing inside can be seen; empty if it can
    visible: bool = True
    size: float = 16.0  # pixels
    colour: Rgb = (0, 0, 0)
    ground: Rgb | None = WHITE  # None: a picture or something that is not known
    block: bool = False  # the element itself stands on lines of its own; not inherited

    @property
    def hidden(self) -> str:
        """Why a reader does not see its text; empty if he does."""
        if self.unseen:
            return self.unseen
        if not self.visible:
            return "not visible"
        if self.size <= TINY:
            return "of no size"
        if self.ground is not None and distance(self.colour, self.ground) <= SAME_COLOUR:
            return "in the colour of its background"
        return ""


class PageStyles:
    """How the elements of one page look."""

    def __init__(self, rules: CssRules) -> None:
        self._rules = rules
        self._above: dict[Node, frozenset[str]] = {}
        self._written: dict[Node, str] = {}  # the tags that renamed elements have in the page
        self.lays_out_tables = False  # some rule or element may say that something is a table

    def look(self, node: Node, around: Look) -> Look:
        """How the text of a node looks inside what looks like `around`."""
        if around.unseen:
            return around
        told = self._declarations_of(node)
        unseen = _why_unseen(node, told)
        if not told and not unseen and not _PRESENTATION.intersection(node.keys()):
            return replace(around, block=False) if around.block else around
        colour = colour_of(told.get("color") or node.get("color") or node.get("text") or "")
        return replace(
            around,
            unseen=unseen,
            visible=_visibility(told.get("visibility", ""), around.visible),
            size=_size(told.get("font-size", ""), around.size),
            colour=colour or around.colour,
            ground=_ground_with_shadow(told, _ground(node, told, around.ground)),
            block=told.get("display", "").startswith(_BLOCK_DISPLAYS),
        )

    def display(self, node: Node) -> str:
        """What its styles say. Asked of every element in order, those around it first."""
        return self._declarations_of(node).get("display", "").replace("!important", "").strip()

    def rename(self, node: Node, tag: str) -> None:
        """Gives a node another tag; its looks stay those of the tag in the page."""
        self._written.setdefault(node, node.tag)
        node.tag = tag

    def start(self) -> Look:
        return Look() if self._rules.complete else Look(ground=None)

    def _declarations_of(self, node: Node) -> dict[str, str]:
        names = _names_of(node, self._written.get(node, node.tag))
        inline = node.get("style")
        told: dict[str, str] = {}
        if self._rules.by_name:
            for rule in self._rules.matching(names, self._names_around(node, names)):
                _override(told, rule)
        if inline:
            _override(told, parse_declarations(inline))
        return told

    def _names_around(self, node: Node, names: frozenset[str]) -> frozenset[str]:
        """Names of the elements around a node; those of the node itself are kept for its children."""
        above = self._above.get(node.getparent(), frozenset())
        self._above[node] = above if names <= above else above | names
        return above


def _names_of(node: Node, tag: str) -> frozenset[str]:
    """Its tag as written, its classes with a dot, its id with a sharp sign."""
    names = {tag, *(f".{name}" for name in (node.get("class") or "").split()[:20])}
    return frozenset(names | {f"#{node.get('id')}"} if node.get("id") else names)


def _override(told: dict[str, str], with_these: Declarations) -> None:
    told.update(
        (name, value)
        for name, value in with_these.items()
        if "!important" not in told.get(name, "") or "!important" in value
    )


def styles_of(root: Node) -> PageStyles:
    """The styles of a page by the style sheets inside it."""
    rules = CssRules()
    rules.complete = not any(
        "stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link")
    )
    for sheet in root.iter("style"):
        rules.add_sheet(sheet.text or "")
    styles = PageStyles(rules)
    told = (*(sheet.text or "" for sheet in root.iter("style")), *root.xpath("//@style"))
    styles.lays_out_tables = any("table-cell" in each for each in told)
    return styles


def _why_unseen(node: Node, told: Declarations) -> str:
    """Why nothing inside an element can be seen; empty if it can."""
    value = {name: text.replace("!important", "").strip() for name, text in told.items()}
    if value.get("display") == "none" or value.get("mso-hide") == "all":
        return "not displayed"
    if (
        node.get("hidden") is not None
        and node.get("hidden") != "until-found"
        and "display" not in value
    ):
        return "not displayed"
    if _is_transparent(value):
        return "transparent"
    if (
        value.get("content-visibility") == "hidden"
        or value.get("-webkit-text-fill-color") == "transparent"
    ):
        return "not displayed"
    if _has_no_size(value):
        return "of no size"
    return "off the page" if _is_off_page(value) else ""


def _is_transparent(value: Declarations) -> bool:
    colour = value.get("color", "").replace(" ", "")
    if colour == "transparent" or re.fullmatch(r"rgba\(.*[,/]0?\.?0+%?\)", colour):
        return True
    opacity = value.get("opacity", "")
    if pixels_of(opacity, 1.0) <= (0.2 if "%" in opacity else 0.02):
        return True
    filtered = value.get("filter", "").replace(" ", "")
    return re.search(r"opacity\((?:0?\.?0+|[01]%)\)", filtered) is not None


def _has_no_size(value: Declarations) -> bool:
    """Whether it is scaled, clipped or cut down to nothing."""
    scaled = re.search(r"scale[xy]?\(0?\.?0*[,)]", value.get("transform", "").replace(" ", ""))
    if scaled or value.get("zoom", "").strip("%") == "0" or value.get("scale") == "0":
        return True
    clip = value.get("clip-path", "").replace(" ", "")
    if re.search(r"inset\((?:50|[1-9]\d\d)%\)|circle\(0", clip):
        return True
    return value.get("overflow") in ("hidden", "clip") and any(
        pixels_of(value.get(name, ""), 99.0) <= TINY
        for name in ("height", "max-height", "width", "max-width")
    )


def _is_off_page(value: Declarations) -> bool:
    if pixels_of(value.get("text-indent", ""), 0.0) <= FAR_AWAY:
        return True
    if any(pixels_of(value.get(f"margin-{side}", ""), 0.0) <= FAR_AWAY for side in ("left", "top")):
        return True
    moved = value.get("transform", "")
    if "translate" in moved and any(float(n) <= FAR_AWAY for n in re.findall(r"-\d{3,6}", moved)):
        return True
    if value.get("position") not in ("absolute", "fixed", "relative"):
        return False
    if any(
        pixels_of(value.get(side, ""), 0.0) <= FAR_AWAY
        for side in ("left", "top", "right", "bottom")
    ):
        return True
    clip = (value.get("clip", "") + value.get("clip-path", "")).replace(" ", "")
    return bool(re.search(r"rect\((?:[01](?:px)?,?){4}\)|inset\((?:50|100)%\)", clip))


def _visibility(told: str, around: bool) -> bool:
    if told.startswith(("hidden", "collapse")):
        return False
    return True if told.startswith("visible") else around


def _size(told: str, around: float) -> float:
    found = LENGTH.match(told)
    if found is None:
        return around
    number, unit = float(found.group(1)), found.group(2) or "px"
    if unit in ("em", "%"):
        return around * number / (100 if unit == "%" else 1)
    return number * PIXELS[unit]


def _ground(node: Node, told: Declarations, around: Rgb | None) -> Rgb | None:
    value = told.get("background-color") or told.get("background") or node.get("bgcolor") or ""
    image = told.get("background-image") or told.get("background") or node.get("background") or ""
    if "url(" in image or "gradient" in image or node.get("background"):
        return None
    if not value or value.startswith(("transparent", "none", "inherit", "initial", "unset")):
        return around
    return colour_of(value)


def _ground_with_shadow(told: Declarations, ground: Rgb | None) -> Rgb | None:
    """The ground; None if letters have a shadow by which they can be told from it."""
    shadow = told.get("text-shadow", "none")
    if ground is None or shadow.startswith(("none", "inherit", "initial", "unset")):
        return ground
    colour = colour_of(shadow)
    return ground if colour is not None and distance(colour, ground) <= SAME_COLOUR else None
