"""The tables of one page."""

from collections.abc import Iterator, Mapping, Sequence

from ingest.partition.pdf.page import Box, PageContent, Rule, Word
from ingest.partition.pdf.rows import (
    PrintedRow,
    is_leader,
    is_number,
    is_year,
    lines_text,
    words_to_lines,
    words_to_rows,
)
from ingest.partition.pdf.tables.building import build_cells
from ingest.partition.pdf.tables.candidates import find_candidates
from ingest.partition.pdf.tables.columns import Column, find_columns
from ingest.partition.pdf.tables.grid import FoundTable, GridCell, spread
from ingest.partition.pdf.tables.lattice import (
    Lattice,
    area_sides,
    find_lattices,
    merge_rules,
    merged_places,
)
from ingest.partition.pdf.tables.layout import split_zones
from ingest.partition.pdf.tables.upright import add_upright, single_lines, upright_lines

MAX_WORDS = 6_000  # of one page; more is no table that anybody reads
MIN_FILLED = 0.25  # of the places of a ruled grid; less is a chart or a form


def find_tables(page: PageContent) -> tuple[list[FoundTable], dict[int, int]]:
    """(tables, columns of running text): ruled tables and those that white space alone makes, from
    top to bottom; and, if there are several, the column that a word stands in, by its place.
    """
    if len(page.words) > MAX_WORDS:
        return [], {}
    free = dict(enumerate(page.words))
    found = _take_ruled_tables(page, free)
    places = {id(word): index for index, word in free.items()}
    level_words = [word for word in free.values() if not word.turned]
    zones = split_zones(words_to_rows(level_words), page.width)
    found += _unruled_tables(page, zones, places)
    found.sort(key=lambda table: (table.box.top, table.box.left))
    return found, _zone_numbers(zones, places) if len(zones) > 1 else {}


def _take_ruled_tables(page: PageContent, free: dict[int, Word]) -> list[FoundTable]:
    """free: words that are in no table yet, by their places."""
    found: list[FoundTable] = []
    for lattice in _lattices(page):
        table = _ruled_table(page, lattice, free)
        if table is not None:
            found.append(table)
            for index in table.words:
                free.pop(index, None)
    return found


def _unruled_tables(
    page: PageContent, zones: Sequence[Sequence[PrintedRow]], places: Mapping[int, int]
) -> Iterator[FoundTable]:
    """Those that white space makes, with the headers that are set upright."""
    level = merge_rules(page.drawing.level)
    upright = upright_lines(page.words)
    for rows in zones:
        for candidate in find_candidates(rows, level):
            table = _unruled_table(page, candidate.rows, candidate.columns, level, places)
            lines = [*upright, *single_lines(rows, places)]
            yield add_upright(table, candidate.columns, lines)


def _zone_numbers(
    zones: Sequence[Sequence[PrintedRow]], places: Mapping[int, int]
) -> dict[int, int]:
    return {
        places[id(word)]: number
        for number, rows in enumerate(zones)
        for row in rows
        for piece in row.pieces
        for word in piece.words
    }


def _lattices(page: PageContent) -> list[Lattice]:
    """Grids of ruled lines, small ones first, and after them those that filled areas make."""
    drawing = page.drawing
    ruled = find_lattices(drawing.level, drawing.upright)
    level, upright = area_sides(drawing.areas)
    filled = (
        find_lattices([*drawing.level, *level], [*drawing.upright, *upright])
        if level or upright
        else []
    )
    return [
        *sorted(ruled, key=lambda one: one.box.area),
        *sorted(filled, key=lambda one: one.box.area),
    ]


