"""HTML, Markdown and EPUB: our own decoding, front matter and parts around unstructured's reading
of the markup.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import yaml
from lxml import etree
from lxml import html as lxml_html

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition import office
from ingest.partition.context import ParseContext
from ingest.partition.recover import merge_readings
from ingest.partition.text import decode

DECLARED_WITHIN = 4_096
MAX_PARTS = 3_000
_META_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
_XML_HEADER = re.compile(r"^\s*<\?xml[^>]*\?>")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TEXT_TAGS = (
    "p", "li", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "figcaption", "summary", "pre", "td", "th",
    "caption", "div", "section", "article", "aside", "main", "header", "footer", "nav", "address", "legend",
)  # fmt: skip
_MENUS = "//nav | //*[@role='navigation']"
_NO_TEXT = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "math",
        "select",
        "textarea",
        "head",
        "iframe",
    }
)
_SPACE = re.compile(r"\s+")
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_ALIASES = {
    "x-sjis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
}


def read_html(path: Path, work: ParseContext) -> tuple[list[Element], dict[str, Scalar]]:
    return parse_html_bytes(path.read_bytes(), work)


def parse_html_bytes(
    data: bytes, work: ParseContext, declared: str | None = None
) -> tuple[list[Element], dict[str, Scalar]]:
    """Elements and the page's title.

    `declared` is an encoding named outside the page, which the page may override.
    """
    inside = _META_CHARSET.search(data[:DECLARED_WITHIN]) or _XML_ENCODING.search(
        data[:DECLARED_WITHIN]
    )
    name = inside.group(1).decode("ascii").lower() if inside else declared
    text, _ = decode(data, work.options.encodings, _ALIASES.get(name, name) if name else None)
    return parse_html(text)


def parse_html(text: str) -> tuple[list[Element], dict[str, Scalar]]:
    text = _XML_HEADER.sub("", text)
    named = _TITLE.search(text)
    title = _plain_text(named.group(1)) if named else ""
    content, menus = _read_text_blocks(text)
    found = merge_readings(office.partition_html(text), content)
    return found + merge_readings([], [menu for menu in menus if menu not in found]), {
        "title": title
    } if title else {}


def _read_text_blocks(text: str) -> tuple[list[Element], list[Element]]:
    """All running text by our own reading, and apart from it that of menus, which belong after the
    content.

    unstructured passes over captions, asides and deep nesting.
    """
    try:
        root = lxml_html.fromstring(
            text, parser=lxml_html.HTMLParser(huge_tree=True, remove_comments=True)
        )
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return [], []
    content: list[Element] = []
    menus: list[Element] = []
    within = {node for menu in root.xpath(_MENUS) for node in menu.iter()}
    for node in root.iter(*_TEXT_TAGS):
        own = _SPACE.sub(" ", "".join(_own_text(node))).strip()
        if len(own) > 1:
            element = Element(kind="list" if node.tag == "li" else "text", text=own)
            (menus if node in within else content).append(element)
    return content, menus


def _own_text(node: lxml_html.HtmlElement) -> Iterator[str]:
    """The text of a block without that of the blocks inside it.

    Walks with a stack: nesting may be deep.
    """
    if node.text:
        yield node.text
    waiting = list(reversed(node))
    while waiting:
        child = waiting.pop()
        if isinstance(child, str):
            yield child
            continue
        if child.tail:
            waiting.append(child.tail)
        if child.tag in _TEXT_TAGS or child.tag in _NO_TEXT or not isinstance(child.tag, str):
            yield " "
            continue
        waiting += reversed(child)
        if child.text:
            yield child.text


def _plain_text(markup: str) -> str:
    try:
        text = lxml_html.fromstring(f"<p>{markup}</p>").text_content()
    except (etree.ParserError, etree.XMLSyntaxError):
        text = markup
    return _SPACE.sub(" ", text).strip()


def read_markdown(path: Path, work: ParseContext) -> tuple[list[Element], dict[str, Scalar]]:
    """Elements and what the front matter says; front matter is not text."""
    text, _ = decode(path.read_bytes(), work.options.encodings)
    about: dict[str, Scalar] = {}
    front = _FRONT_MATTER.match(text)
    if front:
        told = _parse_front_matter(front.group(1))
        if told is not None:
            about, text = told, text[front.end() :]
    return office.partition_markdown(text), about


def _parse_front_matter(block: str) -> dict[str, Scalar] | None:
    """Its plain values; None if the block is not a mapping and so is text between two rules."""
    try:
        told = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    return {
        str(key): value
        for key, value in told.items()
        if isinstance(value, str | int | float | bool)
    }


def read_epub(path: Path, work: ParseContext) -> tuple[list[Element], dict[str, Scalar]]:
    """A book's parts in reading order, each a page.

    Raises SourceRefused for protected books, SourceBroken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_protected(archive)
            package = _package_name(archive)
            elements: list[Element] = []
            for number, name in enumerate(_part_names(archive, package), start=1):
                found, about = parse_html_bytes(archive.read(name), work)
                elements += [
                    _place_on_page(element, number, about.get("title")) for element in found
                ]
            return elements, _read_about(archive, package)
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError, EOFError, ValueError) as error:
        raise SourceBroken(f"Its parts cannot be read ({error}).") from error


def _place_on_page(element: Element, number: int, name: Scalar | None) -> Element:
    return replace(element, page=number, page_name=str(name) if name else None)


def _refuse_protected(archive: zipfile.ZipFile) -> None:
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    tree = _parse_part(archive, "META-INF/encryption.xml")
    algorithms = [node.get("Algorithm", "") for node in tree.iter("{*}EncryptionMethod")]
    if any(algorithm not in _FONT_ALGORITHMS for algorithm in algorithms):
        raise SourceRefused(
            "It is encrypted (digital rights management).",
            remedy="Store a copy without protection.",
        )


def _parse_part(archive: zipfile.ZipFile, name: str) -> etree._Element:
    return etree.fromstring(
        archive.read(name), etree.XMLParser(resolve_entities=False, no_network=True)
    )


def _package_name(archive: zipfile.ZipFile) -> str:
    for node in _parse_part(archive, "META-INF/container.xml").iter("{*}rootfile"):
        return str(node.get("full-path", ""))
    raise KeyError("no package file")


def _part_names(archive: zipfile.ZipFile, package: str) -> list[str]:
    tree, base = _parse_part(archive, package), posixpath.dirname(package)
    files = {
        node.get("id"): posixpath.normpath(posixpath.join(base, unquote(node.get("href", ""))))
        for node in tree.iter("{*}item")
        if "html" in node.get("media-type", "")
    }
    order = [
        files[node.get("idref")] for node in tree.iter("{*}itemref") if node.get("idref") in files
    ]
    there = set(archive.namelist())
    return [name for name in order or list(files.values()) if name in there][:MAX_PARTS]


def _read_about(archive: zipfile.ZipFile, package: str) -> dict[str, Scalar]:
    tree = _parse_part(archive, package)
    wanted = {"title": "title", "creator": "author"}
    about: dict[str, Scalar] = {}
    for tag, name in wanted.items():
        for node in tree.iter(f"{{http://purl.org/dc/elements/1.1/}}{tag}"):
            if node.text and name not in about:
                about[name] = node.text.strip()
    return about
