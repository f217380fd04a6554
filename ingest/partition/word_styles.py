"""What Word's styles and numbering say of a paragraph: its level, its label, whether it is seen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from ingest.partition.ooxml import child, is_on, number_of, value_of

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
_BULLETS = frozenset({"bullet", "none"})
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_HAN = "〇一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Style:
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


class Styles:
    """The styles of one document."""

    def __init__(self, root: etree._Element | None) -> None:
        self._nodes = {
            value_of(node, "styleId") or "": node
            for node in (root.iter("{*}style") if root is not None else ())
        }
        self._known: dict[str, Style] = {}

    def style(self, name: str | None) -> Style:
        if name is None:
            return Style()
        if name not in self._known:
            self._known[name] = self._resolve(name)
        return self._known[name]

    def _resolve(self, name: str) -> Style:
        chain: list[etree._Element] = []
        while (node := self._nodes.get(name)) is not None and len(chain) < MAX_CHAIN:
            chain.append(node)
            name = value_of(child(node, "basedOn")) or ""
        names = [(value_of(child(node, "name")) or "").strip().casefold() for node in chain]
        return Style(
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


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    form: str  # "decimal", "lowerRoman", "bullet", …
    text: str  # such as "%1.%2."
    legal: bool = False  # every part of the label in digits


@dataclass(slots=True)
class Numbering:
    """The labels of numbered paragraphs, counted as they come."""

    levels: dict[str, dict[int, _Level]] = field(default_factory=dict)  # by list id
    lists: dict[str, str] = field(default_factory=dict)  # list id to what it shares counters with
    counters: dict[str, dict[int, int]] = field(default_factory=dict)

    def label(self, list_id: str, level: int) -> str:
        """The label of the next paragraph of this list, "" of one with a bullet or without one."""
        levels = self.levels.get(list_id)
        own = levels.get(level) if levels else None
        if levels is None or own is None:
            return ""
        counters = self.counters.setdefault(self.lists[list_id], {})
        counters[level] = counters.get(level, own.start - 1) + 1
        for deeper in [each for each in counters if each > level]:
            del counters[deeper]
        if own.form in _BULLETS:
            return ""

        def written(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            other = levels.get(at, own)
            form = "decimal" if own.legal else other.form
            return _write_number(counters.get(at, other.start), form)

        return re.sub(r"%([1-9])", written, own.text).strip()


def read_numbering(root: etree._Element | None) -> Numbering:
    found = Numbering()
    if root is None:
        return found
    shared = {
        value_of(node, "abstractNumId"): {
            number_of(value_of(level, "ilvl")): _level(level)
            for level in node.iterchildren("{*}lvl")
        }
        for node in root.iterchildren("{*}abstractNum")
    }
    for node in root.iterchildren("{*}num"):
        name = value_of(node, "numId") or ""
        base = value_of(child(node, "abstractNumId"))
        levels = dict(shared.get(base, {}))
        changed = False
        for change in node.iterchildren("{*}lvlOverride"):
            at = number_of(value_of(change, "ilvl"))
            inner = child(change, "lvl")
            start = value_of(child(change, "startOverride"))
            if inner is not None:
                levels[at] = _level(inner)
            elif start is not None and at in levels:
                old = levels[at]
                levels[at] = _Level(number_of(start, 1), old.form, old.text, old.legal)
            changed = True
        found.levels[name] = levels
        found.lists[name] = f"own {name}" if changed else f"shared {base}"
    return found


def _level(node: etree._Element) -> _Level:
    return _Level(
        start=number_of(value_of(child(node, "start")), 1),
        form=value_of(child(node, "numFmt")) or "decimal",
        text=(value_of(child(node, "lvlText")) or "")[:50],
        legal=is_on(child(node, "isLgl")),
    )


def _write_number(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and 0 < number < 1_000:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter if form == "lowerLetter" else letter.upper()
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4_000:
        written = _roman(number)
        return written if form == "lowerRoman" else written.upper()
    if form == "decimalZero":
        return f"{number:02d}"
    if form.startswith(("chineseCounting", "japaneseCounting", "ideographTraditional")):
        return _han(number)
    return str(number)


def _roman(number: int) -> str:
    parts: list[str] = []
    for value, sign in _ROMAN:
        parts.append(sign * (number // value))
        number %= value
    return "".join(parts)


def _han(number: int) -> str:
    """Up to 99 in Chinese numerals, as lists have them."""
    if not 0 < number < 100:
        return str(number)
    tens, ones = divmod(number, 10)
    if not tens:
        return _HAN[ones]
    return ("" if tens == 1 else _HAN[tens]) + "十" + (_HAN[ones] if ones else "")


_GREEK = dict(
    zip(
        "ABCDEFGHIKLMNOPQRSTUWXYZabcdefghiklmnopqrstuwxyz",
        "ΑΒΧΔΕΦΓΗΙΚΛΜΝΟΠΘΡΣΤΥΩΞΨΖαβχδεφγηικλμνοπθρστυωξψζ",
        strict=True,
    )
)
_SYMBOL: Mapping[int, str] = {
    0xA3: "≤", 0xB3: "≥", 0xB9: "≠", 0xBB: "≈", 0xB1: "±", 0xB4: "×", 0xB8: "÷", 0xB0: "°", 0xAE: "→",
    0xAC: "←", 0xAD: "↑", 0xAF: "↓", 0xAB: "↔", 0xDE: "⇒", 0xA5: "∞", 0xB6: "∂", 0xD1: "∇", 0xD6: "√",
    0xE5: "∑", 0xF2: "∫", 0xB7: "•", 0x6D: "μ", 0x2D: "−", 0xCE: "∈", 0xC8: "∪", 0xC7: "∩", 0x22: "∀",
}  # fmt: skip
_DINGBATS: Mapping[int, str] = {
    0xFC: "✓", 0xFB: "✗", 0xFE: "☑", 0xFD: "☒", 0xA8: "☐", 0x6F: "☐", 0x71: "☐", 0x72: "☐", 0x52: "☑",
    0x53: "☒", 0xE0: "→", 0xDF: "←", 0xE8: "➔", 0xF0: "⇨", 0x6C: "●", 0x6E: "■", 0xA7: "▪", 0x9F: "•",
    0x4A: "☺", 0x4C: "☹", 0x28: "☎", 0x2A: "✉", 0x50: "✓", 0x4F: "✗",
}  # fmt: skip


def symbol(font: str, code: str) -> str | None:
    """The character of a `w:sym`; None if it is a sign of a font that nothing here knows."""
    try:
        number = int(code, 16)
    except ValueError:
        return None
    number = number - 0xF000 if 0xF000 <= number <= 0xF0FF else number
    if font.casefold() == "symbol":
        return _SYMBOL.get(number) or _GREEK.get(chr(number)) or _ascii(number)
    if font.casefold().startswith(("wingdings", "webdings")):
        return _DINGBATS.get(number)
    return chr(number) if 0x20 <= number < 0xD800 else None


def _ascii(number: int) -> str | None:
    return chr(number) if 0x20 <= number < 0x7F else None
