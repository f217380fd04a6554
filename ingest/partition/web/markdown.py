"""Markdown by way of a web page, and the front matter above it."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs, read_text
from ingest.partition.web.pages import parse_html

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


MAX_MARKDOWN_COLUMNS = 200
MAX_MARKDOWN_NESTING = 300  # of what the parser counts: a list in a list counts twice
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_DELIMITERS = re.compile(r" {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_BAR = re.compile(r"(?<!\\)\|")
_DEEP_MARKDOWN = re.compile(r"^(?:[ \t]*>){60}|^[ \t]{120,}[-*+\d]", re.MULTILINE)


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
