"""Numbers with their units, as they are compared: 1,200 and 1200, twelve and 12, 一百二十 and 120."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from indexes.text.scripts import IDEOGRAPH

_UP_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_UP_TO_NINETEEN.split())}
_SMALL |= {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_LARGE = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_SCALES = {
    **_LARGE,
    "万": 10_000,
    "萬": 10_000,
    "百万": 1_000_000,
    "百萬": 1_000_000,
    "千万": 10_000_000,
    "千萬": 10_000_000,
    "亿": 100_000_000,
    "億": 100_000_000,
}
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
    "兩": 2,
}
_POWERS = {"十": 10, "百": 100, "千": 1_000}
_MYRIADS = {"万": 10_000, "萬": 10_000, "亿": 100_000_000, "億": 100_000_000}

_UNITS = {
    alias: unit
    for unit, aliases in {
        "%": "% ％ percent per_cent pct",
        "mm": "mm millimetre millimetres millimeter millimeters 毫米",
        "cm": "cm centimetre centimetres centimeter centimeters 厘米 公分",
        "m": "m metre metres meter meters 米 公尺",
        "km": "km kilometre kilometres kilometer kilometers 公里 千米",
        "mile": "mile miles 英里",
        "foot": "ft foot feet 英尺",
        "mg": "mg milligram milligrams 毫克",
        "g": "g gram grams 克",
        "kg": "kg kilogram kilograms 公斤 千克",
        "ton": "ton tons tonne tonnes 吨 噸",
        "ml": "ml millilitre millilitres milliliter milliliters 毫升",
        "l": "l litre litres liter liters 升",
        "second": "s second seconds 秒",
        "minute": "min minute minutes 分钟 分鐘",
        "hour": "h hour hours 小时 小時",
        "day": "day days 天",
        "week": "week weeks 周 週 星期",
        "month": "month months 个月 個月",
        "year": "year years",
        "dollar": "dollar dollars 美元 $",
        "euro": "euro euros 欧元 歐元 €",
        "pound": "pound pounds 英镑 英鎊 £",
        "yuan": "yuan 元 人民币 ¥ ￥",
        "degree": "°C degree degrees 度 摄氏度",
    }.items()
    for alias in (name.replace("_", " ") for name in aliases.split())
}
_COUNTED = "年月日号號个個人名位次种種条條岁歲层層届屆倍辆輛艘架座家所部本页頁章节節"
"""After a Chinese numeral these make it a number; without one it may be part of a word."""

_MOST_SIGNS = 40
_MOST_WORDS = 20
"""Of one number. What is longer is none, and Python refuses to write numbers of many digits."""

_LONGEST_FIRST = sorted(_UNITS, key=len, reverse=True)
_ANY_UNIT = rf"(?:{'|'.join(map(re.escape, _LONGEST_FIRST))})(?![A-Za-z])"
_CHINESE_UNIT = "|".join(alias for alias in _LONGEST_FIRST if IDEOGRAPH.match(alias))
_SCALE = rf"(?:{'|'.join(sorted(_SCALES, key=len, reverse=True))})(?![a-z])"
_WORD = rf"(?:{'|'.join((*_SMALL, *_LARGE))})"
_NUMBER = re.compile(
    rf"(?P<before>[$€£¥￥])?\s?(?P<digits>\d+(?:[.,]\d+)*)(?:[\s-]?(?P<scale>{_SCALE}))?[\s-]?(?P<unit>{_ANY_UNIT})?"
    rf"|(?<![a-z-])(?P<words>{_WORD}(?:[\s-]+(?:and\s+)?{_WORD}){{0,{_MOST_WORDS}}})(?![a-z])[\s-]?(?P<unit_of_words>{_ANY_UNIT})?"
    rf"|百分之(?P<percent>[零〇一二三四五六七八九十百两兩点\d.]{{1,{_MOST_SIGNS}}})"
    rf"|(?P<numeral>[零〇一二三四五六七八九十百千万萬亿億两兩]{{1,{_MOST_SIGNS}}})(?:(?P<unit_of_numeral>{_CHINESE_UNIT})|[{_COUNTED}])",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, and the unit behind it if it has one of those that are known."""

    value: str
    unit: str  # empty if it has none

    def agrees_with(self, other: "Quantity") -> bool:
        """The same number, and not in another unit."""
        return self.value == other.value and (
            not self.unit or not other.unit or self.unit == other.unit
        )


def find_quantities(text: str) -> Iterator[Quantity]:
    """All numbers of a text, in order. `one` and 一 alone count nothing: they are mostly pronouns."""
    for found in _NUMBER.finditer(unicodedata.normalize("NFKC", text)):
        if found["digits"]:
            value = _scaled(_plain(found["digits"]), found["scale"])
            yield Quantity(value, _unit(found["before"] or found["unit"]))
        elif found["words"]:
            if found["words"].lower() != "one":
                yield Quantity(str(_read_words(found["words"])), _unit(found["unit_of_words"]))
        elif found["percent"]:
            yield Quantity(_read_percent(found["percent"]), "%")
        elif found["numeral"] not in ("一", "百", "千", "万", "萬", "亿", "億"):
            yield Quantity(str(_read_numeral(found["numeral"])), _unit(found["unit_of_numeral"]))


def without_quantities(text: str) -> str:
    """The text with a space in the place of each number and its unit."""
    return _NUMBER.sub(" ", text)


def _unit(found: str | None) -> str:
    return "" if not found else _UNITS.get(found) or _UNITS.get(found.lower(), "")


def _plain(digits: str) -> str:
    """One form for a number with or without separators of thousands, leading zeros and zeros at the
    end of its fraction.
    """
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    try:
        return _written(Decimal(digits))
    except InvalidOperation:  # a version, a date
        return digits


def _written(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(value: str, scale: str | None) -> str:
    if not scale:
        return value
    try:
        return _written(Decimal(value) * _SCALES[scale.lower()])
    except (InvalidOperation, KeyError):  # a version; `mıllion`
        return value


def _read_words(words: str) -> int:
    """Twenty-five is 25, two hundred and ten is 210."""
    whole = part = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word in _SMALL:
            part += _SMALL[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word in _LARGE:
            whole += max(part, 1) * _LARGE[word]
            part = 0
    return whole + part


def _read_percent(numeral: str) -> str:
    if numeral[0].isdigit():
        return _plain(numeral.rstrip("."))
    whole, point, fraction = numeral.partition("点")
    digits = "".join(str(_DIGITS.get(sign, "")) for sign in fraction)
    return f"{_read_numeral(whole)}.{digits}" if point and digits else str(_read_numeral(whole))


def _read_numeral(numeral: str) -> int:
    """一百二十 is 120, 一九九〇 is 1990."""
    if len(numeral) > 1 and all(sign in _DIGITS for sign in numeral):
        return int("".join(str(_DIGITS[sign]) for sign in numeral))
    whole = section = digit = 0
    for sign in numeral:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _POWERS:
            section += (digit or 1) * _POWERS[sign]
            digit = 0
        elif sign in _MYRIADS:
            whole = (whole + section + digit or 1) * _MYRIADS[sign]
            section = digit = 0
    return whole + section + digit
