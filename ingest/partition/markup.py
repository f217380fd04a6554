"""XML of any kind as text: records as tables, values beside the names of their elements, mixed text
as paragraphs. Workbooks that were stored as XML become tables.
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import TypeAlias

from lxml import etree

from ingest.elements import Element
from ingest.partition import web
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.sheets.xml_workbook import xml_sheet_elements
from ingest.partition.structured import value_elements
from ingest.partition.tables import inline_table, make_table
from ingest.partition.text import parse_code, read_text

XmlNode: TypeAlias = etree._Element

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
_XML_HEADER = re.compile(r"^\s*<\?xml[^>]*\?>")
_TAGGED = re.compile(r"<(?:p|br|div|a|b|i|img|ul|li|h\d|table|span)\b[^>]*>", re.IGNORECASE)
_SHEETS = "urn:schemas-microsoft-com:office:spreadsheet"
_XHTML = "http://www.w3.org/1999/xhtml"
_ADDRESSES = ("http://", "https://", "urn:")
_PARAGRAPHS = frozenset(
    {"p", "para", "simpara", "title", "li", "listitem", "entry", "term", "text", "desc"}
)

_BLOCKS = frozenset(
    {"p", "para", "simpara", "title", "li", "listitem", "entry", "row", "td", "tr", "br", "lb"}
)


def read_xml(path: Path, work: ParseContext) -> ReadResult:
    data = path.read_bytes()
    told = _ENCODING.search(data[:500])
    text = _XML_HEADER.sub(
        "", read_text(path, work, told.group(1).decode("ascii") if told else None)
    )
    root = _parse(text.lstrip())
    if root is None:
        work.warn("It is no sound XML; it was read as text.")
        return list(parse_code(text)), {}
    if root.tag == f"{{{_XHTML}}}html":
        return web.parse_html(text, work)
    if root.tag == f"{{{_SHEETS}}}Workbook":
        return list(xml_sheet_elements(root, work)), {}
    if root.tag.endswith("}wordDocument") or root.tag.endswith("}package"):
        return list(_read_word(root)), {}
    return list(_read_tree(root, work)), {}


def _parse(text: str) -> XmlNode | None:
    """The tree; None if the text is no sound XML. Nothing outside the file is read."""
    for huge, entities in ((False, "internal"), (True, False)):
        parser = etree.XMLParser(
            resolve_entities=entities,
            no_network=True,
            huge_tree=huge,
            load_dtd=False,
            remove_pis=True,
        )
        try:
            return etree.fromstring(text.encode("utf-8"), parser)
        except (etree.XMLSyntaxError, ValueError):
            continue
    return None


def _read_tree(root: XmlNode, work: ParseContext) -> Iterator[Element]:
    """Elements with mixed text are paragraphs; the others become values with their names."""
    if not _has_mixed_text(root):
        yield from value_elements({_name(root.tag): _value_of(root, work)}, work)
        yield from _comments(root)
        return
    yield from _mixed_elements(root)


def _mixed_elements(root: XmlNode) -> Iterator[Element]:
    """What attributes say as lines, and the paragraphs."""
    waiting: list[XmlNode] = [root]
    while waiting:
        node = waiting.pop()
        if not isinstance(node.tag, str):
            if not isinstance(node, etree._Entity) and (node.text or "").strip():
                yield Element(kind="text", text=f"# {node.text.strip()}")
            continue
        if told := [
            f"{_name(key)}: {value}" for key, value in node.attrib.items() if _is_words(key, value)
        ]:
            yield Element(kind="text", text="\n".join(told))
        if _is_paragraph(node):
            if text := " ".join("".join(_texts(node)).split()):
                yield _heading_or_text(node, text)
            continue
        waiting += reversed(node)


def _heading_or_text(node: XmlNode, text: str) -> Element:
    if _name(node.tag).lower() in ("title", "head", "heading") and len(text) < 200:
        depth = sum(1 for _ in node.iterancestors())
        return Element(kind="heading", text=text, level=max(1, min(depth, 9)))
    name = _name(node.tag)
    short = len(node) == 0 and name.lower() not in _PARAGRAPHS and len(text) < 100
    return Element(kind="text", text=f"{name}: {text}" if short else text)


def _texts(node: XmlNode) -> Iterator[str]:
    """All text inside an element in its order, with that of entities that nobody resolved as it is
    written; blocks inside it are words apart.
    """
    waiting: list[XmlNode | str] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
            continue
        is_element = isinstance(item.tag, str)
        if is_element or isinstance(item, etree._Entity):
            yield item.text or ""
        for child in reversed(item) if is_element else ():
            is_block = isinstance(child.tag, str) and _name(child.tag).lower() in _BLOCKS
            apart = " " if is_block else ""
            waiting += [apart + (child.tail or ""), child, apart]


def _is_paragraph(node: XmlNode) -> bool:
    """Whether its text and that of the elements inside it belong together."""
    return (
        bool((node.text or "").strip())
        or any((child.tail or "").strip() for child in node)
        or not len(node)
    )


def _has_mixed_text(root: XmlNode) -> bool:
    return any(
        len(node) and _is_paragraph(node) for node in root.iter() if isinstance(node.tag, str)
    )


def _value_of(root: XmlNode, work: ParseContext) -> object:
    """A tree without mixed text as values: repeated elements are lists."""
    made: dict[XmlNode, dict[str, object]] = {}
    for node in root.iter(etree.Element):
        made[node] = {
            f"{_name(key)}": value for key, value in node.attrib.items() if _is_words(key, value)
        }
    for node in reversed(list(root.iter(etree.Element))):
        own: dict[str, object] = {}
        for child in node.iterchildren(etree.Element):
            name, value = (
                _name(child.tag),
                made[child] if len(child) or made[child] else _text_of(child, work),
            )
            if len(child) == 0 and made[child] and (text := _text_of(child, work)):
                value = {**made[child], "text": text}
            if name not in own:
                own[name] = value
            elif isinstance(own[name], _Repeated):
                own[name].append(value)  # type: ignore[attr-defined]
            else:
                own[name] = _Repeated([own[name], value])
        made[node] = (
            {**made[node], **own}
            if not set(made[node]) & set(own)
            else {**{f"@{k}": v for k, v in made[node].items()}, **own}
        )
    return made[root] or _text_of(root, work)


class _Repeated(list[object]):
    """Elements of one name below one other."""


def _text_of(node: XmlNode, work: ParseContext) -> str:
    text = "".join(_texts(node)).strip()
    if _TAGGED.search(text):  # a page inside a text, as feeds have it
        found = web.parse_html(text, work)[0]
        return "\n".join(element.text for element in found)
    return unescape(text) if "&" in text else text


def _comments(root: XmlNode) -> Iterator[Element]:
    for node in root.iter(etree.Comment):
        if (node.text or "").strip():
            yield Element(kind="text", text=f"# {node.text.strip()}")


def _is_words(key: str, value: str) -> bool:
    """Whether an attribute is for people: no address of a schema, no name of a space."""
    return (
        bool(value.strip()) and not value.startswith(_ADDRESSES[2]) and "schemaLocation" not in key
    )


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


# --- Office files stored as XML -------------------------------------------------------------------


def _read_word(root: XmlNode) -> Iterator[Element]:
    """The paragraphs and tables of a Word file stored as XML."""
    blocks = [
        block
        for block in root.iter("{*}p", "{*}tbl")
        if next(block.iterancestors("{*}tbl"), None) is None
    ]
    for block in blocks:
        if _name(block.tag) == "tbl":
            for inner in reversed(list(block.iter("{*}tbl"))):  # a table in a cell is text of it
                found = _word_table(inner)
                if inner is not block:
                    inner.clear(keep_tail=True)
                    inner_text = inline_table(found.table) if found and found.table else ""
                    etree.SubElement(inner, "t").text = inner_text
            if found is not None:
                yield found
        elif text := _word_text(block):
            yield Element(kind="text", text=text)


def _word_table(node: XmlNode) -> Element | None:
    """None if it has no text."""
    rows = [[_word_text(cell) for cell in row.iter("{*}tc")] for row in node.iter("{*}tr")]
    return make_table(rows) if any(map(any, rows)) else None


def _word_text(node: XmlNode) -> str:
    parts: Mapping[str, str] = {"tab": "\t", "br": "\n", "noBreakHyphen": "-"}
    return "".join(
        (each.text or "") if _name(each.tag) == "t" else parts.get(_name(each.tag), "")
        for each in node.iter(etree.Element)
    ).strip()
