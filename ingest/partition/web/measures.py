"""Lengths and colours as style sheets write them."""

import re
from collections.abc import Mapping
from typing import TypeAlias

Rgb: TypeAlias = tuple[int, int, int]
WHITE: Rgb = (255, 255, 255)
LENGTH = re.compile(r"\s*(-?\d*\.?\d+)\s*(px|pt|em|rem|%|vw|vh|in|cm|mm|pc|ex|ch)?\s*(?:!.*)?$")
PIXELS = {"px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "pc": 16.0,
           "vw": 12.0, "vh": 8.0, "ex": 8.0, "ch": 8.0, "%": 12.0}  # fmt: skip
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)(%?))?\s*\)")
_HSL = re.compile(r"hsl\(\s*[\d.]+(?:deg)?[\s,]+[\d.]+%[\s,]+([\d.]+)%\s*\)")
_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_NAMES: Mapping[str, Rgb] = {
    "white": WHITE, "black": (0, 0, 0), "red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "green": (0, 128, 0), "gray": (128, 128, 128), "grey": (128, 128, 128),
    "silver": (192, 192, 192), "navy": (0, 0, 128), "orange": (255, 165, 0), "purple": (128, 0, 128),
    "snow": (255, 250, 250), "ivory": (255, 255, 240), "whitesmoke": (245, 245, 245), "aqua": (0, 255, 255),
    "cyan": (0, 255, 255), "maroon": (128, 0, 0), "teal": (0, 128, 128), "olive": (128, 128, 0),
    "fuchsia": (255, 0, 255), "magenta": (255, 0, 255), "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211),
}  # fmt: skip


def pixels_of(told: str, default: float) -> float:
    found = LENGTH.match(told)
    return float(found.group(1)) * PIXELS[found.group(2) or "px"] if found else default


def colour_of(value: str) -> Rgb | None:
    """None if it is not known or lets something through."""
    value = value.strip().lower()
    if "var(" in value:
        return None
    if found := _HSL.search(value):
        light = float(found.group(1))
        grey = round(2.55 * light)
        return (grey, grey, grey) if light in (0.0, 100.0) else None
    if found := _HEX.search(value):
        return _hex_colour(found.group(1))
    if found := _RGB.search(value):
        if found.group(4) and float(found.group(4)) < (90 if found.group(5) else 0.9):
            return None
        return int(found.group(1)), int(found.group(2)), int(found.group(3))
    return next((_NAMES[word] for word in value.split() if word in _NAMES), None)


def _hex_colour(digits: str) -> Rgb | None:
    if len(digits) in (3, 4):
        digits = "".join(2 * digit for digit in digits)
    if len(digits) in (6, 8):
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    return None


def distance(one: Rgb, other: Rgb) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
