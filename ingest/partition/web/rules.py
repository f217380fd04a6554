"""The style sheets of a web page, as far as they decide what is seen.

Selectors are tags, classes and ids, one below the other; a rule with anything else is left out, and
so are rules for other media than a screen.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Declarations: TypeAlias = Mapping[str, str]
MAX_RULES = 5_000  # of a page's own style sheets; more are not looked at
MAX_RULES_A_NAME = 100
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMPOUND = re.compile(r"[a-zA-Z*][\w-]*|[.#][\w-]+")
_PLAIN_SELECTOR = re.compile(r"[\w\s.#*>-]+")
_FOR_SCREENS = re.compile(r"@media\s+(only\s+)?(screen|all)")
_USED = frozenset((
    "display", "visibility", "font-size", "font", "color", "background", "background-color",
    "background-image", "position", "left", "top", "right", "bottom", "text-indent", "opacity", "clip",
    "clip-path", "height", "max-height", "width", "max-width", "overflow", "transform", "mso-hide",
    "margin-left", "margin-top", "content-visibility", "filter", "zoom", "scale", "text-shadow",
    "-webkit-text-fill-color",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _CssRule:
    own: frozenset[str]  # names that the element itself has
    around: frozenset[str]  # and names that elements around it have
    told: Declarations
    weight: tuple[int, int, int]
    number: int


@dataclass(slots=True)
class CssRules:
    """The rules of all style sheets inside a page."""

    by_name: dict[str, list[_CssRule]] = field(default_factory=dict)  # one of the last compound
    complete: bool = True  # False if colours may come from sheets or rules that were not read
    _count: int = 0

    def add_sheet(self, sheet: str) -> None:
        sheet = _COMMENT.sub("", sheet).replace("<!--", "").replace("-->", "")
        if "@import" in sheet:
            self.complete = False
        for selectors, told in _read_rules(sheet):
            for selector in selectors:
                self._count += 1
                if self._count <= MAX_RULES:
                    self._add(selector.strip(), told)

    def _add(self, selector: str, told: Declarations) -> None:
        steps = tuple(
            tuple(name if name[0] in ".#" else name.lower() for name in _COMPOUND.findall(step))
            for step in selector.replace(">", " ").split()
        )
        if not _PLAIN_SELECTOR.fullmatch(selector) or not all(steps) or not steps:
            if any(name.startswith("background") for name in told) and ":" not in selector:
                self.complete = False
            return
        key = max(steps[-1], key=lambda name: (name[0] == "#", name[0] == ".", name))
        known = self.by_name.setdefault(key, [])
        if len(known) < MAX_RULES_A_NAME:
            own = frozenset(steps[-1]) - {"*"}
            around = frozenset(name for step in steps[:-1] for name in step) - {"*"}
            names = [name for step in steps for name in step]
            known.append(_CssRule(own, around, told, _weight_of(names), self._count))

    def matching(self, names: frozenset[str], above: frozenset[str]) -> list[Declarations]:
        """What rules say of an element with these names inside elements with those, the weakest
        rule first.
        """
        found = [
            rule
            for name in (*names, "*")
            for rule in self.by_name.get(name, ())
            if rule.own <= names and rule.around <= above
        ]
        found.sort(key=lambda rule: (rule.weight, rule.number))
        return [rule.told for rule in found]


def _weight_of(names: Sequence[str]) -> tuple[int, int, int]:
    return (
        sum(name.startswith("#") for name in names),
        sum(name.startswith(".") for name in names),
        sum(name[0] not in ".#*" for name in names),
    )


def _read_rules(sheet: str) -> Iterator[tuple[Sequence[str], Declarations]]:
    """(selectors, declarations) of every rule for a screen."""
    depth_of_other, at = 0, 0
    while (brace := sheet.find("{", at)) >= 0:
        closing = sheet.find("}", at)
        if 0 <= closing < brace:  # the end of a block of rules
            depth_of_other, at = max(0, depth_of_other - 1), closing + 1
            continue
        name = sheet[at:brace].rsplit(";", 1)[-1].strip()
        if name.startswith("@") and not name.startswith(("@font-face", "@page")):
            depth_of_other += not _FOR_SCREENS.fullmatch(name)
            at = brace + 1
            continue
        end = sheet.find("}", brace)
        end = len(sheet) if end < 0 else end
        if not depth_of_other and not name.startswith("@"):
            told = parse_declarations(sheet[brace + 1 : end])
            if told:
                yield name.split(","), told
        at = end + 1


def parse_declarations(text: str) -> dict[str, str]:
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
