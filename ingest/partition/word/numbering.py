"""The labels of numbered paragraphs in Word files, counted as they come."""

import re
from dataclasses import dataclass, field

from lxml import etree

from ingest.partition.office.package import child, is_on, number_of, value_of

_BULLETS = frozenset({"bullet", "none"})
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_HAN = "〇一二三四五六七八九"


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
        changes = list(node.iterchildren("{*}lvlOverride"))
        for change in changes:
            _change_level(levels, change)
        found.levels[name] = levels
        found.lists[name] = f"own {name}" if changes else f"shared {base}"
    return found


def _change_level(levels: dict[int, _Level], change: etree._Element) -> None:
    """What one list has otherwise than those with which it shares its levels."""
    at = number_of(value_of(change, "ilvl"))
    inner = child(change, "lvl")
    start = value_of(child(change, "startOverride"))
    if inner is not None:
        levels[at] = _level(inner)
    elif start is not None and at in levels:
        old = levels[at]
        levels[at] = _Level(number_of(start, 1), old.form, old.text, old.legal)


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
