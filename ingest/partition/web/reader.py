"""The tree of a web page to elements: every text that a reader of the page can see, in its order.

What is no block is running text, whatever its name. What a page does not show is counted, menus
come after the content, tables become grids if they are no mere layout.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.notation import lowered, raised
from ingest.partition.tables import table_of
from ingest.partition.web.fields import read_choice, read_input, read_text_field
from ingest.partition.web.formulas import formula_text
from ingest.partition.web.styles import Look, PageStyles, styles_of
from ingest.partition.web.tables import (
    SKIPPED,
    find_data_tables,
    has_text,
    is_part_of,
    prepare_table,
)
from ingest.partition.web.trees import (
    CONTROL,
    Node,
    heading_level,
    is_menu,
    parse_tree,
    touches_its_like,
    whole_number,
    written_number,
)
from ingest.partition.web.unmarked_tables import name_tables
from ingest.partition.web.writer import PageWriter

MAX_RAISED_CHARS = 40
EMBEDDED_PICTURE = 2_000  # characters of an address that holds a picture worth telling
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "listing", "main", "marquee",
    "menu", "nav", "ol", "optgroup", "option", "p", "plaintext", "pre", "search", "section", "summary",
    "svg", "table", "tbody", "td", "text", "tfoot", "th", "thead", "tr", "ul", "xmp",
))  # fmt: skip
_KEEPS_LINES = frozenset({"pre", "xmp", "listing", "plaintext"})
_APART = frozenset(
    {
        "button",
        "label",
        "output",
        "meter",
        "progress",
        "object",
        "canvas",
        "video",
        "audio",
        "title",
        "desc",
    }
)
_SIDE_BY_SIDE = frozenset({"a", "kbd"})  # two of them without anything between are two words
_STRUCK = frozenset({"del", "s", "strike"})
_NEVER_SHOWN = {"template": "in a template", "noscript": "shown only without scripts"}


def read_page(root: Node, work: ParseContext) -> list[Element]:
    """The elements of a page, its menus last."""
    styles = styles_of(root)
    name_tables(root, styles)
    reader = _WebPageReader(work, styles, find_data_tables(root))
    writer = PageWriter(work)
    reader.read(root, reader.styles.start(), writer)
    writer.end_block()
    told = {element.text for element in writer.content}
    menus = {element.text: element for element in writer.menus if element.text not in told}
    return [*writer.content, *menus.values()]


class _WebPageReader:
    """Walks with a stack: nesting may be deep."""

    def __init__(
        self,
        work: ParseContext,
        styles: PageStyles,
        data_tables: frozenset[Node],
        *,
        in_frame: bool = False,
    ) -> None:
        self.work, self.styles, self.data_tables = work, styles, data_tables
        self.in_frame = in_frame
        self.numbers: dict[Node, int] = {}
        self.special: Mapping[str, Callable[[Node, Look, PageWriter], None]] = {
            "br": lambda node, look, writer: writer.add_break(),
            "img": self._read_picture,
            "area": self._read_picture,
            "input": read_input,
            "select": read_choice,
            "textarea": read_text_field,
            "math": self._read_formula,
            "iframe": self._read_frame,
        }

    def read(self, start: Node, look: Look, writer: PageWriter) -> None:
        waiting: list[tuple[str, Node | str, Look]] = [("open", start, look)]
        while waiting:
            what, item, around = waiting.pop()
            if isinstance(item, str):
                writer.add(item, around.hidden)
            elif what == "close":
                self._close(item, around, writer)
            else:
                waiting += self._open(item, around, writer)

    def _open(
        self, node: Node, around: Look, writer: PageWriter
    ) -> list[tuple[str, Node | str, Look]]:
        """What is to be read of it, the last first."""
        look = self._look(node, around)
        tag = node.tag
        if tag in SKIPPED or (tag == "title" and node.getparent().tag in ("head", "html", "body")):
            return []
        if tag in self.special:
            self.special[tag](node, look, writer)
            return []
        if tag in ("sup", "sub") and self._read_shifted(node, look, writer):
            return []
        if node in self.data_tables and not look.hidden and self._read_table(node, look, writer):
            return []
        self._begin(node, look, writer)
        steps: list[tuple[str, Node | str, Look]] = [("close", node, look)]
        for child in reversed(node):
            if child.tail:
                steps.append(("text", child.tail, look))
            if isinstance(child.tag, str):
                steps.append(("open", child, look))
        if node.text and tag != "rp":  # brackets for browsers that know no ruby
            steps.append(("text", node.text, look))
        return steps

    def _look(self, node: Node, around: Look) -> Look:
        look = self.styles.look(node, around)
        why = _NEVER_SHOWN.get(node.tag)
        if node.tag == "dialog" and node.get("open") is None:
            why = "in a dialog that is closed"
        return replace(look, unseen=why) if why and not look.unseen else look

    def _begin(self, node: Node, look: Look, writer: PageWriter) -> None:
        tag = node.tag
        if tag in _BLOCKS or look.block:
            writer.end_block()
        if tag in _KEEPS_LINES:
            writer.kept_lines += 1
        if level := heading_level(node):
            writer.heading = level
        if is_menu(node):
            writer.in_menu += 1
        if tag == "li":
            writer.prefixes.append(self._number(node))
        if tag in _STRUCK:
            writer.add("~~", look.hidden)
        if tag == "q":
            writer.add("“", look.hidden)
        if tag == "rt":
            writer.add("(", look.hidden)
        if tag in _APART or (tag in _SIDE_BY_SIDE and touches_its_like(node)):
            writer.add(" ", look.hidden)

    def _close(self, node: Node, look: Look, writer: PageWriter) -> None:
        tag = node.tag
        if tag in _STRUCK:
            writer.add("~~", look.hidden)
        if tag in ("q", "rt"):
            writer.add("”" if tag == "q" else ")", look.hidden)
        if tag in _APART:
            writer.add(" ", look.hidden)
        if tag in _BLOCKS or look.block:
            writer.end_block()
        if tag in _KEEPS_LINES:
            writer.kept_lines -= 1
        if heading_level(node):
            writer.heading = 0
        if is_menu(node):
            writer.in_menu -= 1
        if tag == "li":
            writer.prefixes.pop()

    def _number(self, item: Node) -> str:
        """The number of a list item with its dot; empty in a list without an order."""
        above = item.getparent()
        if above is None or above.tag != "ol":
            return ""
        told = whole_number(item.get("value"))
        first = whole_number(above.get("start"))
        step = -1 if above.get("reversed") is not None else 1
        if first is None:
            first = 1 if step > 0 else len(above.findall("li"))
        number = told if told is not None else self.numbers.get(above, first - step) + step
        self.numbers[above] = number
        return f"{written_number(number, above.get('type') or '1')}. "

    def _read_picture(self, node: Node, look: Look, writer: PageWriter) -> None:
        if alt := (node.get("alt") or "").strip():
            writer.add(f" {alt} ", look.hidden)
        elif len(node.get("src") or "") > EMBEDDED_PICTURE and node.get("src").startswith("data:"):
            self.work.lose("picture", 1, "pictures", "inside the page")

    def _read_frame(self, node: Node, look: Look, writer: PageWriter) -> None:
        markup = node.get("srcdoc") or ""
        if self.in_frame:
            self.work.lose("part", 1 if markup else 0, "frames", "inside a frame of the page")
            return
        root, _ = parse_tree(markup) if markup.strip() else (None, True)
        if root is None:
            return
        styles = styles_of(root)
        name_tables(root, styles)
        inner = _WebPageReader(self.work, styles, find_data_tables(root), in_frame=True)
        writer.end_block()
        inner.read(
            root, replace(look, ground=None) if look.hidden else inner.styles.start(), writer
        )
        writer.end_block()

    def _read_formula(self, node: Node, look: Look, writer: PageWriter) -> None:
        writer.add(f" {formula_text(node)} ", look.hidden)

    def _read_shifted(self, node: Node, look: Look, writer: PageWriter) -> bool:
        """A superscript or subscript with its mark; False if it is too long for one."""
        text = "".join(node.itertext())
        if len(text) > MAX_RAISED_CHARS or look.hidden or any(child.tag == "br" for child in node):
            return False
        if node.tag == "sub":
            writer.add(lowered(writer.last, text))
        else:
            linked = node.getparent().tag == "a" or any(True for _ in node.iter("a"))
            writer.add(raised(writer.last, text, linked))
        return True

    def _read_table(self, node: Node, look: Look, writer: PageWriter) -> bool:
        """A table as a grid, its cells read like any other text; False if nothing is left of it."""
        writer.end_block()
        rows, loose = prepare_table(node)
        written = [row for row in rows if has_text(row)]
        looks: dict[Node, Look] = {node: look}
        cells = [cell for cell in node.iter("td", "th", "caption") if is_part_of(cell, node)]
        for cell in cells:
            self._flatten(cell, self._look_inside(cell.getparent(), looks), writer)
        for row in written:
            if not has_text(row):  # hidden throughout
                row.drop_tree()
        table = table_of(node)
        if loose:
            writer.add(loose)
            writer.end_block()
        if table is not None:
            writer.add_table(table)
        return True

    def _look_inside(self, node: Node, looks: dict[Node, Look]) -> Look:
        """How text inside a part of a table looks; `looks` has the table's and what is known."""
        between: list[Node] = []
        while node not in looks:
            between.append(node)
            node = node.getparent()
        look = looks[node]
        for inner in reversed(between):
            looks[inner] = look = self._look(inner, look)
        return look

    def _flatten(self, cell: Node, around: Look, writer: PageWriter) -> None:
        if not len(cell) and not self._look(cell, around).hidden:
            cell.text = CONTROL.sub(" ", cell.text or "").replace("\xad", "")
            return
        inner = PageWriter(self.work)
        self.read(cell, around, inner)
        text = CONTROL.sub(" ", inner.plain())
        for child in list(cell):
            cell.remove(child)
        cell.text = text
