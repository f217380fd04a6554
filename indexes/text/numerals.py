"""Numbers that are not written in Arabic digits alone: 一百二十, 二〇一九年, 120万, 民国109年.

For texts whose Han characters are folded (`folding`). Words that merely hold a numeral are no
numbers: 一般, 万一, 千万, 三明治. A numeral of one character is one only before what is counted.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_DIGITS = {
    sign: value
    for value, signs in enumerate(("〇零○", "一壹", "二贰两", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for sign in signs
}  # fmt: skip
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000}
_TENS = {"廿": 20, "卅": 30}
_MYRIADS = {"万": 10_000, "亿": 100_000_000}

_SIGN = "".join((*_DIGITS, *_UNITS, *_TENS, *_MYRIADS))
_ONE = "[一壹二贰两三叁四肆五伍六陆七柒八捌九玖]"
_BELOW_MYRIAD = rf"(?=[^万亿])(?:{_ONE}[千仟])?(?:零?{_ONE}[百佰])?(?:零?{_ONE}?[十拾]|零?[廿卅])?(?:零?{_ONE})?"
_WITH_UNITS = re.compile(
    rf"(?:(?:{_BELOW_MYRIAD}万)?(?:零?{_BELOW_MYRIAD})?亿)?(?:零?{_BELOW_MYRIAD}万)?(?:零?{_BELOW_MYRIAD})?"
)
_FIRST = re.compile(rf"{_ONE}|[十拾廿卅]")
_DIGIT_BY_DIGIT = re.compile("[〇零○一二三四五六七八九]{3,20}")

_COUNTED = re.compile(
    "[年月日号天周岁点时秒个名位人次种条座家部届章节级层楼元块米吨克度倍页期项套份张件台辆艘篇卷户]"
    "|分钟|小时|公[里斤顷尺]|英[里尺寸镑]|平方|立方|厘米|毫[米升克]|美元|欧元|日元|港[元币]"
)
_YEAR_ZERO = 1911  # of the Republic of China: its first year is 1912
_LAST_YEAR = 200
_MOST_DIGITS = 20

_NUMBER = re.compile(
    rf"民国\s?(?P<republic>\d{{1,3}}|元|[{_SIGN}]+)\s?年(?!代)"
    r"|(?<![\d,.])(?P<digits>\d[\d,]*+(?:\.\d++)?)\s?(?P<myriads>万亿|[万亿])"
    rf"|(?P<signs>[{_SIGN}]+)(?:点(?P<decimals>[〇零一二三四五六七八九]{{1,20}})(?![十百千万亿分刻]))?"
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number as it is written, and in Arabic digits."""

    value: str
    start: int
    end: int
    # it has two signs at least, so that it is a number whatever stands around it
    certain: bool


def find_numerals(text: str) -> Iterator[Numeral]:
    """The numbers of a text that are not written in Arabic digits alone, in order.

    text: with its Han characters folded.
    """
    if text.isascii():
        return
    for match in _NUMBER.finditer(text):
        if match["republic"]:
            yield from _year_of_the_republic(match)
        elif match["digits"]:
            yield from _in_myriads(match)
        else:
            yield from _in_signs(text, match)


def _in_myriads(match: re.Match[str]) -> Iterator[Numeral]:
    digits = match["digits"].replace(",", "")
    if len(digits) <= _MOST_DIGITS:
        value = Decimal(digits) * math.prod(_MYRIADS[sign] for sign in match["myriads"])
        whole, _, decimals = f"{value:f}".partition(".")
        form = f"{whole}.{decimals.rstrip('0')}".rstrip(".")
        yield Numeral(form, *match.span(), certain=True)


def _year_of_the_republic(match: re.Match[str]) -> Iterator[Numeral]:
    said = match["republic"]
    year = int(said) if said.isdecimal() else 1 if said == "元" else _value(said)
    if year is not None and 1 <= year <= _LAST_YEAR:
        yield Numeral(str(_YEAR_ZERO + year), *match.span("republic"), certain=True)


def _in_signs(text: str, match: re.Match[str]) -> Iterator[Numeral]:
    start, end = match.span()
    signs, decimals = match["signs"], match["decimals"]
    if len(signs) == 1 and not decimals and not _is_counted(text, start, end):
        return
    value = _value(signs)
    if value is None and _DIGIT_BY_DIGIT.fullmatch(signs) and _is_read_digit_by_digit(text, match):
        value = int("".join(str(_DIGITS[sign]) for sign in signs)) or None  # ○○○ is left blank
    if value is not None:
        written = "".join(str(_DIGITS[sign]) for sign in decimals or "").rstrip("0")
        form = f"{value}.{written}" if written else str(value)
        yield Numeral(form, start, end, certain=end - start > 1)


def _is_counted(text: str, start: int, end: int) -> bool:
    """Whether a single sign counts something. 一 seldom does: 一个 is no more than an article."""
    if text[start] not in "一壹":
        return text.startswith("百分之", max(0, start - 3)) or bool(_COUNTED.match(text, end))
    return text.startswith("月", end) or (
        text.startswith("月", max(0, start - 1)) and text.startswith(("日", "号"), end)
    )


def _is_read_digit_by_digit(text: str, match: re.Match[str]) -> bool:
    """A year, or what has a nought."""
    signs = match["signs"]
    return any(nought in signs for nought in "〇零○") or (
        len(signs) == 4 and text.startswith("年", match.end())
    )


def _value(signs: str) -> int | None:
    """What a numeral with units is worth, or a single digit; None if it is not well formed."""
    if not _FIRST.match(signs) or not _WITH_UNITS.fullmatch(signs):
        return None
    total = section = digit = 0
    unit = 1  # of the sign before, if that was one
    for sign in signs:
        if sign in _DIGITS:
            digit, unit = _DIGITS[sign], unit if _DIGITS[sign] else 1
        elif sign in _TENS:
            section, unit = section + _TENS[sign], 1
        elif sign in _UNITS:
            unit = _UNITS[sign]
            section, digit = section + (digit or 1) * unit, 0
        else:
            unit = _MYRIADS[sign]
            total = total * unit if sign == "亿" and total else total
            total, section, digit = total + (section + digit) * unit, 0, 0
    # 三万五 is 35,000
    return total + section + (digit * unit // 10 if unit > 10 else digit)
