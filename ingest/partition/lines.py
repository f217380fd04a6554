"""Printed lines back to running text."""

import re
from collections.abc import Sequence

from indexes.text.scripts import NO_SPACE_AT_LINE_END

_ENDS_WITHOUT_SPACE = re.compile(f"[{NO_SPACE_AT_LINE_END}]$")
_STARTS_WITHOUT_SPACE = re.compile(f"[{NO_SPACE_AT_LINE_END}]")
_HYPHEN_END = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
SOFT_BREAKS = "\x02\ufffe\u00ad"  # how PDFium marks a hyphen that only the line end made


def join_lines(lines: Sequence[str]) -> str:
    """One paragraph: a hyphen at a line end undone, no space in Chinese or Japanese, one space
    elsewhere.
    """
    text = ""
    for line in lines:
        part = line.strip(" \t\u3000")
        if not part:
            continue
        text = (
            f"{text}{glue(text, part)}{part}"
            if not _is_hyphenated(text, part)
            else text[:-1] + part
        )
    return text.rstrip(SOFT_BREAKS)


def glue(before: str, after: str) -> str:
    """What stands between two lines of one paragraph."""
    if not before or (_ENDS_WITHOUT_SPACE.search(before) and _STARTS_WITHOUT_SPACE.match(after)):
        return ""
    return " "


def _is_hyphenated(before: str, after: str) -> bool:
    if before and before[-1] in SOFT_BREAKS:
        return True
    return bool(_HYPHEN_END.search(before)) and after[:1].islower()
