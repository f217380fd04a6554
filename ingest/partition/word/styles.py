"""What Word's styles say of a paragraph and of letters: level, list, look, whether they are seen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from ingest.partition.office.package import child, is_on, number_of, value_of

MAX_CHAIN = 20  # styles that one is based on, one after the other
MAX_LEVEL = 9
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis"
    r"|заголовок|标题|標題|見出し|제목|címsor|başlık|επικεφαλίδα|intestazione|encabezado)\s*([1-9])",
    re.IGNORECASE,
)
_TITLES: Mapping[str, int] = {"title": 1, "titel": 1, "标题": 1, "標題": 1, "subtitle": 2}
_CODE = frozenset({"code", "source code", "html preformatted", "preformatted text", "macro"})
_CAPTIONS = frozenset({"caption", "beschriftung", "légende", "题注", "題注"})


@dataclass(frozen=True, slots=True)
class WordStyle:
    """What a style and all that it is based on say. None and False where they say nothing."""

    level: int | None = None  # of a heading: 1 is the top
    caption: bool = False
    code: bool = False
    hidden: bool = False
    bold: bool = False
    shaded: bool = False  # a table with colours of its own
    colour: str = ""  # of the letters, such as "FFFFFF"
    size: str = ""  # of the letters, in half points
    shift: str = ""  # "superscript" or "subscript"
    numbering: tuple[str, int] | None = None  # list id, level


class WordStyles:
    """The styles of one document."""

    def __init__(self, root: etree._Element | None) -> None:
        self._nodes = {
            value_of(node, "styleId") or "": node
            for node in (root.iter("{*}style") if root is not None else ())
        }
        self._known: dict[str, WordStyle] = {}

    def style(self, name: str | None) -> WordStyle:
        if name is None:
            return WordStyle()
        if name not in self._known:
            self._known[name] = self._resolve(name)
        return self._known[name]

    def _resolve(self, name: str) -> WordStyle:
        chain: list[etree._Element] = []
        while (node := self._nodes.get(name)) is not None and len(chain) < MAX_CHAIN:
            chain.append(node)
            name = value_of(child(node, "basedOn")) or ""
        names = [(value_of(child(node, "name")) or "").strip().casefold() for node in chain]
        return WordStyle(
            level=next(filter(None, map(_level_of, chain, names)), None),
            caption=any(each in _CAPTIONS for each in names),
            code=any(each in _CODE for each in names),
            hidden=_switched(chain, "vanish"),
            bold=_switched(chain, "b"),
            shaded=any(_has_colours(node) for node in chain),
            colour=_nearest(chain, "color").upper(),
            size=_nearest(chain, "sz"),
            shift=_nearest(chain, "vertAlign"),
            numbering=_numbering_of(chain),
        )


def _level_of(node: etree._Element, name: str) -> int | None:
    named = _HEADING.fullmatch(name)
    if named:
        return int(named.group(1))
    outline = value_of(child(node, "pPr", "outlineLvl"))
    if outline is not None and number_of(outline, 9) < MAX_LEVEL:
        return number_of(outline) + 1
    return _TITLES.get(name)


def _switched(chain: list[etree._Element], name: str) -> bool:
    """The nearest style that says something of it decides."""
    said = (child(node, "rPr", name) for node in chain)
    return is_on(next((each for each in said if each is not None), None))


def _nearest(chain: list[etree._Element], name: str) -> str:
    """What the nearest style that says something of the letters says."""
    return next(filter(None, (value_of(child(node, "rPr", name)) for node in chain)), "")


def _has_colours(node: etree._Element) -> bool:
    return any(
        value_of(each, "fill") not in (None, "auto", "FFFFFF") for each in node.iter("{*}shd")
    )


def _numbering_of(chain: list[etree._Element]) -> tuple[str, int] | None:
    level: int | None = None
    for node in chain:
        about = child(node, "pPr", "numPr")
        told = value_of(child(about, "ilvl"))
        level = number_of(told) if level is None and told is not None else level
        if (number := value_of(child(about, "numId"))) is not None:
            return number, level or 0
    return None
