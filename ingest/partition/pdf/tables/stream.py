"""Tables without ruled grids: rows whose pieces stand under each other."""

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.partition.pdf.page import Rule, Word
from ingest.partition.pdf.rows import Piece, Row, is_number, is_year
from ingest.partition.pdf.tables.columns import Column, find_columns, place_piece
from ingest.partition.pdf.tables.grid import Cell

MAX_STEP = 3.2  # of a letter's size between the baselines of two rows of one table
LOOK_AHEAD = 3  # rows with one piece that may stand between rows with several
PROSE_WORDS = 7  # a piece with more of them is running text
MIN_FIGURES = 0.5  # of the cells beside the first column
TEXT_CELL_WORDS = 5
CLOSE_ROWS = 0.25  # of all steps
ROW_RULE = 0.7  # of a table's width; a line so long parts rows
NEAR_MIDDLE = 6.0  # points between the middle of a header and that of its columns
SPLIT_GAP = 0.4  # of a letter's size, between headers that stand close
MAX_FRAME = 2.2  # times as wide as the rows between two lines
WIDER = 1.6  # than the usual step between rows
MIN_FILLED = 0.38  # of the places; less are the words of a chart
_BULLET = re.compile(
    r"^(?:[•●○▪■□◦‣∙·\-–—*oØ§➢✓]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)]|\(?[ivxIVX]{1,5}[.)]|[0-9]{1,2}(?:\.[0-9]{1,2}){1,4}\.?|\[\d{1,3}\])$"
)
_CAPTION = re.compile(
    r"^(?:table|tab\.|figure|fig\.|chart|graph|box|tabelle|abbildung|tableau|tabla|tabela|表|圖|图)\s*[\dA-Z一二三四五六七八九十]",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"^(?:sources?|notes?|quellen?|anmerkung(?:en)?|hinweise?|fuentes?|来源|資料來源|注|备注)\s*[:.：]",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:\b(?:of|and|or|the|for|to|in|by|from|with|on|at|a|an|und|oder|der|die|des|von|für)|[,&/–-])$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{3}|[\u3040-\u9fff\uac00-\ud7af]")
_EQUATION = re.compile(r"^\(\d{1,3}(?:\.\d{1,3})*[a-z]?\)$")


@dataclass(slots=True)
class Block:
    """Rows that may be a table, from top to bottom."""

    rows: list[Row]
    columns: list[Column]

    @property
    def width(self) -> int:
        return len(self.columns)


def find_blocks(rows: Sequence[Row], level: Sequence[Rule]) -> list[Block]:
    """Runs of rows that are tables, by their columns and by what stands in them."""
    found: list[Block] = []
    at = 0
    while at < len(rows):
        if not is_tabular(rows[at]):
            at += 1
            continue
        end = _grow(rows, at)
        block = _as_table(list(rows[at:end]), level)
        if block is not None:
            found.append(_with_header(block, rows, at))
            at = end
        else:
            at = end if _lists_pages(rows[at:end]) else at + 1
    return found


def is_tabular(row: Row) -> bool:
    """Whether it has several pieces that could be cells."""
    pieces = row.pieces
    if len(pieces) < 2:
        return False
    if _BULLET.match(pieces[0].text) and len(pieces) == 2:
        return False
    return not all(is_prose(piece) for piece in pieces)


def is_prose(piece: Piece) -> bool:
    words = piece.text.split()
    letters = sum(word[:1].isalpha() for word in words)
    return len(words) > PROSE_WORDS and letters > 0.7 * len(words)


def _grow(rows: Sequence[Row], start: int) -> int:
    """Where the run of rows with common white space that begins here ends."""
    gaps = _gaps(rows[start])
    end = last = start + 1
    while end < len(rows):
        row, before = rows[end], rows[end - 1]
        step = row.baseline - before.baseline
        if _NOTE.match(row.pieces[0].text) or _begins_anew(rows[start:end], row):
            break
        if step > MAX_STEP * max(row.size, before.size, 1) or _CAPTION.match(row.pieces[0].text):
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


