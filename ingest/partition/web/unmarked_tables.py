"""Tables that pages build of other elements: by their roles (ARIA), or by how style sheets lay them out."""

from collections.abc import Callable, Mapping

from ingest.partition.web.styles import PageStyles
from ingest.partition.web.trees import Node

MAX_CELL_CHARS = 200  # of a table by its layout: what has longer cells is columns of text
_BY_ROLE = {
    "table": "table", "grid": "table", "treegrid": "table", "rowgroup": "tbody", "row": "tr", "cell": "td",
    "gridcell": "td", "columnheader": "th", "rowheader": "th", "caption": "caption",
}  # fmt: skip
_BY_DISPLAY = {
    "table": "table", "inline-table": "table", "table-row-group": "tbody", "table-header-group": "thead",
    "table-footer-group": "tfoot", "table-row": "tr", "table-cell": "td", "table-caption": "caption",
}  # fmt: skip
_GROUPS = ("thead", "tbody", "tfoot")
_OWN = frozenset(("table", "caption", "tr", "td", "th", *_GROUPS))
_NO_CELLS = (
    "table",
    "ul",
    "ol",
    "dl",
    "form",
    "nav",
    "article",
    "section",
    "img",
    "h1",
    "h2",
    "h3",
    "h4",
)

Parts = dict[Node, str]
"""The elements of one table, each with the tag that says what it is."""


def name_tables(root: Node, styles: PageStyles) -> None:
    """Gives the parts of such tables the tags of tables, if they stand in each other as parts do."""
    ways: list[tuple[Callable[[Node], str], bool]] = [(_tag_by_role, False)]
    if styles.lays_out_tables:
        tags = _tags_by_display(root, styles)
        ways.append((lambda node: tags.get(node, ""), True))
    for tag_of, is_layout in ways:
        for node in list(root.iter()):
            if isinstance(node.tag, str) and node.tag not in _OWN and tag_of(node) == "table":
                parts = _parts_of(node, tag_of)
                if parts and (not is_layout or _holds_data(parts)):
                    for part, tag in parts.items():
                        styles.rename(part, tag)
                        _take_span(part)


def _tag_by_role(node: Node) -> str:
    return _BY_ROLE.get((node.get("role") or "").lower(), "")


def _tags_by_display(root: Node, styles: PageStyles) -> Mapping[Node, str]:
    return {
        node: tag
        for node in root.iter()
        if isinstance(node.tag, str) and (tag := _BY_DISPLAY.get(styles.display(node), ""))
    }


def _parts_of(table: Node, tag_of: Callable[[Node], str]) -> Parts | None:
    """None if something stands in it that is no part of a table, or no row has several cells."""
    parts: Parts = {table: "table"}
    waiting = [table]
    widest = 0
    while waiting:
        node = waiting.pop()
        inside = [child for child in node if isinstance(child.tag, str)]
        if _has_loose_text(node):
            return None
        if parts[node] == "tr":
            cells = {child: tag_of(child) for child in inside}
            if not cells or any(tag not in ("td", "th") for tag in cells.values()):
                return None
            parts.update(cells)
            widest = max(widest, len(cells))
            continue
        for child in inside:
            tag = tag_of(child) or ("tbody" if len(child) else "")
            if tag not in ("caption", "tr", *_GROUPS):
                return None
            parts[child] = tag
            waiting += [child] if tag != "caption" else []
    return parts if widest > 1 else None


def _has_loose_text(node: Node) -> bool:
    return any(text and text.strip() for text in (node.text, *(child.tail for child in node)))


def _holds_data(parts: Parts) -> bool:
    """Whether what is laid out as a table is one: rows of as many cells, each a short text."""
    widths = [len(node) for node, tag in parts.items() if tag == "tr"]
    cells = [node for node, tag in parts.items() if tag in ("td", "th")]
    return (
        len(widths) > 1
        and len(set(widths)) == 1
        and not any(True for cell in cells for _ in cell.iter(*_NO_CELLS))
        and all(len("".join(cell.itertext())) <= MAX_CELL_CHARS for cell in cells)
    )


def _take_span(node: Node) -> None:
    for told, name in (("aria-colspan", "colspan"), ("aria-rowspan", "rowspan")):
        if span := node.get(told):
            node.set(name, span)
