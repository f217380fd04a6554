"""Tables: cells to a readable form, one row a line, and HTML tables to cells."""

import html
import re
from collections.abc import Sequence

from lxml import etree
from lxml import html as lxml_html

from ingest.elements import Element

CELL = " | "
MAX_HTML_CHARS = 200_000
_SPACE = re.compile(r"\s+")


def make_table(
    rows: Sequence[Sequence[str]], *, page: int | None = None, page_name: str | None = None
) -> Element:
    """A table element from its cells; its HTML is left out if it would be very long."""
    cleaned = [[_SPACE.sub(" ", cell).strip() for cell in row] for row in rows]
    markup = (
        to_html(cleaned)
        if sum(len(cell) for row in cleaned for cell in row) < MAX_HTML_CHARS
        else None
    )
    return Element(
        kind="table", text=readable_table(cleaned), page=page, page_name=page_name, html=markup
    )


def readable_table(rows: Sequence[Sequence[str]]) -> str:
    """One line a row; empty rows are dropped, empty cells at the end of a row too."""
    lines = []
    for row in rows:
        cells = list(row)
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            lines.append(CELL.join(cells).strip())
    return "\n".join(lines)


def to_html(rows: Sequence[Sequence[str]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{body}</table>"


def parse_cells(markup: str) -> list[list[str]]:
    """The cells of an HTML table, row by row; a caption is a row of its own; a table in a cell is
    part of that cell.

    Gives an empty list if the markup cannot be read.
    """
    try:
        root = lxml_html.fromstring(markup, parser=lxml_html.HTMLParser(huge_tree=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return []
    found: list[list[str]] = []
    for row in root.iter("tr", "caption"):
        if sum(1 for _ in row.iterancestors("table")) > 1:
            continue
        if row.tag == "caption":
            found.append([_text_of(row)])
        else:
            found.append([_text_of(cell) for cell in row if cell.tag in ("td", "th")])
    return found


def _text_of(node: lxml_html.HtmlElement) -> str:
    return _SPACE.sub(" ", " ".join(node.itertext())).strip()