def _further_lines(rows: Sequence[Row], start: int, last: int) -> int:
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
            or not (_OPEN_END.search(above.text) or row.pieces[0].text[:1].islower())
        ):
            break
        count += 1
    return count


def _begins_anew(above: Sequence[Row], row: Row) -> bool:
    """Whether more white than usual stands above a row without figures: that of another table."""
    steps = [below.baseline - one.baseline for one, below in itertools.pairwise(above)]
    if len(steps) < 2 or any(piece.numeric and not is_year(piece.text) for piece in row.pieces):
        return False
    step = row.baseline - above[-1].baseline
    return (
        step > WIDER * statistics.median(steps)
        and step > 1.8 * row.size
        and (len(row.pieces) > 1 or row.left > min(one.left for one in above) + 20)
    )


_FAR = 1e6


def _gaps(row: Row) -> list[tuple[float, float]]:
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


def _inner(gaps: Sequence[tuple[float, float]], rows: Sequence[Row], row: Row) -> bool:
    """Whether white space common to all stands between pieces, not only beside them."""
    return any(
        left > -_FAR
        and right < _FAR
        and any(one.left < left + 1 for one in rows)
        and any(one.right > right - 1 for one in rows)
        for left, right in gaps
    )


# --- is it a table --------------------------------------------------------------------------------


def _as_table(rows: list[Row], level: Sequence[Rule]) -> Block | None:
    tabular = [row for row in rows if len(row.pieces) > 1]
    if len(tabular) < 2:
        return None
    columns = find_columns(rows)
    if len(columns) < 2:
        return None
    cells = [
        (place_piece(piece, columns)[0], piece, row) for row in tabular for piece in row.pieces
    ]
    values = [piece for column, piece, _ in cells if column > 0]
    if not values:
        return None
    if len(cells) < MIN_FILLED * len(tabular) * len(columns):
        return None
    if _is_formula(rows) or _is_empty_talk(rows):
        return None
    figures = sum(piece.numeric for piece in values) / len(values)
    good = (
        _has_figures(tabular, columns, cells)
        if figures >= MIN_FIGURES
        else _has_words(tabular, columns, cells, level)
    )
    return Block(rows, columns) if good else None


def _is_formula(rows: Sequence[Row]) -> bool:
    """Whether rows stand closer than lines of text do, as the parts of formulas and drawings."""
    close = sum(
        below.baseline - above.baseline < 0.9 * min(above.size, below.size)
        and _overlap(above, below)
        for above, below in itertools.pairwise(rows)
    )
    return close > CLOSE_ROWS * (len(rows) - 1)


def _overlap(above: Row, below: Row) -> bool:
    """Whether pieces of two rows stand under each other; those of one whose cells are set to the
    middle of its height do not.
    """
    return any(
        one.left < other.right and other.left < one.right
        for one in above.pieces
        for other in below.pieces
    )


def _is_empty_talk(rows: Sequence[Row]) -> bool:
    """Whether hardly a cell has a word or a figure of several digits: signs of a drawing."""
    texts = [piece.text for row in rows for piece in row.pieces]
    words = sum(bool(_WORD.search(text)) for text in texts)
    return words < 2 and statistics.mean(map(len, texts)) < 3


def _has_figures(
    tabular: Sequence[Row], columns: Sequence[Column], cells: Sequence[tuple[int, Piece, Row]]
) -> bool:
    last = [piece.text for column, piece, _ in cells if column == len(columns) - 1]
    if _is_contents(tabular, last, len(columns)):
        return False
    if len(columns) == 2 and (len(tabular) < 3 or all(_EQUATION.match(text) for text in last)):
        return False
    first = [piece for column, piece, _ in cells if column == 0]
    if first and all(_BULLET.match(piece.text) for piece in first) and len(columns) == 2:
        return False
    if len(tabular) == 2:
        return len(columns) >= 3 and len(cells) >= 2 * len(columns) - 1
    return True


