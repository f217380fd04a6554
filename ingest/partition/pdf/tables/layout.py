"""Columns of running text: a page is cut along the white between them."""

import re
from collections.abc import Callable, Sequence

from indexes.text.scripts import HAN, KANA
from ingest.partition.pdf.rows import Piece, Row

COLUMN_WORDS = 4
MIN_LINES = 4  # of running text on either side
MAX_DEPTH = 3
_EAST_ASIAN = re.compile(f"[{HAN}{KANA}]")


def split_zones(rows: list[Row], width: float, depth: int = 0) -> list[list[Row]]:
    """The rows, where there are columns of running text those of each column by themselves."""
    gutter = _find_gutter(rows, width) if depth < MAX_DEPTH else None
    if gutter is None:
        return [rows] if rows else []
    zones: list[list[Row]] = []
    held: list[Row] = []
    for row in rows:
        if any(piece.left < gutter - 1 and piece.right > gutter + 1 for piece in row.pieces):
            zones += _split_band(held, gutter, width, depth)
            zones.append([row])
            held = []
        else:
            held.append(row)
    zones += _split_band(held, gutter, width, depth)
    return _join_full(zones)


def _join_full(zones: list[list[Row]]) -> list[list[Row]]:
    """Rows across all columns that follow each other are one zone again."""
    joined: list[list[Row]] = []
    for zone in zones:
        if joined and len(zone) == 1 and _goes_on(joined[-1], zone[0]):
            joined[-1] = joined[-1] + zone
        else:
            joined.append(zone)
    return joined


def _goes_on(zone: Sequence[Row], row: Row) -> bool:
    """Whether a row across all columns is the next one of a zone that is as wide."""
    last = zone[-1]
    return (
        0 < row.baseline - last.baseline < 3 * row.size
        and last.left < row.right
        and last.right > row.left
        and zone[0].right - zone[0].left > 0.5 * (row.right - row.left)
    )


def _split_band(rows: list[Row], gutter: float, width: float, depth: int) -> list[list[Row]]:
    left = _side(rows, lambda piece: piece.middle < gutter)
    right = _side(rows, lambda piece: piece.middle >= gutter)
    if len(left) < 2 or len(right) < 2:
        return [rows] if rows else []
    return split_zones(left, width, depth + 1) + split_zones(right, width, depth + 1)


def _side(rows: Sequence[Row], wanted: Callable[[Piece], bool]) -> list[Row]:
    made = []
    for row in rows:
        pieces = [piece for piece in row.pieces if wanted(piece)]
        if pieces:
            made.append(Row(pieces, leaders=row.leaders))
    return made


def _find_gutter(rows: Sequence[Row], width: float) -> float | None:
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


def _is_running(piece: Piece, width: float) -> bool:
    words = piece.text.split()
    if _EAST_ASIAN.search(piece.text):
        return piece.right - piece.left > 0.2 * width
    return len(words) >= COLUMN_WORDS and sum(word[:1].isalpha() for word in words) >= 0.6 * len(
        words
    )


def _flows(lines: Sequence[tuple[Piece, Row]]) -> bool:
    """Whether lines go on from one to the next, as running text does and names of rows do not."""
    texts = [piece.text for piece, _ in lines]
    if any(_EAST_ASIAN.search(text[:3]) for text in texts):
        return True
    return sum(text[:1].islower() for text in texts) >= 0.3 * len(texts)
