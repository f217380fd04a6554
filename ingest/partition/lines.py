"""Printed lines back to running text."""

import re
from collections.abc import Sequence

from indexes.text.scripts import NO_SPACE_AT_LINE_END

_ENDS_WITHOUT_SPACE = re.compile(f"[{NO_SPACE_AT_LINE_END}]$")
_STARTS_WITHOUT_SPACE = re.compile(f"[{NO_SPACE_AT_LINE_END}]")
# how PDFium marks a hyphen that stands at a line end; a soft hyphen stands nowhere else
SOFT_BREAKS = "\x02\ufffe\u00ad"
_HYPHENS = "-\u2010\u2011" + SOFT_BREAKS
_HYPHEN_END = re.compile(rf"\w[{_HYPHENS}]$")
_ADDRESS = re.compile(
    r"(?:https?://|ftp://|www\.|mailto:)\S*$|\S+@\S+$|\S+/\S*[/_\-]\S*$", re.IGNORECASE
)
_ADDRESS_BREAK = re.compile(r"(?:https?://|ftp://|www\.)\S*[/_?&=#]$", re.IGNORECASE)
_SHORT_NAME = re.compile(r"(?:^|[\s(\[\"'„“/])(?:[A-Z]{1,5}|\S*\d\S*)$")  # KD, R, 4711, B2B
_PAIR = re.compile(r"(?:and|or|und|oder|bzw|sowie|et|ou|y|o|e|to|bis)\b", re.IGNORECASE)


def join_lines(lines: Sequence[str]) -> str:
    """One paragraph: a hyphen at a line end undone, no space in Chinese or Japanese, one space
    elsewhere.

    A hyphen that is part of a name, such as KD-5820, of an address or of "Jean-Paul" stays.
    """
    text = ""
    for line in lines:
        part = line.strip(" \t\u3000")
        if not part:
            continue
        if _HYPHEN_END.search(text):
            text = _join_at_hyphen(text, part)
        elif _ADDRESS_BREAK.search(text) and part[:1].isascii() and part[:1].isalnum():
            text += part
        else:
            text = f"{text}{glue(text, part)}{part}"
    return _end(text)


def glue(before: str, after: str) -> str:
    """What stands between two lines of one paragraph."""
    if not before or (_ENDS_WITHOUT_SPACE.search(before) and _STARTS_WITHOUT_SPACE.match(after)):
        return ""
    return " "


def _join_at_hyphen(before: str, after: str) -> str:
    """Both as one, if the hyphen was made by the line end without it."""
    bare = before[:-1]
    if before[-1] == "\u00ad" or before[-1] == "\ufffe":
        return bare + after
    if _PAIR.match(after) and not after[:4].isupper():
        return f"{bare}- {after}"  # "long- and short-term"
    kept = (
        after[:1].isdigit()
        or after[:1].isupper()
        or not bare[-1:].isalpha()
        or _ADDRESS.search(bare)
        or _SHORT_NAME.search(bare)
    )
    if not kept and not after[:1].isalpha():
        return f"{bare}- {after}"
    return f"{bare}-{after}" if kept else bare + after


def _end(text: str) -> str:
    """The text with a hyphen that nothing follows as it is printed."""
    if text.endswith("\x02"):
        return text[:-1] + "-"
    return text.rstrip(SOFT_BREAKS)