def _lists_pages(rows: Sequence[Row]) -> bool:
    """Whether rows are entries of contents or of an index, not one of which makes a table."""
    tabular = [row for row in rows if len(row.pieces) > 1]
    width = max((len(row.pieces) for row in tabular), default=0)
    return bool(tabular) and _is_contents(tabular, [row.pieces[-1].text for row in tabular], width)


def _is_contents(rows: Sequence[Row], last: Sequence[str], width: int) -> bool:
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
    tabular: Sequence[Row],
    columns: Sequence[Column],
    cells: Sequence[tuple[int, Piece, Row]],
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


def _aligned_share(cells: Sequence[tuple[int, Piece, Row]], width: int) -> float:
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


def _is_framed(rows: Sequence[Row], level: Sequence[Rule]) -> bool:
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


def _with_header(block: Block, rows: Sequence[Row], at: int) -> Block:
    """The block with the rows above it that stand over its columns but the first."""
    head: list[Row] = []
    first = block.columns[0]
    while at > 0 and len(head) < 4:
        row, below = rows[at - 1], rows[at]
        step = below.baseline - row.baseline
        if step > 1.9 * max(row.size, below.size) or _CAPTION.match(row.pieces[0].text):
            break
        over = row.left > first.right - 2 and row.right <= block.columns[-1].right + 40
        split = _split_over(row, block.columns) if len(row.pieces) < len(block.columns) else None
        if any(is_prose(piece) for piece in row.pieces) and split is None:
            break
        if not over and (split is None or head):
            break
        head.insert(0, split or row)
        at -= 1
    return Block(head + block.rows, block.columns) if head else block


def _split_over(row: Row, columns: Sequence[Column]) -> Row | None:
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
    pieces = [Piece(each) for each in over if each]
    if len(pieces) < max(2, 0.7 * len(columns)) or len(words) > 4 * len(columns):
        return None
    return Row(pieces)


# --- its cells ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Line:
    """A printed row of a table: its pieces with the columns they lie over."""

    row: Row
    placed: list[tuple[int, int, Piece]]
    # of headers with a line under them, by their place: the columns that the line goes over
    ruled: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def filled(self) -> set[int]:
        return {column for start, end, _ in self.placed for column in range(start, end)}

    @property
    def figures(self) -> bool:
        return any(
            start > 0 and piece.numeric and not is_year(piece.text)
            for start, _, piece in self.placed
        )

    @property
    def spanning(self) -> bool:
        return any(end - start > 1 for start, end, _ in self.placed)


def build_cells(
    rows: Sequence[Row], columns: Sequence[Column], level: Sequence[Rule] = ()
) -> tuple[list[Cell], int, int]:
    """(cells, rows, header rows) of a block. level: ruled lines on its page."""
    left, right = columns[0].left, columns[-1].right
    lines = [
        rule.at
        for rule in level
        if min(rule.end, right) - max(rule.start, left) > ROW_RULE * (right - left)
    ]
    printed = [
        _Line(row, [(*place_piece(piece, columns), piece) for piece in row.pieces]) for row in rows
    ]
    head = count_head(printed)
    for line in printed[:head]:
        line.placed = _place_head(line, columns)
        line.ruled = {
            place: columns_over
            for place, (_, _, piece) in enumerate(line.placed)
            if (columns_over := _columns_under(piece, line.row, columns, level)) is not None
        }
    groups = _group_lines(printed, head, lines, columns)
    header_rows = sum(1 for group in groups if printed.index(group[0]) < head)
    cells: list[Cell] = []
    for number, group in enumerate(groups):
        cells += _cells_of(
            group, number, columns, header=number < header_rows - 1, body=number >= header_rows
        )
    return cells, len(groups), header_rows


def _place_head(line: _Line, columns: Sequence[Column]) -> list[tuple[int, int, Piece]]:
    """Headers one to each column, if there are as many as columns, wherever they stand over them."""
    pieces = line.row.pieces
    if len(pieces) == len(columns):
        return [(place, place + 1, piece) for place, piece in enumerate(pieces)]
    if len(pieces) == len(columns) - 1 and pieces[0].left > columns[0].right - 2:
        return [(place, place + 1, piece) for place, piece in enumerate(pieces, start=1)]
    return line.placed


