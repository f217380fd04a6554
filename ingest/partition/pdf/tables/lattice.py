"""Ruled tables: lines that cross make a grid, and what no line parts is one cell."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.partition.pdf.page import Box, FilledArea, Rule

NEAR = 3.0  # points between lines that are meant to be one, or to meet
MAX_RULES = 1_500  # in either direction; more is a drawing
MAX_PLACES = 12_000  # of one grid; more is squared paper
WHITE = 0xFFFFFF
COVERED = 0.55  # of a cell's side; a line over so much of it parts it from its neighbour


@dataclass(slots=True)
class Lattice:
    """Where columns and rows part, and which sides of the places are ruled."""

    columns: list[float]
    rows: list[float]
    left_of: list[list[bool]]  # [row][column]: a line stands at the left of this place
    above: list[list[bool]]

    @property
    def box(self) -> Box:
        return Box(self.columns[0], self.rows[0], self.columns[-1], self.rows[-1])


def find_lattices(level: Sequence[Rule], upright: Sequence[Rule]) -> list[Lattice]:
    """Every group of lines that cross each other, as a grid with at least two columns or rows."""
    flat, tall = merge_rules(level), merge_rules(upright)
    if not flat or not tall or len(flat) > MAX_RULES or len(tall) > MAX_RULES:
        return []
    found = []
    for lines, posts in _components(flat, tall):
        if len(lines) >= 2:
            made = _make_lattice(lines, posts)
            if made is not None:
                found.append(made)
    return found


def area_sides(areas: Sequence[FilledArea]) -> tuple[list[Rule], list[Rule]]:
    """The sides of filled areas, level and upright, without those where one colour goes on."""
    level: list[Rule] = []
    upright: list[Rule] = []
    seen: dict[tuple[int, int, str], set[int]] = defaultdict(set)
    areas = [area for area in areas if area.square and area.colour != WHITE][:MAX_RULES]
    for area in areas:
        box = area.box
        for at, side in ((box.top, "top"), (box.bottom, "bottom")):
            seen[round(at), round((box.left + box.right) / 8), side].add(area.colour)
        for at, side in ((box.left, "left"), (box.right, "right")):
            seen[round(at), round((box.top + box.bottom) / 8), side].add(area.colour)
    for area in areas:
        box = area.box
        across, down = round((box.left + box.right) / 8), round((box.top + box.bottom) / 8)
        if area.colour not in seen[round(box.top), across, "bottom"]:
            level.append(Rule(box.top, box.left, box.right))
        if area.colour not in seen[round(box.bottom), across, "top"]:
            level.append(Rule(box.bottom, box.left, box.right))
        if area.colour not in seen[round(box.left), down, "right"]:
            upright.append(Rule(box.left, box.top, box.bottom))
        if area.colour not in seen[round(box.right), down, "left"]:
            upright.append(Rule(box.right, box.top, box.bottom))
    return level, upright


def merge_rules(rules: Sequence[Rule]) -> list[Rule]:
    """Lines with pieces of one line, and lines drawn twice, made one."""
    if not rules:
        return []
    groups: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if groups and rule.at - groups[-1][0].at <= NEAR * 0.75:
            groups[-1].append(rule)
        else:
            groups.append([rule])
    return [rule for group in groups for rule in _join_pieces(group)]


def _join_pieces(group: Sequence[Rule]) -> Iterator[Rule]:
    """Lines that stand in one place, those that touch made one."""
    at = sum(rule.at * (rule.end - rule.start) for rule in group) / max(
        1e-6, sum(rule.end - rule.start for rule in group)
    )
    first, *others = sorted(group, key=lambda rule: rule.start)
    start, end = first.start, first.end
    for rule in others:
        if rule.start <= end + NEAR:
            end = max(end, rule.end)
            continue
        yield Rule(at, start, end)
        start, end = rule.start, rule.end
    yield Rule(at, start, end)


def _components(flat: Sequence[Rule], tall: Sequence[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Lines grouped by what crosses or touches what."""
    ys = np.array([rule.at for rule in flat])[:, None]
    x0 = np.array([rule.start for rule in flat])[:, None] - NEAR
    x1 = np.array([rule.end for rule in flat])[:, None] + NEAR
    xs = np.array([rule.at for rule in tall])[None, :]
    y0 = np.array([rule.start for rule in tall])[None, :] - NEAR
    y1 = np.array([rule.end for rule in tall])[None, :] + NEAR
    meets = (x0 <= xs) & (xs <= x1) & (y0 <= ys) & (ys <= y1)
    parent = list(range(len(flat) + len(tall)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for line, post in np.argwhere(meets).tolist():
        parent[root(line)] = root(len(flat) + post)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for index, rule in enumerate(flat):
        groups[root(index)][0].append(rule)
    for index, rule in enumerate(tall):
        groups[root(len(flat) + index)][1].append(rule)
    return [group for group in groups.values() if group[0] and group[1]]


def _make_lattice(lines: Sequence[Rule], posts: Sequence[Rule]) -> Lattice | None:
    left = min(min(rule.start for rule in lines), min(rule.at for rule in posts))
    right = max(max(rule.end for rule in lines), max(rule.at for rule in posts))
    top = min(min(rule.start for rule in posts), min(rule.at for rule in lines))
    bottom = max(max(rule.end for rule in posts), max(rule.at for rule in lines))
    columns = _marks([left, right, *(rule.at for rule in posts)])
    rows = _marks([top, bottom, *(rule.at for rule in lines)])
    height, width = len(rows) - 1, len(columns) - 1
    if height < 1 or width < 1 or height * width > MAX_PLACES:
        return None
    left_of = [[False] * width for _ in range(height)]
    above = [[False] * width for _ in range(height)]
    for rule in posts:
        column = _nearest(columns, rule.at)
        if 0 < column < width:
            for row in range(height):
                if _covers(rule, rows[row], rows[row + 1]):
                    left_of[row][column] = True
    for rule in lines:
        row = _nearest(rows, rule.at)
        if 0 < row < height:
            for column in range(width):
                if _covers(rule, columns[column], columns[column + 1]):
                    above[row][column] = True
    return Lattice(columns, rows, left_of, above)


def _marks(values: Sequence[float]) -> list[float]:
    """The values in order, those that are nearly the same once."""
    marks: list[float] = []
    for value in sorted(values):
        if not marks or value - marks[-1] > NEAR:
            marks.append(value)
    return marks


def _nearest(marks: Sequence[float], value: float) -> int:
    return min(range(len(marks)), key=lambda index: abs(marks[index] - value))


def _covers(rule: Rule, start: float, end: float) -> bool:
    return min(rule.end, end) - max(rule.start, start) >= COVERED * (end - start)


def merged_places(lattice: Lattice) -> list[tuple[int, int, int, int]]:
    """(row, column, end row, end column) of every cell: places that no line parts, as rectangles.

    Where what is not parted is no rectangle, lines across are believed first.
    """
    height, width = len(lattice.rows) - 1, len(lattice.columns) - 1
    taken = [[False] * width for _ in range(height)]
    cells = []
    for row in range(height):
        for column in range(width):
            if taken[row][column]:
                continue
            end_column = column + 1
            while (
                end_column < width
                and not lattice.left_of[row][end_column]
                and not taken[row][end_column]
            ):
                end_column += 1
            end_row = row + 1
            while end_row < height and _goes_on(lattice, end_row, column, end_column, taken):
                end_row += 1
            for y in range(row, end_row):
                for x in range(column, end_column):
                    taken[y][x] = True
            cells.append((row, column, end_row, end_column))
    return cells


def _goes_on(
    lattice: Lattice, row: int, column: int, end_column: int, taken: list[list[bool]]
) -> bool:
    """Whether a cell over these columns reaches into this row."""
    if any(lattice.above[row][x] or taken[row][x] for x in range(column, end_column)):
        return False
    if any(lattice.left_of[row][x] for x in range(column + 1, end_column)):
        return False
    if column and not lattice.left_of[row][column]:
        return False
    return end_column >= len(lattice.columns) - 1 or lattice.left_of[row][end_column]
