"""What the cells of Excel files hold and show: texts, numbers by their format, formulas."""

import re
from collections.abc import Sequence

from lxml import etree

from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.notation import lowered, raised
from ingest.partition.office.format_tokens import general
from ingest.partition.office.number_formats import GENERAL, format_number
from ingest.partition.office.package import child, local, number_of, value_of
from ingest.partition.sheets.forms import Form

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


Shown = tuple[str, bool, str]
"""What a cell shows, "" if its format shows nothing; whether it is a number or a date; what it holds."""

_NOTHING: Shown = ("", False, "")


class Values:
    """What cells of one workbook show; `uncomputed` are its formulas without a value."""

    def __init__(self, strings: Sequence[str], *, from_1904: bool) -> None:
        self.strings, self.from_1904 = strings, from_1904
        self.uncomputed = 0

    def show(self, node: etree._Element, form: Form) -> Shown:
        value = formula = inline = None
        for each in node:
            tag = local(each)
            if tag == "v":
                value = each.text
            elif tag == "f":
                formula = each
            elif tag == "is":
                inline = rich_text(each)
        if inline is not None:
            return inline, False, inline
        kind = node.get("t") or "n"
        if formula is not None and not value and kind != "str":
            return self.show_formula("=" + clean(formula.text or "…").strip())
        if not value:
            return _NOTHING
        if kind == "n":
            return self.show_number(value.strip(), form)
        text = self._text(kind, value)
        return text, kind == "d", text

    def show_formula(self, formula: str) -> Shown:
        """A formula without a value, which is shown instead of it."""
        self.uncomputed += 1
        return formula, False, formula

    def tell_uncomputed(self, work: ParseContext) -> None:
        if self.uncomputed:
            work.warn(
                f"Formulas without a stored value: {self.uncomputed}. They are shown instead of it."
            )

    def _text(self, kind: str, value: str) -> str:
        if kind == "s":
            at = number_of(value, -1)
            return self.strings[at] if 0 <= at < len(self.strings) else ""
        if kind == "b":
            return "TRUE" if value.strip() in ("1", "true") else "FALSE"
        text = unescape(value)
        return text.removesuffix("T00:00:00") if kind == "d" else text

    def show_number(self, value: str, form: Form) -> Shown:
        if form.code == GENERAL and value.isdigit() and len(value) < 16:
            return value.lstrip("0") or "0", True, value
        try:
            number = float(value)
            shown = (
                general(number)
                if form.code == GENERAL
                else format_number(number, form.code, from_1904=self.from_1904)
            )
        except (ValueError, OverflowError, ArithmeticError):
            return value, True, value
        return shown, True, value


def rich_text(node: etree._Element) -> str:
    """The text of a string item, without how it is pronounced."""
    parts: list[str] = []
    for each in node.iter("{*}t"):
        about = child(each.getparent(), "rPr")
        shift = value_of(child(about, "vertAlign")) if about is not None else None
        text = each.text or ""
        if shift in ("superscript", "subscript") and text.strip():
            text = (raised if shift == "superscript" else lowered)(parts[-1] if parts else "", text)
        if local(each.getparent()) != "rPh":
            parts.append(text)
    return unescape("".join(parts))


def unescape(text: str) -> str:
    """The text with its characters that XML cannot hold; controls become spaces."""
    if "_x" in text:
        text = _ESCAPED.sub(_unescaped, text)
    return clean(text)


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match.group(1), 16))
    return char if char.isprintable() or char in "\n\t" else " "
