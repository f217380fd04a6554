"""Dates and times by the tokens of a format code."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ingest.partition.office.format_tokens import CURRENCY, general, literal

_LAST_DAY = 2_958_466  # serial number after 9999-12-31
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_DATE_WORDS = re.compile(r"(?:y+|m+|d+|h+|s+|aaa+|[ge]+)$", re.IGNORECASE)
_HALF_DAYS = ("am/pm", "a/p", "上午/下午")
_SYSTEM_DATES = ("f800", "f400")  # "long date" and "time" as the system has them
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def is_date_token(token: str) -> bool:
    """Whether it asks for a part of a date or a time."""
    if _DATE_WORDS.match(token):
        return token.lower() not in ("g", "e") or _is_system_date(token)
    return bool(_ELAPSED.fullmatch(token)) or _is_system_date(token)


def _is_system_date(token: str) -> bool:
    locale = CURRENCY.fullmatch(token)
    return bool(locale and (locale.group(2) or "").lower() in _SYSTEM_DATES)


def write_date(tokens: Sequence[str], value: float, from_1904: bool) -> str:
    days = value + 1_462 if from_1904 else value
    if not 0 <= days < _LAST_DAY:
        return general(value)
    fine = any(token == "0" for token in tokens)
    seconds = round(days * 86_400, 3 if fine else 0)
    begin = datetime(1899, 12, 30) if days >= 60 else datetime(1899, 12, 31)
    moment = begin + timedelta(seconds=seconds)
    if any(map(_is_system_date, tokens)):
        return moment.strftime("%Y-%m-%d") if days >= 1 else moment.strftime("%H:%M:%S")
    return "".join(_write_tokens(tokens, moment, seconds)).strip()


def _write_tokens(tokens: Sequence[str], moment: datetime, seconds: float) -> Iterator[str]:
    """What each token shows. seconds: since the first day."""
    half = any(token.lower() in _HALF_DAYS for token in tokens)
    words = [token for token in tokens if _DATE_WORDS.match(token) or _ELAPSED.fullmatch(token)]
    number = decimals = 0  # of words and of parts of a second so far
    for token in tokens:
        if elapsed := _ELAPSED.fullmatch(token):
            yield _elapsed(elapsed.group(1).lower(), seconds)
            number += 1
        elif _DATE_WORDS.match(token):
            minutes = token[0] in "mM" and _is_minute(words, number)
            yield _date_word(token.lower(), moment, half=half, minutes=minutes)
            number += 1
        elif token.lower() in _HALF_DAYS:
            yield "AM" if moment.hour < 12 else "PM"
        elif token == "0":
            yield f"{moment.microsecond:06d}"[decimals : decimals + 1]
            decimals += 1
        else:
            yield literal(token)


def _is_minute(words: Sequence[str], number: int) -> bool:
    """An m after hours or before seconds is minutes, any other is months."""
    before = words[number - 1].strip("[]")[0] in "hH" if number else False
    after = words[number + 1].strip("[]")[0] in "sS" if number + 1 < len(words) else False
    return len(words[number]) <= 2 and (before or after)


def _elapsed(word: str, seconds: float) -> str:
    unit = {"h": 3_600, "m": 60, "s": 1}[word[0]]
    return f"{int(seconds // unit):0{len(word)}d}"


def _date_word(word: str, moment: datetime, *, half: bool, minutes: bool) -> str:
    size, kind = len(word), word[0]
    if kind in "ye":
        return f"{moment.year % 100:02d}" if size <= 2 and kind == "y" else str(moment.year)
    if kind == "m" and minutes:
        return f"{moment.minute:0{size}d}"
    if kind == "m":
        name = _MONTHS[moment.month - 1]
        return {3: name[:3], 4: name, 5: name[0]}.get(size, f"{moment.month:0{min(size, 2)}d}")
    if kind in "da":
        name = _DAYS[moment.weekday()]
        if kind == "a" or size > 2:
            return name[:3] if size == 3 else name
        return f"{moment.day:0{size}d}"
    if kind == "h":
        hour = (moment.hour % 12 or 12) if half else moment.hour
        return f"{hour:0{min(size, 2)}d}"
    if kind == "s":
        return f"{moment.second:0{min(size, 2)}d}"
    return ""
