"""Rows of a page to candidates for tables: rows whose pieces stand under each other."""

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.partition.pdf.page import Rule, Word
from ingest.partition.pdf.rows import PrintedPiece, PrintedRow, is_year
from ingest.partition.pdf.tables.building import OPEN_END
from ingest.partition.pdf.tables.columns import Column, find_columns
from ingest.partition.pdf.tables.judging import BULLET, is_table, lists_pages
from ingest.partition.pdf.tables.sections import is_flush

MAX_STEP = 3.2  # of a letter's size between the baselines of two rows of one table
MAX_TRIES = 3  # rows of one run that may be the first of a table
RECENT = 12  # rows that tell what step is usual
LOOK_AHEAD = 3  # rows with one piece that may stand between rows with several
PROSE_WORDS = 7  # a piece with more of them is running text
SPLIT_GAP = 0.4  # of a letter's size, between headers that stand close
WIDER = 1.6  # than the usual step between rows
SET_OFF = 1.25  # the same, if the columns below are others, too
CAPTION = re.compile(
    r"^(?:table|tab\.|figure|fig\.|chart|graph|box|tabelle|abbildung|tableau|tabla|tabela|表|圖|图)\s*[\dA-Z一二三四五六七八九十]",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"^(?:sources?|notes?|quellen?|anmerkung(?:en)?|hinweise?|fuentes?|来源|資料來源|注|备注)\s*[:.：]",
    re.IGNORECASE,
)


@dataclass(slots=True)
class TableCandidate:
    """Rows that may be a table, from top to bottom."""

    rows: list[PrintedRow]
    columns: list[Column]

    @property
    def width(self) -> int:
        return len(self.columns)


def find_candidates(rows: Sequence[PrintedRow], level: Sequence[Rule]) -> list[TableCandidate]:
    """Runs of rows that are tables, by their columns and by what stands in them."""
    found: list[TableCandidate] = []
    at = tries = 0
    while at < len(rows):
        if not is_tabular(rows[at]):
            at += 1
            continue
        end = _grow(rows, at)
        columns = find_columns(rows[at:end])
        good = is_table(rows[at:end], columns, level)
        tries += 1
        if good:
            found.append(_with_header(TableCandidate(list(rows[at:end]), columns), rows, at))
        # the first rows may be of something else, such as a header of the page
        skip = good or tries == MAX_TRIES or lists_pages(rows[at:end])
        at, tries = (end, 0) if skip else (at + 1, tries)
    return found


def is_tabular(row: PrintedRow) -> bool:
    """Whether it has several pieces that could be cells."""
    pieces = row.pieces
    if len(pieces) < 2:
        return False
    if BULLET.match(pieces[0].text) and len(pieces) == 2:
        return False
    return not all(is_prose(piece) for piece in pieces)


def is_prose(piece: PrintedPiece) -> bool:
    words = piece.text.split()
    letters = sum(word[:1].isalpha() for word in words)
    return len(words) > PROSE_WORDS and letters > 0.7 * len(words)


def _grow(rows: Sequence[PrintedRow], start: int) -> int:
    """Where the run of rows with common white space that begins here ends."""
    gaps = _gaps(rows[start])
    end = last = start + 1
    while end < len(rows):
        row, before = rows[end], rows[end - 1]
        step = row.baseline - before.baseline
        if _NOTE.match(row.pieces[0].text) or _begins_anew(rows[start:], end - start):
            break
        if step > MAX_STEP * max(row.size, before.size, 1) or CAPTION.match(row.pieces[0].text):
            break
        if end - last >= LOOK_AHEAD + 1:
            break
        common = _intersect(gaps, _gaps(row))
        if is_tabular(row):
            if not _inner(common, rows[start:end], row):
                break
            gaps = common
            last = end + 1
        elif is_prose(row.pieces[0]) and not _inner(common, rows[start:last], row):
            break
        end += 1
    return last + _further_lines(rows, start, last)


def _further_lines(rows: Sequence[PrintedRow], start: int, last: int) -> int:
    """How many rows below the last one with several pieces go on with one of its cells."""
    count = 0
    while last + count < len(rows) and count < 3:
        row, before = rows[last + count], rows[last + count - 1]
        above = next(
            (
                piece
                for piece in before.pieces
                if -2 < row.left - piece.left < 2 * row.size and row.left < piece.right
            ),
            None,
        )
        if (
            above is None
            or len(row.pieces) > 1
            or len(before.pieces) == 1 == count + 1
            or row.right > above.right + 60
            or row.baseline - before.baseline > 1.35 * row.size
            or not (OPEN_END.search(above.text) or row.pieces[0].text[:1].islower())
        ):
            break
        count += 1
    return count