def _unruled_table(
    page: PageContent,
    rows: Sequence[PrintedRow],
    columns: Sequence[Column],
    level: Sequence[Rule],
    places: Mapping[int, int],
    *,
    ruled: bool = False,
) -> FoundTable:
    """places: of words among those of the page, by their ids."""
    box = Box(
        min(row.left for row in rows),
        rows[0].top,
        max(row.right for row in rows),
        rows[-1].bottom,
    )
    cells, height, head = build_cells(rows, columns, level)
    grid, spans = spread(cells, height, len(columns))
    words = frozenset(
        places[id(word)] for row in rows for piece in row.pieces for word in piece.words
    ) | frozenset(index for index, word in enumerate(page.words) if is_leader(word, box))
    return FoundTable(
        page.number,
        box,
        tuple(map(tuple, grid)),
        tuple(spans),
        min(head, height - 1),
        words,
        tuple(column.left for column in columns),
        ruled,
    )


# --- ruled ----------------------------------------------------------------------------------------


def _ruled_table(page: PageContent, lattice: Lattice, free: dict[int, Word]) -> FoundTable | None:
    if len(lattice.columns) < 3 and len(lattice.rows) < 3:
        return None
    box = lattice.box
    inside = {
        index: word
        for index, word in free.items()
        if box.holds((word.box.left + word.box.right) / 2, word.middle)
    }
    if all(word.turned for word in inside.values()):
        return None
    cells = _fill(lattice, inside)
    cells = _drop_needless(cells)
    rows, columns = _count(cells)
    filled = [cell for cell in cells if cell.words]
    if columns < 2 or rows < 2 or len(filled) < 3:
        return None
    if len(filled) < MIN_FILLED * len(cells) or not _has_pairs(filled):
        return None
    flat = [cell for cell in filled if not cell.words[0].turned]
    again = _open_lattice(page, lattice, inside, flat)
    if again is not None:
        return again
    if _is_frame(flat):
        return None
    grid, spans = spread(cells, rows, columns)
    return FoundTable(
        page.number,
        box,
        tuple(map(tuple, grid)),
        tuple(spans),
        _count_header_rows(cells, grid),
        frozenset(inside),
        tuple(lattice.columns),
        ruled=True,
    )


def _has_pairs(filled: Sequence[GridCell]) -> bool:
    """Whether two rows have two cells with text."""
    rows: dict[int, int] = {}
    for cell in filled:
        rows[cell.row] = rows.get(cell.row, 0) + 1
    return sum(count > 1 for count in rows.values()) >= 2


def _fill(lattice: Lattice, inside: dict[int, Word]) -> list[GridCell]:
    cells = [GridCell(*place) for place in merged_places(lattice)]
    by_place = {
        (row, column): cell
        for cell in cells
        for row in range(cell.row, cell.end_row)
        for column in range(cell.column, cell.end_column)
    }
    for _, word in sorted(inside.items()):
        row = _band(lattice.rows, word.middle)
        column = _band(lattice.columns, (word.box.left + word.box.right) / 2)
        by_place[row, column].words.append(word)
    return cells


def _band(marks: Sequence[float], value: float) -> int:
    for index in range(len(marks) - 2, -1, -1):
        if value >= marks[index]:
            return index
    return 0


def _drop_needless(cells: list[GridCell]) -> list[GridCell]:
    """The cells without the rows and columns that no text needs: those that are empty, and those
    that only cells over a neighbour reach into, such as the space between two lines of a frame.
    """
    height, width = _count(cells)
    rows = [r for r in range(height) if any(c.words and c.row <= r < c.end_row for c in cells)]
    columns = [
        x for x in range(width) if any(c.words and c.column <= x < c.end_column for c in cells)
    ]
    cells = _keep_places(cells, rows, columns)
    height, width = _count(cells)
    rows = _needed([(c.row, c.end_row) for c in cells if c.words], height)
    columns = _needed([(c.column, c.end_column) for c in cells if c.words], width)
    return _keep_places(cells, rows, columns)


def _needed(ranges: Sequence[tuple[int, int]], count: int) -> list[int]:
    """Places left when each that every cell shares with the one before or after it is dropped."""
    kept = list(range(count))
    at = 0
    while at < len(kept):
        place = kept[at]
        over = [(start, end) for start, end in ranges if start <= place < end]
        drop = False
        for other in (kept[at + 1] if at + 1 < len(kept) else None, kept[at - 1] if at else None):
            if other is not None and all(start <= other < end for start, end in over):
                drop = True
        if drop:
            kept.pop(at)
        else:
            at += 1
    return kept


