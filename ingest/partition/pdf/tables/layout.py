"""Columns of running text: a page is cut along the white between them."""

import re
from collections.abc import Callable, Sequence

from indexes.text.scripts import HAN, KANA
from ingest.partition.pdf.rows import PrintedPiece, PrintedRow, is_year
from ingest.partition.pdf.tables.candidates import CAPTION, MAX_STEP

COLUMN_WORDS = 4
MIN_LINES = 4  # of running text on either side
MAX_DEPTH = 3
MIN_ROWS = 3  # of a table over both columns
LOOK_AHEAD = 3  # rows of one piece that may stand between its rows, or between it and its name
_EAST_ASIAN = re.compile(f"[{HAN}{KANA}]")


def split_zones(rows: list[PrintedRow], width: float, depth: int = 0) -> list[list[PrintedRow]]:
    """The rows, where there are columns of running text those of each column by themselves."""
    gutter = _find_gutter(rows, width) if depth < MAX_DEPTH else None
    if gutter is None:
        return [rows] if rows else []
    zones: list[list[PrintedRow]] = []
    held: list[PrintedRow] = []
    tables = {run.start: run for run in _tables_across(rows, gutter, width)}
    end = 0
    for place, row in enumerate(rows):
        if place in tables:
            zones += _split_band(held, gutter, width, depth)
            end = tables[place].stop
            zones.append(rows[place:end])
            held = []
        if place < end:
            continue
        if any(piece.left < gutter - 1 and piece.right > gutter + 1 for piece in row.pieces):
            zones += _split_band(held, gutter, width, depth)
            zones.append([row])
            held = []
        else:
            held.append(row)
    zones += _split_band(held, gutter, width, depth)
    return _join_full(zones)


def _join_full(zones: list[list[PrintedRow]]) -> list[list[PrintedRow]]:
    """Rows across all columns that follow each other are one zone again."""
    joined: list[list[PrintedRow]] = []
    for zone in zones:
        if joined and len(zone) == 1 and _goes_on(joined[-1], zone[0]):
            joined[-1] = joined[-1] + zone
        else:
            joined.append(zone)
    return joined


def _goes_on(zone: Sequence[PrintedRow], row: PrintedRow) -> bool:
    """Whether a row across all columns is the next one of a zone that is as wide."""
    last = zone[-1]
    return (
        0 < row.baseline - last.baseline < 3 * row.size
        and last.left < row.right
        and last.right > row.left
        and zone[0].right - zone[0].left > 0.5 * (row.right - row.left)
    )


def _tables_across(rows: Sequence[PrintedRow], gutter: float, width: float) -> list[range]:
    """Runs of rows that are one table over both columns, its name above with it."""
    found: list[range] = []
    at = 0
    while at < len(rows):
        end = _run_end(rows, at, gutter, width)
        if _goes_over(rows[at:end], gutter):
            found.append(range(_with_name(rows, at, found[-1].stop if found else 0), end))
        at = max(end, at + 1)
    return found


def _run_end(rows: Sequence[PrintedRow], start: int, gutter: float, width: float) -> int:
    """Where a run of rows ends that have pieces on both sides of the gutter and no running text;
    a few rows of one piece may stand between them.
    """
    last = start
    for place in range(start, len(rows)):
        row = rows[place]
        if place > start and _step(rows, place) > MAX_STEP:
            break
        if any(_is_running(piece, width) for piece in row.pieces):
            break
        if row.pieces[0].middle < gutter <= row.pieces[-1].middle:
            last = place + 1
        elif len(row.pieces) > 1 or place - last >= LOOK_AHEAD:
            break
    return last


def _step(rows: Sequence[PrintedRow], place: int) -> float:
    """From the row before to this one, in letter sizes."""
    above, row = rows[place - 1], rows[place]
    return (row.baseline - above.baseline) / max(above.size, row.size, 1)


def _goes_over(rows: Sequence[PrintedRow], gutter: float) -> bool:
    """Whether figures go on beyond the gutter; names or years there begin another table."""
    firsts = [
        next(piece for piece in row.pieces if piece.middle >= gutter)
        for row in rows
        if any(piece.numeric and piece.middle >= gutter for piece in row.pieces)
    ]
    going_on = sum(piece.numeric and not is_year(piece.text) for piece in firsts)
    return going_on >= MIN_ROWS and going_on >= 0.8 * len(firsts)


def _with_name(rows: Sequence[PrintedRow], start: int, low: int) -> int:
    """Where a table begins with its name, if one stands right above."""
    for place in range(start - 1, max(low, start - 1 - LOOK_AHEAD) - 1, -1):
        if len(rows[place].pieces) > 1 or _step(rows, place + 1) > MAX_STEP:
            break
        if CAPTION.match(rows[place].pieces[0].text):
            return place
    return start


def _split_band(
    rows: list[PrintedRow], gutter: float, width: float, depth: int
) -> list[list[PrintedRow]]:
    left = _side(rows, lambda piece: piece.middle < gutter)
    right = _side(rows, lambda piece: piece.middle >= gutter)
    if len(left) < 2 or len(right) < 2:
        return [rows] if rows else []
    return split_zones(left, width, depth + 1) + split_zones(right, width, depth + 1)


def _side(rows: Sequence[PrintedRow], wanted: Callable[[PrintedPiece], bool]) -> list[PrintedRow]:
    made = []
    for row in rows:
        pieces = [piece for piece in row.pieces if wanted(piece)]
        if pieces:
            made.append(PrintedRow(pieces, leaders=row.leaders))
    return made


def _find_gutter(rows: Sequence[PrintedRow], width: float) -> float | None:
    """Where white space parts two columns of running text, as a place across."""
    prose = [(piece, row) for row in rows for piece in row.pieces if _is_running(piece, width)]
    if len(prose) < 2 * MIN_LINES:
        return None
    starts = sorted(piece.left for piece, _ in prose)
    for start in _clusters(starts):
        right = [(p, r) for p, r in prose if abs(p.left - start) < 3]
        left = [(p, r) for p, r in prose if p.right < start - 3]
        if len(right) < MIN_LINES or len(left) < MIN_LINES:
            continue
        if not (_flows(left) and _flows(right)):
            continue
        top, bottom = min(r.top for _, r in right), max(r.bottom for _, r in right)
        beside = [p for p, r in left if top - 20 < r.baseline < bottom + 20]
        if len(beside) >= MIN_LINES:
            edge = max(p.right for p in beside)
            return (edge + start) / 2
    return None


def _clusters(starts: Sequence[float]) -> list[float]:
    found: list[list[float]] = []
    for start in starts:
        if found and start - found[-1][0] < 3:
            found[-1].append(start)
        else:
            found.append([start])
    return [group[0] for group in found if len(group) >= MIN_LINES]


def _is_running(piece: PrintedPiece, width: float) -> bool:
    words = piece.text.split()
    if _EAST_ASIAN.search(piece.text):
        return piece.right - piece.left > 0.2 * width
    return len(words) >= COLUMN_WORDS and sum(word[:1].isalpha() for word in words) >= 0.6 * len(
        words
    )


def _flows(lines: Sequence[tuple[PrintedPiece, PrintedRow]]) -> bool:
    """Whether lines go on from one to the next, as running text does and names of rows do not."""
    texts = [piece.text for piece, _ in lines]
    if any(_EAST_ASIAN.search(text[:3]) for text in texts):
        return True
    return sum(text[:1].islower() for text in texts) >= 0.3 * len(texts)
