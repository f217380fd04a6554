"""The trees of web pages, and what single nodes say."""

import re
from typing import TypeAlias

from lxml import html as lxml_html

Node: TypeAlias = lxml_html.HtmlElement

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # that no tree may hold
_DOCUMENT_ENDS = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)
HEADINGS = {f"h{level}": level for level in range(1, 7)}


def parse_tree(text: str) -> tuple[Node | None, bool]:
    """The tree of a page, None if it has none, and whether all of the page is in it."""
    parser = lxml_html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        # what stands behind the end of a page is shown as well
        text = CONTROL.sub(" ", _DOCUMENT_ENDS.sub(" ", text))
        root = lxml_html.document_fromstring(text, parser=parser, ensure_head_body=False)
    except (lxml_html.etree.ParserError, lxml_html.etree.XMLSyntaxError, ValueError):
        return None, not text.strip()
    return root, not any(error.level_name == "FATAL" for error in parser.error_log)


def heading_level(node: Node) -> int:
    if node.tag in HEADINGS:
        return HEADINGS[node.tag]
    if node.get("role") == "heading":
        return min(whole_number(node.get("aria-level")) or 2, 9)
    return 0


def touches_its_like(node: Node) -> bool:
    before = node.getprevious()
    return before is not None and before.tag == node.tag and not before.tail


def is_menu(node: Node) -> bool:
    return bool(node.tag == "nav" or node.get("role") == "navigation")


def whole_number(told: str | None) -> int | None:
    told = (told or "").strip()
    return int(told) if told.lstrip("-").isdecimal() and len(told) < 8 and told.isascii() else None


def written_number(number: int, kind: str) -> str:
    """A number as a list of this kind (1, a, A, i, I) writes it."""
    if kind in ("a", "A") and 0 < number <= 26:
        return chr(ord(kind) + number - 1)
    if kind in ("i", "I") and 0 < number < 50:
        tens, ones = divmod(number, 10)
        written = "x" * min(tens, 3) if tens < 4 else "xl"
        written += ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]
        return written if kind == "i" else written.upper()
    return str(number)