def _keep_places(
    cells: Sequence[GridCell], rows: Sequence[int], columns: Sequence[int]
) -> list[GridCell]:
    row_at = {old: new for new, old in enumerate(rows)}
    column_at = {old: new for new, old in enumerate(columns)}
    kept = []
    for cell in cells:
        down = [row_at[r] for r in range(cell.row, cell.end_row) if r in row_at]
        across = [column_at[c] for c in range(cell.column, cell.end_column) if c in column_at]
        if down and across:
            kept.append(GridCell(down[0], across[0], down[-1] + 1, across[-1] + 1, cell.words))
    return kept


def _count(cells: Sequence[GridCell]) -> tuple[int, int]:
    return (
        max((cell.end_row for cell in cells), default=0),
        max((cell.end_column for cell in cells), default=0),
    )


def _count_header_rows(cells: Sequence[GridCell], grid: Sequence[Sequence[str]]) -> int:
    """Rows above the first with a figure beside its first column, down to the first that names the
    first column, too.
    """
    tall = {cell.end_row for cell in cells if cell.row == 0 and cell.column == 0}
    least = max(tall, default=1)
    for number, row in enumerate(grid):
        if any(text and is_number(text) and not is_year(text) for text in row[1:]):
            return number if number < len(grid) else 0
        if number >= least and grid[number - 1][0] and grid[number - 1] != row:
            return number
    return 1 if len(grid) > 1 else 0


def _open_lattice(
    page: PageContent, lattice: Lattice, inside: dict[int, Word], filled: Sequence[GridCell]
) -> FoundTable | None:
    """The table built from its white space if its lines leave rows or columns unparted."""
    rows = words_to_rows(word for word in inside.values() if not word.turned)
    if not _has_stacked_rows(filled) and not _has_hidden_columns(filled, rows):
        return None
    posts = lattice.columns[1:-1]
    columns = find_columns(rows, posts)
    if len(columns) < 2:
        return None
    places = {id(word): index for index, word in inside.items()}
    level = list(merge_rules(page.drawing.level))
    table = _unruled_table(page, rows, columns, level, places, ruled=True)
    return add_upright(table, columns, upright_lines(page.words))


def _has_stacked_rows(filled: Sequence[GridCell]) -> bool:
    """Whether cells beside each other hold several rows each: of figures, or of short names in lines
    of one height.
    """
    figures: dict[int, int] = {}
    names: dict[tuple[int, tuple[int, ...]], int] = {}
    for cell in filled:
        if len(cell.words) < 2:
            continue
        texts = lines_text(cell.words)
        if len(texts) > 1 and all(map(is_number, texts)):
            figures[cell.row] = figures.get(cell.row, 0) + 1
        named = not any(text[:1].islower() or len(text.split()) > 4 for text in texts)
        if len(texts) > 2 and named:
            lines = words_to_lines(cell.words)
            key = cell.row, tuple(round(line[0].baseline / 2) for line in lines)
            names[key] = names.get(key, 0) + 1
    return any(count >= 2 for count in (*figures.values(), *names.values()))


def _is_frame(filled: Sequence[GridCell]) -> bool:
    """Whether one cell holds most of the words in many lines: a page in a frame, not a table."""
    words = [len(cell.words) for cell in filled]
    largest = filled[words.index(max(words))]
    rows = words_to_rows(largest.words)
    tabular = sum(len(row.pieces) > 1 for row in rows)
    return len(rows) > 5 and (2 * max(words) > sum(words) or tabular > 3)


def _has_hidden_columns(filled: Sequence[GridCell], rows: Sequence[PrintedRow]) -> bool:
    """Whether in many rows the figures of one cell stand apart as those of several do."""
    apart = 0
    for cell in filled:
        for row in words_to_rows(cell.words) if len(cell.words) > 1 else ():
            apart += len(row.pieces) > 1 and any(piece.numeric for piece in row.pieces[1:])
    return apart >= 3 and apart > 0.3 * len(rows)
