"""Whether rows in columns are a table."""

import itertools
import re
import statistics
from collections.abc import Sequence

from indexes.text.scripts import HAN, HANGUL_SYLLABLES, KANA
from ingest.partition.pdf.page import Rule
from ingest.partition.pdf.rows import PrintedPiece, PrintedRow
from ingest.partition.pdf.tables.columns import Column, place_piece

BULLET = re.compile(
    r"^(?:[•●○▪■□◦‣∙·\-–—*oØ§➢✓]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)]|\(?[ivxIVX]{1,5}[.)]|[0-9]{1,2}(?:\.[0-9]{1,2}){1,4}\.?|\[\d{1,3}\])$"
)
MIN_FIGURES = 0.5  # of the cells beside the first column
TEXT_CELL_WORDS = 5
CLOSE_ROWS = 0.25  # of all steps
MAX_FRAME = 2.2  # times as wide as the rows between two lines
MIN_FILLED = 0.38  # of the places; less are the words of a chart
_WORD = re.compile(rf"[^\W\d_]{{3}}|[{HAN}{KANA}{HANGUL_SYLLABLES}]")
_EQUATION = re.compile(r"^\(\d{1,3}(?:\.\d{1,3})*[a-z]?\)$")


def is_table(rows: Sequence[PrintedRow], columns: Sequence[Column], level: Sequence[Rule]) -> bool:
    """Whether rows in these columns are a table, and no list, text, contents or drawing."""
    tabular = [row for row in rows if len(row.pieces) > 1]
    if len(tabular) < 2 or len(columns) < 2:
        return False
    cells = [
        (place_piece(piece, columns)[0], piece, row) for row in tabular for piece in row.pieces
    ]
    values = [piece for column, piece, _ in cells if column > 0]
    if not values or len(cells) < MIN_FILLED * len(tabular) * len(columns):
        return False
    if _is_formula(rows) or _is_empty_talk(rows):
        return False
    if sum(piece.numeric for piece in values) >= MIN_FIGURES * len(values):
        return _has_figures(tabular, columns, cells)
    return _has_words(tabular, columns, cells, level)


def _is_formula(rows: Sequence[PrintedRow]) -> bool:
    """Whether rows stand closer than lines of text do, as the parts of formulas and drawings."""
    close = sum(
        below.baseline - above.baseline < 0.9 * min(above.size, below.size)
        and _overlap(above, below)
        for above, below in itertools.pairwise(rows)
    )
    return close > CLOSE_ROWS * (len(rows) - 1)


def _overlap(above: PrintedRow, below: PrintedRow) -> bool:
    """Whether pieces of two rows stand under each other; those of one whose cells are set to the
    middle of its height do not.
    """
    return any(
        one.left < other.right and other.left < one.right
        for one in above.pieces
        for other in below.pieces
    )


def _is_empty_talk(rows: Sequence[PrintedRow]) -> bool:
    """Whether hardly a cell has a word or a figure of several digits: signs of a drawing."""
    texts = [piece.text for row in rows for piece in row.pieces]
    words = sum(bool(_WORD.search(text)) for text in texts)
    return words < 2 and statistics.mean(map(len, texts)) < 3


def _has_figures(
    tabular: Sequence[PrintedRow],
    columns: Sequence[Column],
    cells: Sequence[tuple[int, PrintedPiece, PrintedRow]],
) -> bool:
    last = [piece.text for column, piece, _ in cells if column == len(columns) - 1]
    if _is_contents(tabular, last, len(columns)):
        return False
    if len(columns) == 2 and (len(tabular) < 3 or all(_EQUATION.match(text) for text in last)):
        return False
    first = [piece for column, piece, _ in cells if column == 0]
    if first and all(BULLET.match(piece.text) for piece in first) and len(columns) == 2:
        return False
    if len(tabular) == 2:
        return len(columns) >= 3 and len(cells) >= 2 * len(columns) - 1
    return True


def lists_pages(rows: Sequence[PrintedRow]) -> bool:
    """Whether rows are entries of contents or of an index, not one of which makes a table."""
    tabular = [row for row in rows if len(row.pieces) > 1]
    width = max((len(row.pieces) for row in tabular), default=0)
    return bool(tabular) and _is_contents(tabular, [row.pieces[-1].text for row in tabular], width)


def _is_contents(rows: Sequence[PrintedRow], last: Sequence[str], width: int) -> bool:
    """Whether the last column holds page numbers: whole, small, growing."""
    dotted = sum(row.leaders for row in rows) > 0.4 * len(rows)
    numbers = [int(text) for text in last if text.isascii() and text.isdigit()]
    if len(numbers) < 0.8 * len(last) or len(numbers) < 3 or (width > 2 and not dotted):
        return False
    growing = sum(a <= b for a, b in itertools.pairwise(numbers))
    return growing >= 0.9 * (len(numbers) - 1) and (
        max(numbers) < 2_000 and (dotted or len(numbers) > 4)
    )


def _has_words(
    tabular: Sequence[PrintedRow],
    columns: Sequence[Column],
    cells: Sequence[tuple[int, PrintedPiece, PrintedRow]],
    level: Sequence[Rule],
) -> bool:
    """Whether rows of words are a table: short cells that begin at one edge, in three columns or
    between two ruled lines.
    """
    texts = [piece for _, piece, _ in cells]
    words = statistics.mean(len(piece.text.split()) for piece in texts)
    flowing = sum(piece.text[:1].islower() for piece in texts) / len(texts)
    aligned = _aligned_share(cells, len(columns))
    framed = _is_framed(tabular, level)
    if framed:
        full = len(texts) >= 0.5 * len(columns) * len(tabular)
        return full and flowing < 0.45 and words <= 10 and aligned >= 0.6
    return (
        len(columns) >= 3
        and len(tabular) >= 3
        and words <= TEXT_CELL_WORDS
        and flowing < 0.35
        and aligned >= 0.8
        and len(texts) >= 0.6 * len(columns) * len(tabular)
    )


def _aligned_share(cells: Sequence[tuple[int, PrintedPiece, PrintedRow]], width: int) -> float:
    """The share of cells that stand flush with others of their column at the left, middle or
    right.
    """
    good = total = 0
    for index in range(width):
        pieces = [piece for column, piece, _ in cells if column == index]
        if not pieces:
            continue
        best = 0
        for edge in (
            [piece.left for piece in pieces],
            [piece.right for piece in pieces],
            [piece.middle for piece in pieces],
        ):
            middle = statistics.median(edge)
            best = max(best, sum(abs(place - middle) < 2.5 for place in edge))
        good, total = good + best, total + len(pieces)
    return good / total if total else 0.0


def _is_framed(rows: Sequence[PrintedRow], level: Sequence[Rule]) -> bool:
    """Whether ruled lines as wide as the rows stand above the first and below the last."""
    left, right = min(row.left for row in rows), max(row.right for row in rows)
    top, bottom, size = rows[0].top, rows[-1].bottom, rows[0].size
    wide = [
        rule.at
        for rule in level
        if min(rule.end, right) - max(rule.start, left) > 0.8 * (right - left)
        and rule.end - rule.start < MAX_FRAME * (right - left)
    ]
    return any(top - 2.5 * size <= at <= top + size for at in wide) and any(
        bottom - 0.5 * size <= at <= bottom + 2 * size for at in wide
    )