def count_head(printed: Sequence[_Line]) -> int:
    """How many printed rows stand above the first with figures; 1 if there are none at all."""
    for index, line in enumerate(printed):
        if line.figures:
            return _back_to_label(printed, index)
        if index and _is_full(printed[index - 1]) and _is_full(line) and _is_apart(printed, index):
            return index
    return 1 if len(printed) > 1 else 0


def _is_full(line: _Line) -> bool:
    return 0 in line.filled and len(line.filled) > 1


def _is_apart(printed: Sequence[_Line], index: int) -> bool:
    """Whether a printed row is no further line of the one above it."""
    above, line = printed[index - 1].row, printed[index].row
    return line.baseline - above.baseline > 1.35 * max(above.size, line.size)


def _back_to_label(printed: Sequence[_Line], index: int) -> int:
    """Section names in the first column right above the first figures belong to the body."""
    while index > 1 and printed[index - 1].filled == {0}:
        index -= 1
    return index


def _group_lines(
    printed: Sequence[_Line], head: int, lines: Sequence[float], columns: Sequence[Column]
) -> list[list[_Line]]:
    """Printed rows that are one row of the table."""
    usual = _usual_step(printed)
    groups: list[list[_Line]] = []
    for index, line in enumerate(printed):
        below = printed[index + 1] if index + 1 < len(printed) else None
        if groups and (index < head) == (index - 1 < head):
            before = groups[-1][-1]
            if not _ruled_between(before, line, lines) and _is_one_row(
                groups[-1], line, below, usual, columns, header=index < head
            ):
                groups[-1].append(line)
                continue
        groups.append([line])
    return groups


def _usual_step(printed: Sequence[_Line]) -> float:
    """From one row with figures to the next, in points."""
    steps = [
        after.row.baseline - before.row.baseline
        for before, after in itertools.pairwise(printed)
        if before.figures and after.figures
    ]
    return statistics.median(steps) if steps else 0.0


def _ruled_between(above: _Line, below: _Line, lines: Sequence[float]) -> bool:
    return any(above.row.baseline - 1 < at < below.row.middle_line for at in lines)


def _columns_under(
    piece: Piece, row: Row, columns: Sequence[Column], level: Sequence[Rule]
) -> tuple[int, int] | None:
    """The columns that a line right under a header goes over; None if there is no such line, or if
    it goes under the whole row.
    """
    for rule in level:
        if not row.baseline - 1 <= rule.at <= row.baseline + row.size:
            continue
        beside = [one for one in row.pieces if rule.start < one.middle < rule.end]
        if len(beside) > 1 or rule.start > piece.left + 3 or rule.end < piece.right - 3:
            continue
        over = [
            index
            for index, column in enumerate(columns)
            if min(rule.end, column.right) - max(rule.start, column.left) > 0.5 * column.width
        ]
        if over and over[0] > 0:
            return over[0], over[-1] + 1
    return None


def _stands_over(line: _Line, columns: Sequence[Column]) -> bool:
    """Whether headers stand over several columns each: one that is wider than the header under it,
    or several that share the columns.
    """
    ranges = _spread_ranges(line, columns)
    wide = any(
        end - start > 1 and piece.right - piece.left > 1.1 * columns[place].width
        for (start, end), (place, _, piece) in zip(ranges, line.placed, strict=True)
    )
    if any(end - start > 1 for start, end in line.ruled.values()):
        return True
    over = [each for each in ranges if each[0] > 0]
    shared = len(over) > 1 and all(end - start > 1 for start, end in over)
    return wide or (shared and sum(end - start for start, end in over) >= len(columns) - 1)


def _is_beside(above: _Line, below: _Line) -> bool:
    """Whether two lines overlap in height and fill other columns, as cells of one row do."""
    size = max(above.row.size, below.row.size, 1)
    return below.row.baseline - above.row.baseline < 0.9 * size and not (
        above.filled & below.filled
    )