def _begins_anew(rows: Sequence[PrintedRow], at: int) -> bool:
    """Whether more white than usual stands above a row without figures: that of another table."""
    above, row = rows[max(0, at - RECENT) : at], rows[at]
    steps = [below.baseline - one.baseline for one, below in itertools.pairwise(above)]
    if len(steps) < 2 or any(piece.numeric and not is_year(piece.text) for piece in row.pieces):
        return False
    step, usual = row.baseline - above[-1].baseline, statistics.median(steps)
    if step > WIDER * usual and step > 1.8 * row.size:
        return len(row.pieces) > 1 or row.left > min(one.left for one in above) + 20
    return (
        len(row.pieces) > 1 and step > SET_OFF * usual and _has_other_columns(above, rows[at + 1 :])
    )


def _has_other_columns(above: Sequence[PrintedRow], below: Sequence[PrintedRow]) -> bool:
    """Whether the figures of the first row below mostly stand flush with none above."""
    figures = [piece for row in above for piece in row.pieces[1:] if piece.numeric]
    others = [piece for row in below[:1] for piece in row.pieces[1:] if piece.numeric]
    flush = sum(any(is_flush(one, other) for other in figures) for one in others)
    return bool(figures) and bool(others) and 2 * flush <= len(others)


_FAR = 1e6


def _gaps(row: PrintedRow) -> list[tuple[float, float]]:
    edges = [-_FAR]
    for piece in row.pieces:
        edges += [piece.left, piece.right]
    edges.append(_FAR)
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]


def _intersect(
    one: Sequence[tuple[float, float]], two: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    found = []
    i = j = 0
    while i < len(one) and j < len(two):
        left, right = max(one[i][0], two[j][0]), min(one[i][1], two[j][1])
        if right - left >= 3.0:
            found.append((left, right))
        if one[i][1] < two[j][1]:
            i += 1
        else:
            j += 1
    return found


def _inner(
    gaps: Sequence[tuple[float, float]], rows: Sequence[PrintedRow], row: PrintedRow
) -> bool:
    """Whether white space common to all stands between pieces, not only beside them."""
    return any(
        left > -_FAR
        and right < _FAR
        and any(one.left < left + 1 for one in rows)
        and any(one.right > right - 1 for one in rows)
        for left, right in gaps
    )


def _with_header(candidate: TableCandidate, rows: Sequence[PrintedRow], at: int) -> TableCandidate:
    """The candidate with the rows above it that stand over its columns but the first."""
    head: list[PrintedRow] = []
    first = candidate.columns[0]
    while at > 0 and len(head) < 4:
        row, below = rows[at - 1], rows[at]
        step = below.baseline - row.baseline
        if step > 1.9 * max(row.size, below.size) or CAPTION.match(row.pieces[0].text):
            break
        over = row.left > first.right - 2 and row.right <= candidate.columns[-1].right + 40
        split = (
            _split_over(row, candidate.columns)
            if len(row.pieces) < len(candidate.columns)
            else None
        )
        if any(is_prose(piece) for piece in row.pieces) and split is None:
            break
        if not over and (split is None or head):
            break
        head.insert(0, split or row)
        at -= 1
    return TableCandidate(head + candidate.rows, candidate.columns) if head else candidate


def _split_over(row: PrintedRow, columns: Sequence[Column]) -> PrintedRow | None:
    """A row of headers that stand too close to be pieces, cut where its columns part; None if its
    words do not stand over most of the columns.
    """
    words = sorted(
        (word for piece in row.pieces for word in piece.words), key=lambda word: word.box.left
    )
    over: list[list[Word]] = [[] for _ in columns]
    before: tuple[int, Word] | None = None
    for word in words:
        middle = (word.box.left + word.box.right) / 2
        place = min(
            range(len(columns)),
            key=lambda k: max(columns[k].left - middle, middle - columns[k].right, 0.0),
        )
        column = columns[place]
        if max(column.left - middle, middle - column.right) > 1.5 * word.size:
            return None
        gap = word.box.left - before[1].box.right if before and before[0] != place else word.size
        if gap < SPLIT_GAP * word.size:
            return None
        before = place, word
        over[place].append(word)
    pieces = [PrintedPiece(each) for each in over if each]
    if len(pieces) < max(2, 0.7 * len(columns)) or len(words) > 4 * len(columns):
        return None
    return PrintedRow(pieces)
