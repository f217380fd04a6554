"""Signs of fonts that Word files use for symbols, as characters that mean the same."""

from collections.abc import Mapping

_GREEK = dict(
    zip(
        "ABCDEFGHIKLMNOPQRSTUWXYZabcdefghiklmnopqrstuwxyz",
        "ΑΒΧΔΕΦΓΗΙΚΛΜΝΟΠΘΡΣΤΥΩΞΨΖαβχδεφγηικλμνοπθρστυωξψζ",
        strict=True,
    )
)
_SYMBOL: Mapping[int, str] = {
    0xA3: "≤", 0xB3: "≥", 0xB9: "≠", 0xBB: "≈", 0xB1: "±", 0xB4: "×", 0xB8: "÷", 0xB0: "°", 0xAE: "→",
    0xAC: "←", 0xAD: "↑", 0xAF: "↓", 0xAB: "↔", 0xDE: "⇒", 0xA5: "∞", 0xB6: "∂", 0xD1: "∇", 0xD6: "√",
    0xE5: "∑", 0xF2: "∫", 0xB7: "•", 0x6D: "μ", 0x2D: "−", 0xCE: "∈", 0xC8: "∪", 0xC7: "∩", 0x22: "∀",
}  # fmt: skip
_DINGBATS: Mapping[int, str] = {
    0xFC: "✓", 0xFB: "✗", 0xFE: "☑", 0xFD: "☒", 0xA8: "☐", 0x6F: "☐", 0x71: "☐", 0x72: "☐", 0x52: "☑",
    0x53: "☒", 0xE0: "→", 0xDF: "←", 0xE8: "➔", 0xF0: "⇨", 0x6C: "●", 0x6E: "■", 0xA7: "▪", 0x9F: "•",
    0x4A: "☺", 0x4C: "☹", 0x28: "☎", 0x2A: "✉", 0x50: "✓", 0x4F: "✗",
}  # fmt: skip


def symbol(font: str, code: str) -> str | None:
    """The character of a `w:sym`; None if it is a sign of a font that nothing here knows."""
    try:
        number = int(code, 16)
    except ValueError:
        return None
    number = number - 0xF000 if 0xF000 <= number <= 0xF0FF else number
    if font.casefold() == "symbol":
        return _SYMBOL.get(number) or _GREEK.get(chr(number)) or _ascii(number)
    if font.casefold().startswith(("wingdings", "webdings")):
        return _DINGBATS.get(number)
    return chr(number) if 0x20 <= number < 0xD800 else None


def _ascii(number: int) -> str | None:
    return chr(number) if 0x20 <= number < 0x7F else None
