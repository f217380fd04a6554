"""Numbers as a spreadsheet shows them: format codes of Excel (ECMA-376, 18.8.31) put into effect.

Dates whose order the reader's own system decides are written as ISO dates. Names of months and days
are English; grouping and decimal signs are those of the format codes themselves.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from ingest.partition.office.date_formats import is_date_token, write_date
from ingest.partition.office.format_tokens import general, literal

GENERAL = "General"
ISO_DATE, ISO_MOMENT = "yyyy-mm-dd", "yyyy-mm-dd hh:mm"
MAX_CODE_CHARS = 500
MAX_DECIMALS = 30
_CJK_DATE, _CJK_MONTH, _CJK_DAY = 'yyyy"年"m"月"d"日"', 'yyyy"年"m"月"', 'm"月"d"日"'
BUILTIN: Mapping[int, str] = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: '"$"#,##0;("$"#,##0)', 6: '"$"#,##0;("$"#,##0)',
    7: '"$"#,##0.00;("$"#,##0.00)', 8: '"$"#,##0.00;("$"#,##0.00)', 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: ISO_DATE, 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: ISO_MOMENT, 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)",
    39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)", 41: "#,##0;(#,##0);-", 42: '"$"#,##0;("$"#,##0);"$"-',
    43: "#,##0.00;(#,##0.00);-", 44: '"$"#,##0.00;("$"#,##0.00);"$"-', 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@", 27: _CJK_MONTH, 28: _CJK_DAY, 29: _CJK_DAY, 30: "m-d-yy", 31: _CJK_DATE,
    32: 'h"时"mm"分"', 33: 'h"时"mm"分"ss"秒"', 34: "h:mm AM/PM", 35: "h:mm:ss AM/PM", 36: _CJK_MONTH, 50: _CJK_MONTH,
    51: _CJK_DAY, 52: _CJK_MONTH, 53: _CJK_DAY, 54: _CJK_DAY, 55: "h:mm AM/PM", 56: "h:mm:ss AM/PM", 57: _CJK_MONTH,
    58: _CJK_DAY,
}  # fmt: skip
"""The codes that files only number, as a system set to English or Chinese shows them."""
_TOKEN = re.compile(
    r'"[^"]*"?|\\.|_.|\*.|\[[^\]]*\]|am/pm|a/p|上午/下午|general|e[+-]|y+|m+|d+|h+|s+|aaa+|[ge]+|[0#?]|.',
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?[\d.]+)\]")


@dataclass(frozen=True, slots=True)
class _FormatSection:
    """One part of a code, between its semicolons."""

    tokens: tuple[str, ...]
    condition: tuple[str, float] | None
    is_date: bool


def format_number(value: float, code: str, *, from_1904: bool = False) -> str:
    """What a cell with this number and this code shows; "" if the code shows nothing."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    sections = _sections(code[:MAX_CODE_CHARS])
    section, positive = _choose(sections, value)
    if section.is_date:
        return write_date(section.tokens, value, from_1904)
    return _write_number(section.tokens, abs(value) if positive else value)


@lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[_FormatSection, ...]:
    parts: list[list[str]] = [[]]
    for token in _TOKEN.findall(code):
        if token == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    return tuple(map(_section, parts[:4]))


def _section(tokens: Sequence[str]) -> _FormatSection:
    told = next(filter(None, map(_CONDITION.fullmatch, tokens)), None)
    try:
        condition = (told.group(1), float(told.group(2))) if told else None
    except ValueError:
        condition = None
    is_date = any(map(is_date_token, tokens))
    return _FormatSection(tuple(tokens), condition, is_date)


def _choose(sections: Sequence[_FormatSection], value: float) -> tuple[_FormatSection, bool]:
    """(the section for this value, whether it says itself that the value is negative)"""
    for section in sections:
        if section.condition and _holds(section.condition, value):
            return section, len(sections) > 1 and value < 0 and section is not sections[0]
    if any(section.condition for section in sections):
        free = [section for section in sections if not section.condition]
        return (free[-1] if free else sections[-1]), False
    numeric = sections[:3]
    if value < 0 and len(numeric) > 1:
        return numeric[1], True
    return (numeric[2] if value == 0 and len(numeric) > 2 else numeric[0]), False


def _holds(condition: tuple[str, float], value: float) -> bool:
    sign, limit = condition
    return {
        "<": value < limit,
        ">": value > limit,
        "<=": value <= limit,
        ">=": value >= limit,
        "=": value == limit,
        "<>": value != limit,
    }[sign]


def _write_number(tokens: Sequence[str], value: float) -> str:
    if any(token.lower() == "general" or token == "@" for token in tokens):
        shown = "".join(
            general(value) if token.lower() == "general" or token == "@" else literal(token)
            for token in tokens
        )
        return shown.strip()
    slots = [at for at, token in enumerate(tokens) if token in ("0", "#", "?")]
    if not slots:
        shown = "".join(map(literal, tokens)).strip()
        return f"-{shown}" if value < 0 and shown else shown
    if any(token[0] in "eE" and token[1:] in ("+", "-") for token in tokens):
        return _write_power(tokens, value)
    if _has_fraction(tokens, slots[0]):
        return _write_fraction(tokens, value)
    return _write_plain(tokens, slots, value)