def _is_one_row(
    group: Sequence[_Line],
    line: _Line,
    below: _Line | None,
    usual: float,
    columns: Sequence[Column],
    *,
    header: bool,
) -> bool:
    before = group[-1]
    size = max(line.row.size, before.row.size, 1)
    step = line.row.baseline - before.row.baseline
    if step > 1.5 * size:
        return False
    if _is_beside(before, line):
        return True  # set to the middle of the height of their row
    if header:
        return not before.spanning and not line.spanning and not _stands_over(before, columns)
    if line.figures and any(one.figures for one in group):
        return False
    tight = usual > 0 and step < 0.88 * usual
    label = next((piece.text for start, _, piece in line.placed if start == 0), "")
    if below is not None and _is_beside(line, below) and not _is_beside(before, line):
        return False  # it begins the row of the line below
    if not label:
        return not line.figures and (tight or step < 1.3 * size) and not before.spanning
    alone = line.filled == {0} or before.filled == {0}
    if before.filled == {0} and _OPEN_END.search(before.row.pieces[0].text):
        return True
    if label[:1].islower() or (label.startswith("(") and not is_number(label)):
        return alone or (tight and all(piece.text[:1].islower() for _, _, piece in line.placed))
    ends = before.row.pieces[0].text.endswith(":")
    if line.filled == {0} and _OPEN_END.search(before.row.pieces[0].text):
        return True
    return tight and line.filled == {0} and not ends and step < 1.3 * size


def _cells_of(
    group: Sequence[_Line], number: int, columns: Sequence[Column], *, header: bool, body: bool
) -> list[Cell]:
    cells: dict[tuple[int, int], Cell] = {}
    for line in group:
        ranges = _spread_ranges(line, columns) if header else None
        for place, (start, end, piece) in enumerate(line.placed):
            if body and (start == 0 or len(line.placed) == 1):
                end = start + 1
            if ranges is not None:
                start, end = ranges[place]
            cell = next(
                (one for one in cells.values() if one.column < end and start < one.end_column),
                None,
            )
            if cell is None:
                cell = cells[start, end] = Cell(number, start, number + 1, end)
            cell.words += piece.words
    return list(cells.values())


def _spread_ranges(line: _Line, columns: Sequence[Column]) -> list[tuple[int, int]]:
    """The columns that each header of a level above the last one stands over: those that it is the
    middle of, as many as there are, without those of another one.
    """
    ranges: list[tuple[int, int]] = []
    low = 1
    for place, (start, end, piece) in enumerate(line.placed):
        if start == 0:
            ranges.append((start, end))
            continue
        if place in line.ruled:
            ranges.append(line.ruled[place])
            low = ranges[-1][1]
            continue
        after = line.placed[place + 1][0] if place + 1 < len(line.placed) else len(columns)
        best = _middle_range(piece, (max(start, low), max(end, low + 1)), low, after, columns)
        ranges.append(best)
        low = best[1]
    return ranges


def _middle_range(
    piece: Piece, base: tuple[int, int], low: int, high: int, columns: Sequence[Column]
) -> tuple[int, int]:
    """The range of columns around the base whose middle is nearest to that of a header, the largest
    if there are several; the base itself if it is of several columns and that is their middle.
    """

    def off(start: int, end: int) -> float:
        return abs((columns[start].left + columns[end - 1].right) / 2 - piece.middle)

    start, end = base
    if end > len(columns):
        return start, min(end, len(columns))
    width = columns[end - 1].right - columns[start].left
    if end - start > 1 and off(start, end) <= 0.1 * width + 3:
        return base
    ranges = [(a, b) for a in range(low, start + 1) for b in range(end, max(end, high) + 1)] or [
        base
    ]
    several = [each for each in ranges if each[1] - each[0] > 1 and off(*each) <= NEAR_MIDDLE]
    if several and off(*base) > NEAR_MIDDLE:
        return min(several, key=lambda each: (each[1] - each[0], off(*each)))
    nearest = min(off(a, b) for a, b in ranges)
    near = [(a, b) for a, b in ranges if off(a, b) <= nearest + 3]
    return max(near, key=lambda each: each[1] - each[0])
