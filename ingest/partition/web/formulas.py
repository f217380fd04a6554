"""Formulas of web pages as one line of text."""

from lxml import html as lxml_html

MAX_DEPTH = 40
_BETWEEN = {"msup": "^", "msub": "_", "mfrac": "/", "mover": "^", "munder": "_"}


def formula_text(node: lxml_html.HtmlElement) -> str:
    """A formula as it was written (TeX), as its author describes it, or put together from its parts."""
    for note in node.iter("annotation"):
        if "tex" in (note.get("encoding") or "").lower() and (note.text or "").strip():
            return " ".join(str(note.text).split())
    if told := (node.get("alttext") or "").strip():
        return " ".join(told.split())
    return " ".join(_put_together(node, 0).split())


def _put_together(node: lxml_html.HtmlElement, depth: int) -> str:
    if depth > MAX_DEPTH:
        return "".join(node.itertext())
    parts = [_put_together(child, depth + 1) for child in node if isinstance(child.tag, str)]
    if node.tag in ("annotation", "annotation-xml"):
        return ""
    if node.tag in _BETWEEN and len(parts) == 2:
        return _BETWEEN[node.tag].join(_grouped(part) for part in parts)
    if node.tag == "msubsup" and len(parts) == 3:
        return f"{_grouped(parts[0])}_{_grouped(parts[1])}^{_grouped(parts[2])}"
    if node.tag == "msqrt":
        return f"√({' '.join(parts)})"
    own = (node.text or "").strip()
    sign = f" {own} " if node.tag == "mo" and own in "+-−=<>≤≥±×·" and own else own
    return sign + "".join(parts)


def _grouped(text: str) -> str:
    text = text.strip()
    return text if text.isalnum() or (text.startswith("(") and text.endswith(")")) else f"({text})"
