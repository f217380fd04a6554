"""Signs of fonts that have no letters: the font "Symbol", and what bullets are made of."""

_SIGNS = {0xB7: "•", 0xA7: "•", 0xD8: "•", 0xFC: "✓", 0xE0: "→", 0xAE: "→"}
_GREEK = dict(
    zip(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ",
        strict=True,
    )
) | dict(
    zip(
        (0x22, 0x24, 0x27, 0x2D, 0x40, 0xA3, 0xA5, 0xB0, 0xB1, 0xB3, 0xB4, 0xB6, 0xB8, 0xB9, 0xBA, 0xBB, 0xBC),
        "∀∃∋−≅≤∞°±≥×∂÷≠≡≈…",
        strict=True,
    )
) | dict(
    zip(
        (0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0xB7, 0xC5, 0xC6, 0xC7, 0xC8, 0xCE, 0xD1, 0xD5, 0xD6, 0xDE, 0xE5, 0xF2),
        "↔←↑→↓•⊕∅∩∪∈∇∏√⇒∑∫",
        strict=True,
    )
)  # fmt: skip


def symbol_of(code: int, *, greek: bool) -> str:
    """The character that a code stands for; empty if it is an ornament without a meaning.

    greek: the font is "Symbol", whose letters are Greek.
    """
    if greek:
        return _GREEK.get(code, chr(code) if code < 0x80 else "")
    return _SIGNS.get(code, chr(code) if code < 0x80 else "")
