"""Web pages: their encoding, their title, and what `reader` makes of the tree."""

import re
from html import unescape
from pathlib import Path

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs
from ingest.partition.titles import worthy_title
from ingest.partition.web.reader import read_page
from ingest.partition.web.trees import parse_tree

DECLARED_WITHIN = 4_096
_PAGE_PARTS = ("head", "html", "body")  # a title elsewhere is that of a drawing
_META_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
_XML_HEADER = re.compile(r"^\s*<\?xml[^>]*\?>")
_UNSEEN_PARTS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BLOCK_ENDS = re.compile(
    r"</?(?:p|div|h[1-6]|li|ul|ol|tr|table|section|article|blockquote|dd|dt|pre|br|hr)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def read_html(path: Path, work: ParseContext) -> ReadResult:
    return parse_html_bytes(path.read_bytes(), work)


def parse_html_bytes(data: bytes, work: ParseContext, declared: str | None = None) -> ReadResult:
    """Elements and the page's title.

    `declared` is an encoding named outside the page, which the page may override.
    """
    inside = _META_CHARSET.search(data[:DECLARED_WITHIN]) or _XML_ENCODING.search(
        data[:DECLARED_WITHIN]
    )
    name = inside.group(1).decode("ascii", "ignore") if inside else declared
    if (
        inside and name and name.lower().startswith("utf-16")
    ):  # whoever could read this far was not reading it
        name = "utf-8"
    return parse_html(decode(data, work, name), work)


def parse_html(text: str, work: ParseContext) -> ReadResult:
    root, whole = parse_tree(_XML_HEADER.sub("", text))
    if root is None or not whole:
        if not whole:
            work.warn("It is nested too deeply; its text was read without its structure.")
        return _read_without_structure(text), {}
    found = next((each for each in root.iter("title") if each.getparent().tag in _PAGE_PARTS), None)
    title = worthy_title(" ".join(found.text_content().split()) if found is not None else "")
    return read_page(root, work), {"title": title} if title else {}


def _read_without_structure(text: str) -> list[Element]:
    """The text between the tags, a paragraph for each block."""
    shown = _BLOCK_ENDS.sub("\n\n", _UNSEEN_PARTS.sub(" ", text))
    return list(parse_paragraphs(unescape(_TAG.sub(" ", shown))))
