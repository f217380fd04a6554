"""Home of unstructured: markup that pandoc knows, to our elements.

unstructured is imported on first use, in a worker only: the import costs seconds, and reads its
settings from the environment. What it does for such a format is done here in its two steps, for
between them the page is prepared: it would drop the sense of raised letters, check boxes, captions
of pictures, numbers of lists and merged cells.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from lxml import etree

from indexes.text.scripts import HAN, KANA
from ingest.elements import Element, ElementKind, Table
from ingest.partition import tables
from ingest.partition.guards import failure_as_damage
from ingest.partition.notation import lowered, raised
from ingest.partition.web.trees import Node, parse_tree, written_number

QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What must be in the environment before unstructured is imported: no telemetry, no advertisement,
no downloads.
"""

LONG_LINE = 8_000  # characters by which a paragraph's nature is judged
_KINDS: dict[str, ElementKind] = {
    "Title": "heading",
    "Table": "table",
    "ListItem": "list",
    "CodeSnippet": "code",
}
_INLINE = (
    "a", "b", "cite", "code", "del", "em", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small",
    "span", "strong", "sub", "sup", "u", "var",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+|\d+")
_EAST_ASIAN = re.compile(f"[{HAN}{KANA}]")
_UNSEEN = ("script", "style", "template", "colgroup")


def partition_markup(path: Path, markup: str) -> tuple[list[Element], str]:
    """The elements of a UTF-8 file in a markup that pandoc reads, and all text that pandoc found.

    markup: pandoc's name of it. Raises SourceBroken.
    """
    with failure_as_damage():  # its kinds of failure are without number
        page, partition = _page_of(path, markup), _partitioner()
        root, whole = parse_tree(f"<div>{page}</div>")
        if root is None or not whole:
            raise ValueError("nothing of it, or it is nested too deeply")
        prepare_page(root)
        prepared = etree.tostring(root, encoding="unicode", method="html")
        found = partition(text=prepared, languages=["eng"], content_type="text/html")
        text = "\n".join(root.itertext())
        return [element for each in found for element in _convert_element(each)], text


def words_of(text: str) -> set[str]:
    """Distinct words and numbers, case ignored; Chinese and Japanese character by character."""
    found: set[str] = set()
    for word in _WORD.findall(text):
        found.update(word if _EAST_ASIAN.search(word) else [word.casefold()])
    return found


def warm_up() -> None:
    """Imports what every document of these formats needs, so that workers forked afterwards share
    it.
    """
    _partitioner()


def _page_of(path: Path, markup: str) -> str:
    """The file as a web page, by pandoc, which reads nothing but this file."""
    _partitioner()
    from unstructured.file_utils.file_conversion import convert_file_to_html_text_using_pandoc

    return str(convert_file_to_html_text_using_pandoc(markup, filename=str(path)))


@cache
def _partitioner() -> Callable[..., list[Any]]:
    os.environ.update(QUIET)
    _leave_out_spacy()
    from unstructured.partition.html import partition_html

    partition: Callable[..., list[Any]] = partition_html
    return partition


def _leave_out_spacy() -> None:
    """unstructured asks spaCy about every paragraph, to tell narrative text from other text.

    Nothing here needs to know. It is most of the time of a parse, spaCy takes gigabytes for a long
    line, so a file could exhaust a worker, and its model would be downloaded if it were asked for.
    So an empty module stands in while it is imported: spaCy and what it brings, PyTorch too, are
    three of four seconds and 200 MB of every parsing process.
    """
    spacy = sys.modules.get("spacy")
    sys.modules["spacy"] = ModuleType("spacy")
    try:
        from unstructured.nlp import tokenize
        from unstructured.partition import text_type
    finally:
        del sys.modules["spacy"]
        if spacy is not None:
            sys.modules["spacy"] = spacy
    tokenize._load_spacy_model = _refuse_model
    text_type.sent_tokenize = lambda text: [text]
    text_type.word_tokenize = lambda text: text[:LONG_LINE].split()
    text_type.pos_tag = lambda text: []


def _refuse_model() -> NoReturn:
    raise RuntimeError("No language model is used.")


def _write_plainly(node: Node) -> None:
    if node.tag in ("sup", "sub"):
        _write_shifted(node)
    elif node.tag == "input":
        _put_text(node, "[x] " if node.get("checked") is not None else "[ ] ")
    elif node.tag in ("figure", "figcaption"):
        node.tag = "div"
    elif node.tag == "img":
        _write_alternative(node)
    elif node.get("role") == "doc-backlink":
        node.drop_tree()


def prepare_page(root: Node) -> None:
    """Writes as plain text what the partitioner would drop or tear."""
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    for node in list(root.iter("sup", "sub", "a", "input", "img", "figure", "figcaption")):
        _write_plainly(node)
    etree.strip_tags(root, *_INLINE)
    for order in root.iter("ol"):
        _write_numbers(order)
    for node in list(root.iter("table")):
        if next(node.iterancestors("table"), None) is None and (table := tables.table_of(node)):
            _replace(node, _draw_table(table))


def _write_shifted(node: Node) -> None:
    text, parent = "".join(node.itertext()), node.getparent()
    is_link = parent.tag == "a"
    before = _text_before(node) or (_text_before(parent) if is_link else "")
    is_low = node.tag == "sub"
    _put_text(node, lowered(before, text) if is_low else raised(before, text, is_link))


def _text_before(node: Node) -> str:
    """The end of what stands in front of a node, in the same block."""
    previous = node.getprevious()
    if previous is None:
        return node.getparent().text or ""
    return previous.tail or "".join(previous.itertext())


def _write_alternative(picture: Node) -> None:
    alt = picture.get("alt") or ""
    caption = picture.getnext()
    is_said = caption is not None and alt in " ".join("".join(caption.itertext()).split())
    _put_text(picture, "" if is_said else f" {alt} ")


def _put_text(node: Node, text: str) -> None:
    """The text in place of the node."""
    for child in list(node):
        node.remove(child)
    node.attrib.clear()
    node.tag, node.text = "span", text


def _write_numbers(order: Node) -> None:
    """The number of each item of a list in front of its text."""
    start = order.get("start") or ""
    first = int(start) if start.isdecimal() and len(start) < 8 else 1
    for place, item in enumerate(order.iterchildren("li"), start=first):
        number = f"{written_number(place, order.get('type') or '1')}. "
        is_bare = not (item.text or "").strip() and len(item) and item[0].tag == "p"
        holder = item[0] if is_bare else item
        holder.text = number + (holder.text or "").lstrip()


def _draw_table(table: Table) -> Node:
    """The table with a cell of its own in every place."""
    drawn = etree.Element("table")
    if table.caption:
        etree.SubElement(drawn, "caption").text = table.caption
    for part, name, rows in (
        ("thead", "th", table.rows[: table.header_rows]),
        ("tbody", "td", table.rows[table.header_rows :]),
    ):
        body = etree.SubElement(drawn, part) if rows else drawn
        for row in rows:
            line = etree.SubElement(body, "tr")
            for cell in row:
                etree.SubElement(line, name).text = cell
    return drawn


def _replace(old: Node, new: Node) -> None:
    new.tail = old.tail
    old.getparent().replace(old, new)


def _convert_element(found: Any) -> Iterator[Element]:
    name, meta = type(found).__name__, found.metadata
    text = (found.text or "").strip().replace("\0", "")
    if not text:
        return
    kind = _KINDS.get(name, "text")
    table = tables.parse_table(meta.text_as_html) if kind == "table" and meta.text_as_html else None
    if table is not None:
        yield tables.element_of(table)
    elif kind == "heading":
        level = (meta.category_depth or 0) + 1
        yield Element(kind=kind, text=" ".join(text.split()), level=level)
    else:
        yield Element(kind=kind, text=text)
