"""The tree of a web page to elements: every text that a reader of the page can see, in its order.

What is no block is running text, whatever its name. What a page does not show is counted, menus
come after the content, tables become grids if they are no mere layout.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from lxml import html as lxml_html

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.formulas import formula_text
from ingest.partition.notation import lowered, raised
from ingest.partition.page_writer import PageWriter
from ingest.partition.styles import Look, Node, Styles, styles_of
from ingest.partition.tables import table_of

MAX_CHOICES = 25  # of a list to choose from; the rest is counted
MAX_RAISED_CHARS = 40
LONG_CELL = 1_500  # characters: a table with such a cell and without header cells is layout
EMBEDDED_PICTURE = 2_000  # characters of an address that holds a picture worth telling
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "listing", "main", "marquee",
    "menu", "nav", "ol", "optgroup", "option", "p", "plaintext", "pre", "search", "section", "summary",
    "svg", "table", "tbody", "td", "text", "tfoot", "th", "thead", "tr", "ul", "xmp",
))  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # that no tree may hold
_DOCUMENT_ENDS = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)
_SKIPPED = frozenset((
    "head", "script", "style", "meta", "link", "base", "param", "source", "track", "col", "colgroup", 
    "metadata", "keygen",
))  # fmt: skip
_PARTS_OF_TABLES = frozenset({"thead", "tbody", "tfoot", "tr", "td", "th", "caption"})
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
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NEVER_SHOWN = {"template": "in a template", "noscript": "shown only without scripts"}
_BUTTONS = frozenset({"submit", "button", "reset"})
_VALUELESS = frozenset({"hidden", "password", "file", "image", *_BUTTONS})


def read_page(root: Node, work: ParseContext) -> list[Element]:
    """The elements of a page, its menus last."""
    reader = _PageReader(work, styles_of(root), _data_tables(root))
    writer = PageWriter(work)
    reader.read(root, reader.styles.start(), writer)
    writer.end_block()
    told = {element.text for element in writer.content}
    menus = {element.text: element for element in writer.menus if element.text not in told}
    return [*writer.content, *menus.values()]


class _PageReader:
    """Walks with a stack: nesting may be deep."""

    def __init__(
        self,
        work: ParseContext,
        styles: Styles,
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
            "input": self._read_input,
            "select": self._read_choice,
            "textarea": self._read_text_field,
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
        if tag in _SKIPPED or (tag == "title" and node.getparent().tag in ("head", "html", "body")):
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
        if level := _heading_level(node):
            writer.heading = level
        if _is_menu(node):
            writer.in_menu += 1
        if tag == "li":
            writer.prefixes.append(self._number(node))
        if tag in _STRUCK:
            writer.add("~~", look.hidden)
        if tag == "q":
            writer.add("“", look.hidden)
        if tag == "rt":
            writer.add("(", look.hidden)
        if tag in _APART or (tag in _SIDE_BY_SIDE and _touches_its_like(node)):
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
        if _heading_level(node):
            writer.heading = 0
        if _is_menu(node):
            writer.in_menu -= 1
        if tag == "li":
            writer.prefixes.pop()

    def _number(self, item: Node) -> str:
        """The number of a list item with its dot; empty in a list without an order."""
        above = item.getparent()
        if above is None or above.tag != "ol":
            return ""
        told = _whole_number(item.get("value"))
        first = _whole_number(above.get("start"))
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
        inner = _PageReader(self.work, styles_of(root), _data_tables(root), in_frame=True)
        writer.end_block()
        inner.read(
            root, replace(look, ground=None) if look.hidden else inner.styles.start(), writer
        )
        writer.end_block()

    def _read_input(self, node: Node, look: Look, writer: PageWriter) -> None:
        kind = (node.get("type") or "text").lower()
        value = (node.get("value") or "").strip()
        if kind in ("checkbox", "radio"):
            writer.add(" [x] " if node.get("checked") is not None else " [ ] ", look.hidden)
        elif kind == "image":
            writer.add(f" {node.get('alt') or ''} ", look.hidden)
        elif value and (kind in _BUTTONS or kind not in _VALUELESS):
            writer.add(f" {value} ", look.hidden)

    def _read_text_field(self, node: Node, look: Look, writer: PageWriter) -> None:
        writer.add(" ", look.hidden)
        writer.kept_lines += 1
        writer.add("".join(node.itertext()).strip("\n"), look.hidden)
        writer.kept_lines -= 1
        writer.add(" ", look.hidden)

    def _read_choice(self, node: Node, look: Look, writer: PageWriter) -> None:
        """What is chosen, then the other choices."""
        options = [
            (option, " ".join("".join(option.itertext()).split()) or (option.get("label") or ""))
            for option in node.iter("option")
            if option.get("hidden") is None or self._hide(option)
        ]
        chosen = [text for option, text in options if option.get("selected") is not None]
        if not chosen and options and node.get("multiple") is None:
            chosen = [options[0][1]]
        others = [text for _, text in options if text and text not in chosen]
        writer.add(f" {', '.join(chosen)} ", look.hidden)
        if others:
            writer.add(f"[other choices: {', '.join(others[:MAX_CHOICES])}] ", look.hidden)
            self.work.lose("limit", len(others) - MAX_CHOICES, "choices", "of a list in a form")

    def _hide(self, node: Node) -> bool:
        self.work.hide("".join(node.itertext()), "not displayed")
        return False

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
        rows = [row for row in node.iter("tr") if _is_part_of(row, node)]
        for row in rows:
            for child in [child for child in row if child.tag not in ("td", "th")]:
                if isinstance(child.tag, str) and any(True for _ in child.iter("td", "th")):
                    child.drop_tag()  # a form between a row and its cells
        loose = " ".join(" ".join(_loose_texts(node)).split())
        for foot in node.findall("tfoot"):  # shown below the rows, wherever it is written
            foot.tail = None
            node.append(foot)
        written = [row for row in rows if "".join(row.itertext()).strip()]
        looks: dict[Node, Look] = {node: look}
        cells = [cell for cell in node.iter("td", "th", "caption") if _is_part_of(cell, node)]
        for cell in cells:
            self._flatten(cell, self._look_inside(cell.getparent(), looks), writer)
        for row in written:
            if not "".join(row.itertext()).strip():  # hidden throughout
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
            cell.text = _CONTROL.sub(" ", cell.text or "").replace("\xad", "")
            return
        inner = PageWriter(self.work)
        self.read(cell, around, inner)
        text = _CONTROL.sub(" ", inner.plain())
        for child in list(cell):
            cell.remove(child)
        cell.text = text


def _is_part_of(node: Node, table: Node) -> bool:
    """Whether neither another table nor a cell stands between the two."""
    return next(node.iterancestors("table", "td", "th", "caption"), None) is table


def _loose_texts(table: Node) -> Iterator[str]:
    """Texts inside a table that stand in none of its cells."""
    for node in table.iter("table", "thead", "tbody", "tfoot", "tr"):
        if node is not table and not _is_part_of(node, table):
            continue
        yield " ".join((node.text or "").split())
        for child in node:
            yield " ".join((child.tail or "").split())
            if isinstance(child.tag, str) and child.tag not in _PARTS_OF_TABLES | _SKIPPED:
                yield " ".join("".join(child.itertext()).split())


def _data_tables(root: Node) -> frozenset[Node]:
    """Tables of data: with rows of several cells and nothing in them that only layout has."""
    within: dict[Node, Node] = {}
    layout: set[Node] = set()
    wide: set[Node] = set()
    headed: set[Node] = set()
    filled: set[Node] = set()
    nesting: set[Node] = set()
    above_it: dict[Node, Node] = {}
    for node in root.iter():
        above = node.getparent()
        table = within.get(above) if above is not None else None
        if node.tag == "table":
            if table is not None:
                nesting.add(table)
                above_it[node] = table
            if (node.get("role") or "").lower() in ("presentation", "none"):
                layout.add(node)
            table = node
        if table is None:
            continue
        within[node] = table
        if node.tag in _HEADINGS or node.tag in ("article", "section", "main", "nav"):
            layout.add(table)
        elif node.tag == "th":
            headed.add(table)
        elif node.tag == "td":
            filled.add(table)
        if node.tag in ("td", "th") and node.getprevious() is not None:
            wide.add(table)
    deep = {above_it[table] for table in nesting if table in above_it}
    found = wide - layout - deep - (nesting - (headed & filled))
    return frozenset(table for table in found if table in headed or not _has_long_cell(table))


def _has_long_cell(table: Node) -> bool:
    return any(len("".join(cell.itertext())) > LONG_CELL for cell in table.iter("td"))


def _heading_level(node: Node) -> int:
    if node.tag in _HEADINGS:
        return _HEADINGS[node.tag]
    if node.get("role") == "heading":
        return min(_whole_number(node.get("aria-level")) or 2, 9)
    return 0


def _touches_its_like(node: Node) -> bool:
    before = node.getprevious()
    return before is not None and before.tag == node.tag and not before.tail


def _is_menu(node: Node) -> bool:
    return bool(node.tag == "nav" or node.get("role") == "navigation")


def _whole_number(told: str | None) -> int | None:
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


def parse_tree(text: str) -> tuple[Node | None, bool]:
    """The tree of a page, None if it has none, and whether all of the page is in it."""
    parser = lxml_html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        # what stands behind the end of a page is shown as well
        text = _CONTROL.sub(" ", _DOCUMENT_ENDS.sub(" ", text))
        root = lxml_html.document_fromstring(text, parser=parser, ensure_head_body=False)
    except (lxml_html.etree.ParserError, lxml_html.etree.XMLSyntaxError, ValueError):
        return None, not text.strip()
    return root, not any(error.level_name == "FATAL" for error in parser.error_log)
