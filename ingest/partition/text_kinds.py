"""What a text file is by its first lines, if its name does not tell it or tells what it is not."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from indexes.formats import FORMATS, Format
from ingest.partition.encodings import wide_encoding
from ingest.partition.text_tables import is_small_table

LINES = 20  # that are compared
_MARKUP = re.compile(
    r"(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|div|p|h[1-6]|center|font|meta|style"
    r"|title|span|ul|ol|br|b|i|a|form|article|section|main)\b",
    re.IGNORECASE | re.DOTALL,
)
_WEB_PAGE = re.compile(
    r"(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_XML = re.compile(r"<\?xml\b|<(?:rss|feed|svg|kml|gpx|opml|Workbook)\b")
_BEGINNINGS: Sequence[tuple[re.Pattern[str], str | None]] = (
    (re.compile("BEGIN:VCALENDAR"), "ics"),
    (re.compile("BEGIN:VCARD"), "vcf"),
    (re.compile(r"\{\\rtf"), None),
    (re.compile("#!"), "code"),
    (_WEB_PAGE, "html"),
    (_XML, "xml"),
    (_MARKUP, "html"),
)
_HEADER = re.compile(r"[!-9;-~]+:(?:\s|$)")
_MAIL_HEADER = re.compile(
    r"^(?:from|date|subject|to|received|return-path|message-id|mime-version|delivered-to):",
    re.IGNORECASE,
)
_MAILBOX = re.compile(r"From \S.*\d{4}\s*\n[!-9;-~]+: ")


def judge_text(path: Path, named: Format | None, head: bytes, told: Format | None) -> Format:
    """The format of a text.

    named: the text format that its name tells, None if it tells none. told: whatever its name
    tells, also if it cannot be text.
    """
    start = _start_of(head)
    seen = _judge_start(start, path)
    if named is None:
        if seen is None and told is not None and told.page_kind == "sheet":
            return FORMATS[_judge_rows(start, least=1) or "csv"]
        return FORMATS[seen or _judge_rows(start, least=3) or "txt"]
    if seen == "ipynb" and named.name == "json":
        return FORMATS["ipynb"]
    if seen not in _OTHERWISE.get(named.name, ()):
        return named
    is_fragment = seen == "html" and not _WEB_PAGE.match(start)
    return named if is_fragment and named.name not in ("csv", "tsv") else FORMATS[seen]


_OTHERWISE = {
    "csv": ("html",),
    "tsv": ("html",),
    "eml": ("html", "mbox"),
    "mht": ("html",),
    "xml": ("html",),
    "json": ("html",),
    "jsonl": ("html",),
    "ics": ("html", "vcf"),
    "vcf": ("html", "ics"),
    "html": ("mht", "eml"),
}
"""Names of text formats and what their content may turn out to be: where the reader of the name
would lose something."""


def _start_of(head: bytes) -> str:
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = "utf-16" if marked else wide_encoding(head) or "utf-8"
    return (
        head.decode(encoding, "replace")
        .lstrip("\ufeff \t\r\n")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )


def _judge_start(start: str, path: Path) -> str | None:
    """What it surely is; None if it may be anything."""
    for begins, kind in _BEGINNINGS:
        if begins.match(start):
            return kind
    return _judge_json(start, path) if start[:1] in ("{", "[") else _judge_mail(start)


def _judge_json(start: str, path: Path) -> str | None:
    first, _, rest = start.partition("\n")
    try:
        json.loads(first)
        if rest.lstrip()[:1] in ("{", "["):
            return "jsonl"
    except (ValueError, RecursionError):
        pass
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        end = file.read().rstrip(b" \t\r\n\0")
    if not end.endswith((b"}", b"]")) or not re.match(
        r'[{\[]\s*(?:["{\[\]}\d-]|true|false|null)', start
    ):
        return None
    return "ipynb" if '"nbformat"' in start or '"cell_type"' in start else "json"


def _judge_mail(start: str) -> str | None:
    if _MAILBOX.match(start):
        return "mbox"
    block = start.split("\n\n", 1)[0].split("\n")
    if not all(_HEADER.match(line) or line[:1] in (" ", "\t") for line in block):
        return None
    known = {line.split(":", 1)[0].lower() for line in block if _MAIL_HEADER.match(line)}
    if "\n\n" not in start or len(known) < 2:
        return None
    is_page = any(
        line.lower().startswith("content-type: multipart/related") for line in block
    ) and not known & {"to", "received"}
    return "mht" if is_page else "eml"


def _judge_rows(start: str, least: int) -> str | None:
    """`tsv` or `csv` if every line has the same number of cells, and there are several of both or
    names above figures.
    """
    lines = [line for line in start.split("\n")[:LINES] if line.strip()]
    lines = lines[:-1] if len(lines) > least and len(lines) == LINES else lines
    for sign, name in (("\t", "tsv"), (";", "csv"), (",", "csv")):
        if is_small_table(lines, sign):
            return name
    if len(lines) < least:
        return None
    for sign, name, cells in (("\t", "tsv", 1), (";", "csv", 2), (",", "csv", 2)):
        counts = {line.count(sign) for line in lines}
        if len(counts) == 1 and counts.pop() >= (1 if least == 1 else cells):
            return name
    return None
