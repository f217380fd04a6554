"""Raised and lowered characters in plain text, so that ten to the sixth is not one hundred and six."""

import re

_LETTERS = re.compile(r"[^\W\d_]+\.?|[™®©°ºª]+")
_SIMPLE = re.compile(r"[\w+\-\u2212*′′]+|\d+[.,]\d+")
_MARK = re.compile(r"\[?(\d{1,3}|[*†‡§]|[a-z])\]?")


def raised(before: str, text: str, is_link: bool = False) -> str:
    """What a superscript adds to the text before it: "10" and "6" make "10^6", "2" and "nd" make "2nd".

    A note's mark, which is a link or stands after a word's end, becomes "[1]".
    """
    text = " ".join(text.split())
    last = before[-1:]
    if not text or not last or last.isspace():
        return text
    if is_link and _MARK.fullmatch(text):
        return text if text.startswith("[") else f"[{text}]"
    if _LETTERS.fullmatch(text) and not (len(text) == 1 and last.isalpha()):
        return text  # an ordinal, an abbreviation, a trade mark
    if last in ".,;:!?\u201d\"'" and _MARK.fullmatch(text):
        return text if text.startswith("[") else f"[{text}]"
    return f"^{text}" if _SIMPLE.fullmatch(text) else f"^({text})"


def lowered(before: str, text: str) -> str:
    """What a subscript adds: "H" and "2" make "H2", "10" and "2" make "10_2"."""
    text = " ".join(text.split())
    last = before[-1:]
    if not text or not last or last.isspace() or (text.isdigit() and last.isalpha()):
        return text
    return f"_{text}" if _SIMPLE.fullmatch(text) else f"_({text})"
