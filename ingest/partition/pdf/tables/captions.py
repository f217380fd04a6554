"""Lines above a table that belong to it: its name, its unit, its period."""

import re
from collections.abc import Collection, Sequence

from ingest.partition.pdf.flow import Item, Line
from ingest.partition.pdf.paragraphs import HeadingSizes
from ingest.partition.pdf.tables.grid import FoundTable

MAX_LINES = 4
MAX_CHARS = 160
MAX_STEP = 3.0  # of a letter's size, from one baseline to the next or to the table
_NAMED = re.compile(
    r"^(?:(?:[Tt]able|TABLE|[Tt]ab\.|[Ss]chedule|SCHEDULE|[Ee]xhibit|EXHIBIT|Tabelle|Tableau|Tabla|Tabela|Tabella)\s*"
    r"(?:\d|[IVX]+\b|[A-Z]{1,3}\.?\d|[A-Z]\b)|附?表\s*[\d一二三四五六七八九十])"
)
_LISTED = re.compile(r"^(?:[•●○▪■◦‣∙·*–—-]|\(?\w{1,2}[.)])\s")
_UNIT = re.compile(
    r"^[(\[]?\s*(?:all\s)?(?:amounts|figures|dollars|data|unit|in|expressed|values|€|\$|£|¥|usd|eur|gbp|chf|"
    r"millions?|thousands?|billions?|per ?cent|%|angaben|beträge|en millions?|单位|單位|金额|百万|千)"
    r".*|^[(\[].*(?:thousand|million|billion|percent|per cent|%|€|\$|£|unaudited|audited).*[)\]]$",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"^(?:\(?(?:as (?:of|at)|at|for|during|from|(?:the )?(?:fiscal )?years?|(?:three|six|nine|twelve) "
    r"months|quarter|zum|per|au|al)\b).*(?:\b(?:19|20)\d\d\b|\b(?:january|february|march|april|may|june|july|"
    r"august|september|october|november|december|januar|märz|juni|juli|oktober|dezember)\b).*$",
    re.IGNORECASE,
)


def take_captions(
    items: Sequence[Item], sizes: HeadingSizes, left_out: Collection[int] = ()
) -> list[Item]:
    """The items, lines that belong to the table below them put into it.

    left_out: ids of lines that belong to no table, wherever they stand.
    """
    done: list[Item] = []
    for item in items:
        if not isinstance(item, FoundTable):
            done.append(item)
            continue
        above = _lines_above(done, item, sizes, left_out)
        caption, notes = _sort(above)
        taken = len(above) if caption or notes else 0
        for _ in range(taken):
            done.pop()
        done.append(item.with_caption(" ".join(caption), tuple(notes)))
    return done


def _lines_above(
    done: Sequence[Item], table: FoundTable, sizes: HeadingSizes, left_out: Collection[int]
) -> list[Line]:
    """Lines right above a table that may be its own, from top to bottom."""
    found: list[Line] = []
    edge = table.box.top
    for item in reversed(done):
        if not isinstance(item, Line) or len(found) == MAX_LINES or id(item) in left_out:
            break
        step = edge - item.top
        beside = item.right < table.box.left or item.left > table.box.right
        if not -0.5 * item.size <= step <= MAX_STEP * item.size or beside:
            break
        if len(item.text) > MAX_CHARS or (item.text.endswith((":", "：")) and not found):
            break
        if sizes.level_of(item.text, item.size) is not None:
            break
        found.insert(0, item)
        edge = item.top
        if _NAMED.match(item.text):
            return found
    return _without_prose(found, done)


def _without_prose(found: list[Line], done: Sequence[Item]) -> list[Line]:
    """Units and periods, and one line more if it is no end of a paragraph."""
    kept: list[Line] = []
    for line in reversed(found):
        if _UNIT.match(line.text) or _PERIOD.match(line.text):
            kept.insert(0, line)
            continue
        if not _ends_paragraph(line, done):
            kept.insert(0, line)
        break
    return kept


def _ends_paragraph(line: Line, done: Sequence[Item]) -> bool:
    """Whether a line is the last of some running text rather than a line of its own."""
    if line.text.endswith((".", "。", ";", ",")) or line.text[:1].islower():
        return True
    if _LISTED.match(line.text):
        return True
    place = next(index for index, item in enumerate(done) if item is line)
    before = done[place - 1] if place else None
    if not isinstance(before, Line):
        return False
    step = line.top - before.top
    return (
        0 < step < 1.45 * line.size
        and abs(before.size - line.size) < 0.6
        and (len(before.text) > 60)
    )


def _sort(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    """(caption, notes)"""
    caption: list[str] = []
    notes: list[str] = []
    for line in lines:
        if (_UNIT.match(line.text) or _PERIOD.match(line.text)) and not _NAMED.match(line.text):
            notes.append(line.text)
        else:
            caption.append(line.text)
    return caption, notes
