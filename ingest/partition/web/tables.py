"""Tables of web pages: which of them hold data, and what stands in their parts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.partition.web.trees import HEADINGS, Node

LONG_CELL = 1_500  # characters: a table with such a cell and without header cells is layout
SKIPPED = frozenset((
    "head", "script", "style", "meta", "link", "base", "param", "source", "track", "col", "colgroup",
    "metadata", "keygen",
))  # fmt: skip
_TELLING = frozenset({"td", "th", "article", "section", "main", "nav", *HEADINGS})
_PARTS_OF_TABLES = frozenset({"thead", "tbody", "tfoot", "tr", "td", "th", "caption"})


@dataclass(slots=True)
class _Facts:
    """What stands in the tables of a page."""

    above: dict[Node, Node] = field(default_factory=dict)  # a table to the one that it stands in
    layout: set[Node] = field(default_factory=set)  # tables with what only layout has
    wide: set[Node] = field(default_factory=set)  # with several cells in a row
    headed: set[Node] = field(default_factory=set)  # with header cells
    filled: set[Node] = field(default_factory=set)  # with other cells

    def begin(self, table: Node, around: Node | None) -> None:
        if around is not None:
            self.above[table] = around
        if (table.get("role") or "").lower() in ("presentation", "none"):
            self.layout.add(table)

    def take(self, node: Node, table: Node) -> None:
        """node: a cell, or what has no place in a table of data."""
        if node.tag not in ("td", "th"):
            self.layout.add(table)
            return
        (self.headed if node.tag == "th" else self.filled).add(table)
        if node.getprevious() is not None:
            self.wide.add(table)

    @property
    def data_tables(self) -> set[Node]:
        nesting = set(self.above.values())
        deep = {self.above[table] for table in nesting if table in self.above}
        return self.wide - self.layout - deep - (nesting - (self.headed & self.filled))


def find_data_tables(root: Node) -> frozenset[Node]:
    """Tables of data: with rows of several cells and nothing in them that only layout has."""
    facts = _Facts()
    within: dict[Node | None, Node] = {}  # the innermost table of every node
    for node in root.iter():
        table = within.get(node.getparent())
        if node.tag == "table":
            facts.begin(node, table)
            table = node
        if table is not None:
            within[node] = table
            if node.tag in _TELLING:
                facts.take(node, table)
    return frozenset(
        table for table in facts.data_tables if table in facts.headed or not _has_long_cell(table)
    )


def _has_long_cell(table: Node) -> bool:
    return any(len("".join(cell.itertext())) > LONG_CELL for cell in table.iter("td"))


def prepare_table(table: Node) -> tuple[list[Node], str]:
    """(rows, the text that stands in none of its cells) of a table whose cells stand in rows
    directly afterwards, and whose feet stand below the rows.
    """
    rows = [row for row in table.iter("tr") if is_part_of(row, table)]
    for row in rows:
        for child in [child for child in row if child.tag not in ("td", "th")]:
            if isinstance(child.tag, str) and any(True for _ in child.iter("td", "th")):
                child.drop_tag()  # a form between a row and its cells
    loose = " ".join(" ".join(_loose_texts(table)).split())
    for foot in table.findall("tfoot"):  # shown below the rows, wherever it is written
        foot.tail = None
        table.append(foot)
    return rows, loose


def has_text(node: Node) -> bool:
    return bool("".join(node.itertext()).strip())


def is_part_of(node: Node, table: Node) -> bool:
    """Whether neither another table nor a cell stands between the two."""
    return next(node.iterancestors("table", "td", "th", "caption"), None) is table


def _loose_texts(table: Node) -> Iterator[str]:
    """Texts inside a table that stand in none of its cells."""
    for node in table.iter("table", "thead", "tbody", "tfoot", "tr"):
        if node is not table and not is_part_of(node, table):
            continue
        yield " ".join((node.text or "").split())
        for child in node:
            yield " ".join((child.tail or "").split())
            if isinstance(child.tag, str) and child.tag not in _PARTS_OF_TABLES | SKIPPED:
                yield " ".join("".join(child.itertext()).split())