def _has_fraction(tokens: Sequence[str], first: int) -> bool:
    """Whether a bar stands between the first digit and a denominator, which may be fixed: ?/8."""
    bar = next((at for at in range(first, len(tokens)) if tokens[at] == "/"), len(tokens))
    below = "".join(tokens[bar + 1 :]).lstrip()
    return below[:1] in tuple("0#?123456789")


def _write_plain(tokens: Sequence[str], slots: Sequence[int], value: float) -> str:
    point = next((at for at, token in enumerate(tokens) if token == "."), len(tokens))
    whole = [at for at in slots if at < point]
    parts = [at for at in slots if at > point][:MAX_DECIMALS]
    scale = sum(token == "%" for token in tokens) * 2 - 3 * _trailing_commas(tokens, slots)
    number = Decimal(repr(value)).scaleb(scale)
    rounded = abs(number).quantize(Decimal(1).scaleb(-len(parts)), rounding=ROUND_HALF_UP)
    digits, _, decimals = f"{rounded:f}".partition(".")
    digits = digits.lstrip("0")
    decimals = _trim(decimals, [tokens[at] for at in parts])
    grouped = any(tokens[at] == "," for at in range(whole[0], whole[-1])) if whole else False
    placed = _place_digits(tokens, whole, digits, grouped=grouped)
    negative = number < 0 and any(char not in "0" for char in digits + decimals)
    shown: list[str] = []
    for at, token in enumerate(tokens):
        if at in placed:
            shown.append(placed[at])
        elif at == point:
            shown.append(("" if whole else digits) + (f".{decimals}" if decimals else ""))
        elif at not in slots and token != ",":
            shown.append(literal(token))
    text = " ".join("".join(shown).split())
    return f"-{text}" if negative else text


def _trailing_commas(tokens: Sequence[str], slots: Sequence[int]) -> int:
    """Commas right after the last digit: each divides by a thousand."""
    count, at = 0, slots[-1] + 1
    while at < len(tokens) and tokens[at] == ",":
        count, at = count + 1, at + 1
    return count


def _trim(decimals: str, places: Sequence[str]) -> str:
    """The decimals without zeros where the code does not ask for them."""
    kept = len(decimals)
    while kept and decimals[kept - 1] == "0" and places[kept - 1] != "0":
        kept -= 1
    return decimals[:kept]


def _place_digits(
    tokens: Sequence[str], whole: Sequence[int], digits: str, *, grouped: bool
) -> dict[int, str]:
    """The digits before the point at their placeholders; the first takes all that are left over."""
    wanted = sum(tokens[at] == "0" for at in whole)
    first_zero = next((i for i, at in enumerate(whole) if tokens[at] == "0"), len(whole))
    filled = digits.rjust(max(wanted, len(whole) - first_zero), "0")
    if grouped:
        text = f"{int(filled):,}".rjust(0) if filled and len(filled) <= len(digits) else filled
        return {at: (text if i == 0 else "") for i, at in enumerate(whole)}
    placed: dict[int, str] = {}
    for at in reversed(whole[1:]):
        placed[at], filled = filled[-1:], filled[:-1]
    if whole:
        placed[whole[0]] = filled
    return placed


def _write_power(tokens: Sequence[str], value: float) -> str:
    mark = next(
        at for at, token in enumerate(tokens) if token[0] in "eE" and token[1:] in ("+", "-")
    )
    point = next((at for at, token in enumerate(tokens) if token == "."), mark)
    decimals = sum(token in ("0", "#", "?") for token in tokens[point:mark])
    places = sum(token in ("0", "#", "?") for token in tokens[mark:])
    mantissa, _, power = f"{value:.{min(decimals, MAX_DECIMALS)}E}".partition("E")
    exponent = int(power)
    sign = "-" if exponent < 0 else "+" if tokens[mark][1] == "+" else ""
    return f"{mantissa}E{sign}{abs(exponent):0{max(1, places)}d}"


def _write_fraction(tokens: Sequence[str], value: float) -> str:
    at = max(i for i, token in enumerate(tokens) if token == "/")
    below = "".join(tokens[at + 1 :]).strip()
    fixed = re.match(r"[1-9]\d*", below)
    limit = 10 ** min(4, sum(token in ("0", "#", "?") for token in tokens[at + 1 :])) - 1
    amount = abs(Fraction(repr(value)))
    part = (
        Fraction(round(amount * int(fixed.group())), int(fixed.group()))
        if fixed
        else amount.limit_denominator(max(1, limit))
    )
    whole = int(part) if any(token == " " for token in tokens[:at]) else 0
    rest = part - whole
    shown = " ".join(
        filter(None, (str(whole) if whole or not rest else "", str(rest) if rest else ""))
    )
    return f"-{shown}" if value < 0 else shown
