"""Texts as they are compared: without the ways in which the same may be written."""

import re
from functools import cache
from pathlib import Path

VARIANTS_FILE = Path(__file__).with_name("han_variants.txt")
_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_WIDE_SIGN = re.compile(r"[^\w\x00-\x7f]")


def fold_han(text: str) -> str:
    """The text with one character for all ways of writing it, Traditional or Simplified; nothing
    but Han characters changes, and every character keeps its place.
    """
    if text.isascii():
        return text
    variant, folded = _variants()
    # most texts are Simplified or hold no Han, and looking for a variant is fast
    return text.translate(folded) if variant.search(text) else text


def fold_text(text: str) -> str:
    """The text with case and Han characters folded."""
    return fold_han(text.casefold())


def letters_and_digits(text: str) -> str:
    """The letters and digits of the text, case and Han folded, with nothing between them."""
    folded = fold_text(text)
    if not folded.isascii():
        folded = _WIDE_SIGN.sub("", folded)
    return (
        folded.encode("utf-8", "surrogatepass")
        .translate(None, _SIGNS)
        .decode("utf-8", "surrogatepass")
    )


@cache
def _variants() -> tuple[re.Pattern[str], dict[int, str]]:
    """What finds a character that is folded, and what each becomes."""
    lines = VARIANTS_FILE.read_text(encoding="utf-8").splitlines()
    folded = {
        ord(variant): line[0] for line in lines if not line.startswith("#") for variant in line[1:]
    }
    return re.compile(f"[{''.join(map(chr, folded))}]"), folded
