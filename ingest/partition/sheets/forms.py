"""How cells of Excel files look, by their style: the format of numbers, letters that nobody sees."""

from dataclasses import dataclass

from lxml import etree

from ingest.partition.office.number_formats import BUILTIN, GENERAL
from ingest.partition.office.package import child, number_of, value_of

TINY = 1  # points: letters that nobody can read
_WHITE = frozenset({"FFFFFFFF", "00FFFFFF", "FFFFFF"})


@dataclass(frozen=True, slots=True)
class Form:
    """How the cells of one style look."""

    code: str = GENERAL
    white: bool = False  # on nothing that is coloured
    tiny: bool = False


_PLAIN = Form()


class Forms:
    """The form of every cell style, by its number."""

    def __init__(self, root: etree._Element | None) -> None:
        self._forms = (_read_forms(root) if root is not None else []) or [_PLAIN]

    def get(self, style: str | None) -> Form:
        if style is None:
            return self._forms[0]
        number = number_of(style)
        return self._forms[number] if 0 <= number < len(self._forms) else _PLAIN


def _read_forms(root: etree._Element) -> list[Form]:
    codes = dict(BUILTIN) | {
        number_of(value_of(node, "numFmtId"), -1): value_of(node, "formatCode") or GENERAL
        for node in root.iter("{*}numFmt")
    }
    whites = [_is_white(font) for font in _listed(root, "fonts")]
    tiny = [_is_tiny(font) for font in _listed(root, "fonts")]
    bare = [_is_bare(fill) for fill in _listed(root, "fills")]
    forms: list[Form] = []
    for node in _listed(root, "cellXfs"):
        font, fill, code = (
            number_of(value_of(node, name)) for name in ("fontId", "fillId", "numFmtId")
        )
        unseen = whites[font : font + 1] == [True] and bare[fill : fill + 1] != [False]
        shown = codes.get(code, GENERAL)
        shown = GENERAL if shown.lower() == "general" else shown
        forms.append(Form(shown, unseen, tiny[font : font + 1] == [True]))
    return forms


def _listed(root: etree._Element, name: str) -> list[etree._Element]:
    holder = child(root, name)
    return list(holder) if holder is not None else []


def _is_white(font: etree._Element) -> bool:
    colour = child(font, "color")
    return (value_of(colour, "rgb") or "").upper() in _WHITE


def _is_tiny(font: etree._Element) -> bool:
    return is_tiny(value_of(child(font, "sz")))


def is_tiny(size: str | None) -> bool:
    """Whether letters of a size in points are too small to be read; a size of 0 is none."""
    try:
        return 0 < float(size or 0) <= TINY
    except ValueError:
        return False


def _is_bare(fill: etree._Element) -> bool:
    return value_of(child(fill, "patternFill"), "patternType") in (None, "none") and (
        child(fill, "gradientFill") is None
    )
