"""Where white space parts a block of rows into columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.partition.pdf.rows import PrintedPiece, PrintedRow, is_year

MIN_GUTTER = 2.5  # points


@dataclass(frozen=True, slots=True)
class Column:
    """What the letters of one column cover."""

    left: float
    right: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    @property
    def width(self) -> float:
        return self.right - self.left


def find_columns(rows: Sequence[PrintedRow], posts: Sequence[float] = ()) -> list[Column]:
    """Columns from left to right, by what the pieces of rows with several pieces leave white.

    A few pieces may lie across, such as headers over several columns. posts: ruled lines, which
    part columns whatever the white space says.
    """
    several = [row for row in rows if len(row.pieces) > 1] or list(rows)
    body = [row for row in several if _has_figures(row)]
    if len(body) >= 3:
        most = max(len(row.pieces) for row in several)
        columns = _columns_of(body, posts)
        if len(columns) >= most:
            return columns
    return _columns_of(several, posts)


def _has_figures(row: PrintedRow) -> bool:
    return any(piece.numeric and not is_year(piece.text) for piece in row.pieces[1:])


def _columns_of(several: Sequence[PrintedRow], posts: Sequence[float]) -> list[Column]:
    tolerated = _tolerated(len(several))
    spans = _stretches([(p.left, p.right) for row in several for p in row.pieces], tolerated)
    columns = [Column(left, right) for left, right in _cut_at_posts(spans, posts)]
    lonely = [
        (piece.left, piece.right)
        for row in several
        for piece in row.pieces
        if not any(_overlap(piece, column) > 0 for column in columns)
    ]
    columns += [Column(left, right) for left, right in _stretches(lonely, 0)]
    return sorted(columns, key=lambda column: column.left)


def _tolerated(rows: int) -> int:
    """How many pieces may lie across the white between two columns."""
    if rows < 4:
        return 0
    return 1 if rows < 10 else max(2, rows // 10)


def _stretches(
    intervals: Sequence[tuple[float, float]], tolerated: int
) -> list[tuple[float, float]]:
    """Where more than so many intervals lie, joined over gaps too narrow to part columns."""
    events = sorted(
        [(left, 1) for left, _ in intervals] + [(right, -1) for _, right in intervals],
        key=lambda event: (event[0], -event[1]),
    )
    depth, start = 0, 0.0
    found: list[tuple[float, float]] = []
    for place, step in events:
        before, depth = depth, depth + step
        if before <= tolerated < depth:
            start = place
        elif depth <= tolerated < before:
            if found and start - found[-1][1] < MIN_GUTTER:
                found[-1] = (found[-1][0], place)
            else:
                found.append((start, place))
    return found


def _cut_at_posts(
    spans: Sequence[tuple[float, float]], posts: Sequence[float]
) -> Iterator[tuple[float, float]]:
    for left, right in spans:
        for post in sorted(posts):
            if left + 1 < post < right - 1:
                yield left, post
                left = post
        yield left, right


def _overlap(piece: PrintedPiece, column: Column) -> float:
    return min(piece.right, column.right) - max(piece.left, column.left)


def place_piece(piece: PrintedPiece, columns: Sequence[Column]) -> tuple[int, int]:
    """The columns that a piece lies over, the end excluded."""
    width = max(piece.right - piece.left, 0.1)
    over = [
        index
        for index, column in enumerate(columns)
        if _overlap(piece, column) > min(0.35 * column.width, 0.5 * width, 6.0)
        or _overlap(piece, column) >= 0.5 * width
    ]
    if over:
        return over[0], over[-1] + 1
    nearest = min(
        range(len(columns)),
        key=lambda index: max(columns[index].left - piece.right, piece.left - columns[index].right),
    )
    return nearest, nearest + 1
