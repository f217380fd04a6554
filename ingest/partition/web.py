"""Web pages and Markdown: decoding, title, front matter, and what `page_reader` makes of the tree."""

import re
from functools import cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.page_reader import parse_tree, read_page
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs, read_text
from ingest.partition.titles import worthy_title

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

DECLARED_WITHIN = 4_096
MAX_MARKDOWN_COLUMNS = 200
MAX_MARKDOWN_NESTING = 300  # of what the parser counts: a list in a list counts twice
_PAGE_PARTS = ("head", "html", "body")  # a title elsewhere is that of a drawing
_META_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
_XML_HEADER = re.compile(r"^\s*<\?xml[^>]*\?>")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_UNSEEN_PARTS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BLOCK_ENDS = re.compile(
    r"</?(?:p|div|h[1-6]|li|ul|ol|tr|table|section|article|blockquote|dd|dt|pre|br|hr)\b[^<>]*>",
    re.IGNORECASE,
)
_DELIMITERS = re.compile(r" {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_BAR = re.compile(r"(?<!\\)\|")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DEEP_MARKDOWN = re.compile(r"^(?:[ \t]*>){60}|^[ \t]{120,}[-*+\d]", re.MULTILINE)


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


def read_markdown(path: Path, work: ParseContext) -> ReadResult:
    """Elements and what the front matter says; front matter is not text."""
    text = read_text(path, work)
    about: dict[str, Scalar] = {}
    front = _FRONT_MATTER.match(text)
    if front:
        told = _parse_front_matter(front.group(1))
        if told is not None:
            about, text = told, text[front.end() :]
    return parse_markdown(text, work), about


def parse_markdown(text: str, work: ParseContext) -> list[Element]:
    if _DEEP_MARKDOWN.search(text):
        work.warn("It is nested too deeply; its text was read without its structure.")
        return list(parse_paragraphs(text))
    try:
        markup = _markdown_parser().render(_widen_tables(text))
    except RecursionError:
        work.warn("It is nested too deeply; its text was read without its structure.")
        return list(parse_paragraphs(text))
    return parse_html(markup, work)[0]


def _widen_tables(text: str) -> str:
    """The text with tables as wide as their widest row, for cells beyond the header would be lost."""
    lines = text.split("\n")
    widest = 0  # of the rows below
    for number in range(len(lines) - 1, 0, -1):
        line, header = lines[number], lines[number - 1]
        if "|" not in line:
            widest = 0
            continue
        bars = _count_bars(line)
        if widest > bars == _count_bars(header) and "|" in header and _DELIMITERS.fullmatch(line):
            more = min(widest, MAX_MARKDOWN_COLUMNS) - bars
            lines[number - 1] = f"{header.rstrip().removesuffix('|')}|{' |' * more}"
            lines[number] = f"{line.rstrip().removesuffix('|')}|{'---|' * more}"
            widest = 0
        widest = max(widest, bars)
    return "\n".join(lines)


def _count_bars(row: str) -> int:
    """How many bars part the cells of a row."""
    return len(_BAR.findall(row.strip().removeprefix("|").removesuffix("|")))


@cache
def _markdown_parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": MAX_MARKDOWN_NESTING})
    return parser.enable(["table", "strikethrough"])


def _parse_front_matter(block: str) -> dict[str, Scalar] | None:
    """Its plain values; None if the block is not a mapping and so is text between two rules."""
    try:
        told = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    lists = {
        str(key): ", ".join(map(str, value))
        for key, value in told.items()
        if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value)
    }
    return lists | {
        str(key): value
        for key, value in told.items()
        if isinstance(value, str | int | float | bool)
    }


def warm_up() -> None:
    """Loads what Markdown needs, so that workers forked afterwards share it."""
    _markdown_parser()
