"""reStructuredText and Org: decoding, comments, what stands at the head, and the general partitioner
for the rest. A text that it cannot read, or reads with gaps, is read as the plain text that it is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.general import partition_markup, words_of
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs, read_text

MAX_CHARS = 2_000_000  # pandoc reads some 80,000 a second; longer texts are read plainly
MAX_TOLD = 1_000  # characters of one thing that the head says
MIN_SHARE = 0.9  # of the distinct words of a text, which its elements must have

_DIRECTIVE = re.compile(r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([\w:.+-]+)::(.*)$", re.MULTILINE)
_NO_TEXT = frozenset({
    "autoclass", "autofunction", "automodule", "class", "code", "code-block", "currentmodule", "default-domain",
    "default-role", "figure", "highlight", "ifconfig", "image", "include", "index", "literalinclude", "module", "only",
    "py:module", "raw", "role", "rst-class", "sourcecode", "toctree", "unicode",
})  # fmt: skip
"""Directives whose arguments are no text that a reader sees."""
_RST_SIGNS = re.compile(
    r"^[ \t]*\.\.[ \t]+_[^:\n]*:.*$|^[ \t]+:(?!alt|header:|caption)[\w -]+:.*$|^:[\w -]+:(?=\s|$)"
    r"|:[\w:.+-]{1,60}:(?=`)|<[^<>\n]*>`_|\|[^|\n]+\|",
    re.MULTILINE,
)
_RST_INCLUDED = re.compile(r"^[ \t]*\.\.[ \t]+(?:literal)?include::", re.MULTILINE)
_RST_COMMENT = re.compile(r"^[ \t]*\.\.(?:[ \t]+(?!\[|_|\||[\w:.+-]+::)(.*))?$")

_KEYWORD = re.compile(r"^[ \t]*#\+(\w+):(.*)$", re.MULTILINE)
_ORG_SIGNS = re.compile(
    r"^[ \t]*#\+\w+.*$|^[ \t]*:PROPERTIES:\n(?:.*\n){0,100}?[ \t]*:END:|^[ \t]*:\w+:[ \t]*$"
    r"|\[\[[^\][\n]*\]\[|\[\[[^\][\n]*\]\]|\[fn:[\w-]*|^[ \t]*\[@?\w+\]",
    re.MULTILINE | re.IGNORECASE,
)
_ORG_INCLUDED = re.compile(r"^[ \t]*#\+INCLUDE:", re.MULTILINE | re.IGNORECASE)
_ORG_COMMENT = re.compile(r"^[ \t]*#(?:[ \t](.*))?$")
_ORG_HEADLINE = re.compile(r"^(\*+)[ \t]+(?:(?!COMMENT)[A-Z]+[ \t]+)?(COMMENT\b)?")
_ORG_BLOCK = re.compile(r"^[ \t]*#\+(begin|end)_(\w+)", re.IGNORECASE)
_ORG_OPTIONS = "#+OPTIONS: arch:t d:t\n\n"  # archived trees and drawers are text like any other
_TOLD = {"TITLE": "title", "SUBTITLE": "subtitle", "AUTHOR": "author", "DATE": "date",
         "DESCRIPTION": "description", "KEYWORDS": "keywords"}  # fmt: skip


def read_rst(path: Path, work: ParseContext) -> ReadResult:
    """reStructuredText as headings, paragraphs, lists, code and tables."""
    text = read_text(path, work)
    _count_included(_RST_INCLUDED, text, work)
    shown, comments = _part_rst_comments(text.split("\n"))
    expected = _RST_SIGNS.sub(" ", _DIRECTIVE.sub(_argument_of, shown))
    elements = _read_markup(text, "rst", expected, work)
    return [*elements, *_read_comments(comments, elements, work)], {}


def read_org(path: Path, work: ParseContext) -> ReadResult:
    """Org text as headings, paragraphs, lists, code and tables, and what its head says."""
    text = read_text(path, work)
    _count_included(_ORG_INCLUDED, text, work)
    shown, comments = _part_org_comments(text.split("\n"))
    about = _read_keywords(text)
    expected = _ORG_SIGNS.sub(" ", shown)
    elements = list(_put_head(about, _read_markup(text, "org", expected, work)))
    return [*elements, *_read_comments(comments, elements, work)], about


def _argument_of(directive: re.Match[str]) -> str:
    return " " if directive.group(1) in _NO_TEXT else f" {directive.group(2)} "


def _count_included(sign: re.Pattern[str], text: str, work: ParseContext) -> None:
    work.lose("part", len(sign.findall(text)), "included files", "they are files of their own")


def _read_markup(text: str, markup: str, expected: str, work: ParseContext) -> list[Element]:
    """Its elements by the general partitioner, or its paragraphs, with a warning.

    expected: the text without the words that are signs of the markup.
    """
    if len(text) > MAX_CHARS:
        work.warn("It is too long to be read with its structure; it was read as plain text.")
        return list(parse_paragraphs(text))
    try:
        elements, page = _partition(text, markup, work)
    except SourceBroken:
        work.warn("Its structure cannot be read; it was read as plain text.")
        return list(parse_paragraphs(text))
    arrived = words_of("\n".join(element.text for element in elements))
    wanted = words_of(expected)
    if len(wanted & arrived) < MIN_SHARE * len(wanted):
        work.warn("With its structure too few of its words were read; it was read as plain text.")
        return list(parse_paragraphs(text))
    left_out = words_of(page) - arrived
    work.lose("part", len(left_out), "words", "passed over by the general partitioner")
    return elements


def _partition(text: str, markup: str, work: ParseContext) -> tuple[list[Element], str]:
    """What the general partitioner makes of it. Raises SourceBroken."""
    place = work.scratch / f"markup-{work.depth}.{markup}"
    place.write_text((_ORG_OPTIONS if markup == "org" else "") + text, encoding="utf-8")
    try:
        return partition_markup(place, markup)
    finally:
        place.unlink()


def _read_comments(
    comments: Sequence[str], elements: Sequence[Element], work: ParseContext
) -> Iterator[Element]:
    """Comments as hidden text; what looks like one inside code stands in the elements already."""
    arrived = {line.strip() for element in elements for line in element.text.split("\n")}
    for comment in comments:
        if comment.split("\n", 1)[0].strip() in arrived:
            continue
        if (shown := work.hide(comment, "in comments")) is not None:
            yield Element(kind="text", text=shown)


def _part_rst_comments(lines: Sequence[str]) -> tuple[str, list[str]]:
    """(the text without comments, the comments)"""
    shown: list[str] = []
    comments: list[list[str]] = []
    margin = -1  # of the comment that goes on
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if margin >= 0 and (not line.strip() or indent > margin):
            comments[-1].append(line.strip())
            continue
        margin = -1
        if begun := _RST_COMMENT.match(line):
            margin = indent
            comments.append([begun.group(1) or ""])
        else:
            shown.append(line)
    return "\n".join(shown), ["\n".join(comment).strip() for comment in comments]


def _part_org_comments(lines: Sequence[str]) -> tuple[str, list[str]]:
    """(the text without comments, the comments: lines, blocks and trees)"""
    shown: list[str] = []
    comments: list[list[str]] = [[]]
    block, level = "", 0  # the block that is open; the level of the tree that is a comment
    for line in lines:
        if edge := _ORG_BLOCK.match(line):
            block = edge.group(2).lower() if edge.group(1).lower() == "begin" else ""
        headline = None if block else _ORG_HEADLINE.match(line)
        if headline and (not level or len(headline.group(1)) <= level):
            level = len(headline.group(1)) if headline.group(2) else 0
        told = None if block else _ORG_COMMENT.match(line)
        if level or (block == "comment" and not edge):
            comments[-1].append(line)
        elif told:
            comments[-1].append(told.group(1) or "")
        else:
            shown.append(line)
            comments += [[]] if comments[-1] else []
    return "\n".join(shown), ["\n".join(comment).strip() for comment in comments]


def _read_keywords(text: str) -> dict[str, Scalar]:
    """What the head of an Org text says of it."""
    about: dict[str, Scalar] = {}
    for name, value in _KEYWORD.findall(text):
        key = _TOLD.get(name.upper())
        before = str(about.get(key, "")) if key else ""
        if key and value.strip() and len(before) < MAX_TOLD:
            about[key] = f"{before} {value.strip()}".strip()
    return about


def _put_head(about: dict[str, Scalar], elements: Sequence[Element]) -> Iterator[Element]:
    """The title and what stands below it in print, then the elements below the title."""
    if "title" in about:
        yield Element(kind="heading", text=str(about["title"]), level=1)
    for key in ("subtitle", "author", "date"):
        if key in about:
            yield Element(kind="text", text=f"{key.capitalize()}: {about[key]}")
    for element in elements:
        lower = element.kind == "heading" and "title" in about
        yield replace(element, level=min(element.level + 1, 9)) if lower else element
