"""Headers that share columns evenly: years, each over the same names."""

from collections.abc import Mapping, Sequence

from ingest.partition.pdf.rows import PrintedPiece
from ingest.partition.pdf.tables.columns import Column

SLACK = 3.0  # points that the middle of a header may be beside its columns


def share_columns(
    pieces: Sequence[PrintedPiece], names: Mapping[int, str], columns: Sequence[Column]
) -> dict[int, tuple[int, int]]:
    """The columns that each header of a row stands over, by its place in the row, if the names below
    repeat as often as there are headers; nothing if they do not.

    names: what stands below, by column. Whether a header is set left, right or to the middle of its
    columns then says nothing.
    """
    for count in range(len(pieces), 1, -1):
        for size in range(len(columns) // count, 1, -1):
            for start in range(len(columns) - count * size + 1):
                groups = [(start + k * size, start + (k + 1) * size) for k in range(count)]
                if not _repeat(groups, names):
                    continue
                shared = _one_each(pieces, groups, columns)
                if shared:
                    return shared
    return {}


def _repeat(groups: Sequence[tuple[int, int]], names: Mapping[int, str]) -> bool:
    """Whether all groups of columns have the same names, no two of one group alike."""
    first, *others = [[names.get(place, "") for place in range(*group)] for group in groups]
    return all(first) and len(set(first)) == len(first) and all(one == first for one in others)


def _one_each(
    pieces: Sequence[PrintedPiece], groups: Sequence[tuple[int, int]], columns: Sequence[Column]
) -> dict[int, tuple[int, int]]:
    """The groups by the header over each; nothing if one has none or several."""
    shared: dict[int, tuple[int, int]] = {}
    for start, end in groups:
        left, right = columns[start].left - SLACK, columns[end - 1].right + SLACK
        over = [place for place, piece in enumerate(pieces) if left <= piece.middle <= right]
        if len(over) != 1:
            return {}
        shared[over[0]] = start, end
    return shared
