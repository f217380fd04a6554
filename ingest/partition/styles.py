"""What a web page does not show, as far as its own markup and style sheets tell it.

The part of CSS that decides it: display, visibility, size, colour, place. Selectors are tags,
classes and ids, one below the other; a rule with anything else is left out, and so are rules for
other media than a screen. Nothing is fetched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lxml import html as lxml_html

Node: TypeAlias = lxml_html.HtmlElement
Rgb: TypeAlias = tuple[int, int, int]
Declarations: TypeAlias = Mapping[str, str]

MAX_RULES = 5_000  # of a page's own style sheets; more are not looked at
MAX_RULES_A_NAME = 100
FAR_AWAY = -400.0  # pixels left of or above the page from which on nothing of it is seen
SAME_COLOUR = 24  # difference of the channels together up to which letters cannot be seen
TINY = 1.0  # pixels: letters up to this size cannot be read
WHITE: Rgb = (255, 255, 255)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMPOUND = re.compile(r"[a-zA-Z*][\w-]*|[.#][\w-]+")
_PLAIN_SELECTOR = re.compile(r"[\w\s.#*>-]+")
_LENGTH = re.compile(r"\s*(-?\d*\.?\d+)\s*(px|pt|em|rem|%|vw|vh|in|cm|mm|pc|ex|ch)?\s*(?:!.*)?$")
_PIXELS = {"px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "pc": 16.0,
           "vw": 12.0, "vh": 8.0, "ex": 8.0, "ch": 8.0, "%": 12.0}  # fmt: skip
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)(%?))?\s*\)")
_HSL = re.compile(r"hsl\(\s*[\d.]+(?:deg)?[\s,]+[\d.]+%[\s,]+([\d.]+)%\s*\)")
_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_NAMES: Mapping[str, Rgb] = {
    "white": WHITE, "black": (0, 0, 0), "red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "green": (0, 128, 0), "gray": (128, 128, 128), "grey": (128, 128, 128),
    "silver": (192, 192, 192), "navy": (0, 0, 128), "orange": (255, 165, 0), "purple": (128, 0, 128),
    "snow": (255, 250, 250), "ivory": (255, 255, 240), "whitesmoke": (245, 245, 245), "aqua": (0, 255, 255),
    "cyan": (0, 255, 255), "maroon": (128, 0, 0), "teal": (0, 128, 128), "olive": (128, 128, 0),
    "fuchsia": (255, 0, 255), "magenta": (255, 0, 255), "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211),
}  # fmt: skip


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
        if self.ground is not None and _distance(self.colour, self.ground) <= SAME_COLOUR:
            return "in the colour of its background"
        return ""


@dataclass(frozen=True, slots=True)
class _Rule:
    own: frozenset[str]  # names that the element itself has
    around: frozenset[str]  # and names that elements around it have
    told: Declarations
    weight: tuple[int, int, int]
    number: int


@dataclass(slots=True)
class Styles:
    """The style sheets of one page."""

    rules: dict[str, list[_Rule]] = field(default_factory=dict)  # by one name of the last compound
    _above: dict[Node, frozenset[str]] = field(default_factory=dict)
    complete: bool = True  # False if colours may come from sheets or rules that were not read

    def look(self, node: Node, around: Look) -> Look:
        """How the text of a node looks inside what looks like `around`."""
        if around.unseen:
            return around
        told = self._declarations_of(node)
        unseen = _why_unseen(node, told)
        if not told and not unseen and not _PRESENTATION.intersection(node.keys()):
            return replace(around, block=False) if around.block else around
        colour = _colour(told.get("color") or node.get("color") or node.get("text") or "")
        return replace(
            around,
            unseen=unseen,
            visible=_visibility(told.get("visibility", ""), around.visible),
            size=_size(told.get("font-size", ""), around.size),
            colour=colour or around.colour,
            ground=_ground_with_shadow(told, _ground(node, told, around.ground)),
            block=told.get("display", "").startswith(_BLOCK_DISPLAYS),
        )

    def start(self) -> Look:
        return Look() if self.complete else Look(ground=None)

    def _declarations_of(self, node: Node) -> dict[str, str]:
        names = _names_of(node)
        inline = node.get("style")
        told: dict[str, str] = {}
        if self.rules:
            above = self._names_around(node, names)
            found = [
                rule
                for name in (*names, "*")
                for rule in self.rules.get(name, ())
                if rule.own <= names and rule.around <= above
            ]
            found.sort(key=lambda rule: (rule.weight, rule.number))
            for rule in found:
                _override(told, rule.told)
        if inline:
            _override(told, _parse_declarations(inline))
        return told

    def _names_around(self, node: Node, names: frozenset[str]) -> frozenset[str]:
        """Names of the elements around a node; those of the node itself are kept for its children."""
        above = self._above.get(node.getparent(), frozenset())
        self._above[node] = above if names <= above else above | names
        return above


def _names_of(node: Node) -> frozenset[str]:
    """Its tag, its classes with a dot, its id with a sharp sign."""
    names = {node.tag, *(f".{name}" for name in (node.get("class") or "").split()[:20])}
    return frozenset(names | {f"#{node.get('id')}"} if node.get("id") else names)


def _override(told: dict[str, str], with_these: Declarations) -> None:
    told.update(
        (name, value)
        for name, value in with_these.items()
        if "!important" not in told.get(name, "") or "!important" in value
    )


_PRESENTATION = frozenset({"color", "bgcolor", "text", "background"})
_BLOCK_DISPLAYS = ("block", "flex", "grid", "list-item", "table")


def styles_of(root: Node) -> Styles:
    """The style sheets inside a page."""
    made = Styles()
    linked = any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
    made.complete = not linked
    number = 0
    for sheet in root.iter("style"):
        for selectors, told in _read_rules(sheet.text or "", made):
            for selector in selectors:
                number += 1
                if number <= MAX_RULES:
                    _add_rule(made, selector, told, number)
    return made


def _add_rule(styles: Styles, selector: str, told: Declarations, number: int) -> None:
    selector = selector.strip()
    steps = tuple(
        tuple(name if name[0] in ".#" else name.lower() for name in _COMPOUND.findall(step))
        for step in selector.replace(">", " ").split()
    )
    if not _PLAIN_SELECTOR.fullmatch(selector) or not all(steps) or not steps:
        if any(name.startswith("background") for name in told) and ":" not in selector:
            styles.complete = False
        return
    names = [name for step in steps for name in step]
    weight = (
        sum(name.startswith("#") for name in names),
        sum(name.startswith(".") for name in names),
        sum(name[0] not in ".#*" for name in names),
    )
    key = max(steps[-1], key=lambda name: (name[0] == "#", name[0] == ".", name))
    known = styles.rules.setdefault(key, [])
    if len(known) < MAX_RULES_A_NAME:
        own = frozenset(steps[-1]) - {"*"}
        around = frozenset(name for step in steps[:-1] for name in step) - {"*"}
        known.append(_Rule(own, around, told, weight, number))


def _read_rules(sheet: str, styles: Styles) -> Iterator[tuple[Sequence[str], Declarations]]:
    """(selectors, declarations) of every rule for a screen."""
    sheet = _COMMENT.sub("", sheet).replace("<!--", "").replace("-->", "")
    if "@import" in sheet:
        styles.complete = False
    depth_of_other, at = 0, 0
    while (brace := sheet.find("{", at)) >= 0:
        closing = sheet.find("}", at)
        if 0 <= closing < brace:  # the end of a block of rules
            depth_of_other, at = max(0, depth_of_other - 1), closing + 1
            continue
        name = sheet[at:brace].rsplit(";", 1)[-1].strip()
        if name.startswith("@") and not name.startswith(("@font-face", "@page")):
            shown = name.startswith("@media") and re.fullmatch(
                r"@media\s+(only\s+)?(screen|all)", name
            )
            depth_of_other += 0 if shown else 1
            at = brace + 1
            continue
        end = sheet.find("}", brace)
        end = len(sheet) if end < 0 else end
        if not depth_of_other and not name.startswith("@"):
            told = _parse_declarations(sheet[brace + 1 : end])
            if told:
                yield name.split(","), told
        at = end + 1


_USED = frozenset((
    "display", "visibility", "font-size", "font", "color", "background", "background-color",
    "background-image", "position", "left", "top", "right", "bottom", "text-indent", "opacity", "clip",
    "clip-path", "height", "max-height", "width", "max-width", "overflow", "transform", "mso-hide",
    "margin-left", "margin-top", "content-visibility", "filter", "zoom", "scale", "text-shadow",
    "-webkit-text-fill-color",
))  # fmt: skip


def _parse_declarations(text: str) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in _COMMENT.sub("", text).split(";"):
        name, sign, value = each.partition(":")
        name = name.strip().lower()
        if sign and name in _USED:
            value = value.strip().lower()
            if name == "font":  # style, weight, size/line-height, family
                size = re.search(r"(?:^|\s)([\d.]+(?:px|pt|em|rem|%)|0(?=[\s/]))", value)
                name, value = "font-size", size.group(1) if size else ""
            if value:
                told[name] = value
    return told


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
    colour = value.get("color", "").replace(" ", "")
    if colour == "transparent" or re.fullmatch(r"rgba\(.*[,/]0?\.?0+%?\)", colour):
        return "transparent"
    if _pixels(value.get("opacity", ""), 1.0) <= (0.2 if "%" in value.get("opacity", "") else 0.02):
        return "transparent"
    if re.search(r"opacity\((?:0?\.?0+|[01]%)\)", value.get("filter", "").replace(" ", "")):
        return "transparent"
    if (
        value.get("content-visibility") == "hidden"
        or value.get("-webkit-text-fill-color") == "transparent"
    ):
        return "not displayed"
    scaled = re.search(r"scale[xy]?\(0?\.?0*[,)]", value.get("transform", "").replace(" ", ""))
    if scaled or value.get("zoom", "").strip("%") == "0" or value.get("scale") == "0":
        return "of no size"
    if re.search(
        r"inset\((?:50|[1-9]\d\d)%\)|circle\(0", value.get("clip-path", "").replace(" ", "")
    ):
        return "of no size"
    cut = value.get("overflow") in ("hidden", "clip")
    if cut and any(
        _pixels(value.get(name, ""), 99.0) <= TINY
        for name in ("height", "max-height", "width", "max-width")
    ):
        return "of no size"
    return "off the page" if _is_off_page(value) else ""


def _is_off_page(value: Declarations) -> bool:
    if _pixels(value.get("text-indent", ""), 0.0) <= FAR_AWAY:
        return True
    if any(_pixels(value.get(f"margin-{side}", ""), 0.0) <= FAR_AWAY for side in ("left", "top")):
        return True
    moved = value.get("transform", "")
    if "translate" in moved and any(float(n) <= FAR_AWAY for n in re.findall(r"-\d{3,6}", moved)):
        return True
    if value.get("position") not in ("absolute", "fixed", "relative"):
        return False
    if any(
        _pixels(value.get(side, ""), 0.0) <= FAR_AWAY for side in ("left", "top", "right", "bottom")
    ):
        return True
    clip = (value.get("clip", "") + value.get("clip-path", "")).replace(" ", "")
    return bool(re.search(r"rect\((?:[01](?:px)?,?){4}\)|inset\((?:50|100)%\)", clip))


def _visibility(told: str, around: bool) -> bool:
    if told.startswith(("hidden", "collapse")):
        return False
    return True if told.startswith("visible") else around


def _size(told: str, around: float) -> float:
    found = _LENGTH.match(told)
    if found is None:
        return around
    number, unit = float(found.group(1)), found.group(2) or "px"
    if unit in ("em", "%"):
        return around * number / (100 if unit == "%" else 1)
    return number * _PIXELS[unit]


def _pixels(told: str, default: float) -> float:
    found = _LENGTH.match(told)
    return float(found.group(1)) * _PIXELS[found.group(2) or "px"] if found else default


def _ground(node: Node, told: Declarations, around: Rgb | None) -> Rgb | None:
    value = told.get("background-color") or told.get("background") or node.get("bgcolor") or ""
    image = told.get("background-image") or told.get("background") or node.get("background") or ""
    if "url(" in image or "gradient" in image or node.get("background"):
        return None
    if not value or value.startswith(("transparent", "none", "inherit", "initial", "unset")):
        return around
    return _colour(value)


def _ground_with_shadow(told: Declarations, ground: Rgb | None) -> Rgb | None:
    """The ground; None if letters have a shadow by which they can be told from it."""
    shadow = told.get("text-shadow", "none")
    if ground is None or shadow.startswith(("none", "inherit", "initial", "unset")):
        return ground
    colour = _colour(shadow)
    return ground if colour is not None and _distance(colour, ground) <= SAME_COLOUR else None


def _colour(value: str) -> Rgb | None:
    """None if it is not known or lets something through."""
    value = value.strip().lower()
    if "var(" in value:
        return None
    if found := _HSL.search(value):
        light = float(found.group(1))
        grey = round(2.55 * light)
        return (grey, grey, grey) if light in (0.0, 100.0) else None
    if found := _HEX.search(value):
        digits = found.group(1)
        if len(digits) in (3, 4):
            digits = "".join(2 * digit for digit in digits)
        if len(digits) in (6, 8):
            return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        return None
    if found := _RGB.search(value):
        if found.group(4) and float(found.group(4)) < (90 if found.group(5) else 0.9):
            return None
        return int(found.group(1)), int(found.group(2)), int(found.group(3))
    return next((_NAMES[word] for word in value.split() if word in _NAMES), None)


def _distance(one: Rgb, other: Rgb) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
