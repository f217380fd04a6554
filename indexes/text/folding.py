"""Texts as they are compared if only their letters and digits count."""

import re

_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_WIDE_SIGN = re.compile(r"[^\w\x00-\x7f]")


def letters_and_digits(text: str) -> str:
    """The letters and digits of the text, case folded, with nothing between them."""
    folded = text.casefold()
    if not folded.isascii():
        folded = _WIDE_SIGN.sub("", folded)
    return (
        folded.encode("utf-8", "surrogatepass")
        .translate(None, _SIGNS)
        .decode("utf-8", "surrogatepass")
    )
