"""Tables that go on over pages."""

from collections.abc import Sequence
from dataclasses import replace

from ingest.partition.pdf.tables.grid import FoundTable

SAME_COLUMN = 14.0  # points between columns of two pages that are one


def continues(above: FoundTable, below: FoundTable) -> bool:
    """Whether a table at the top of a page goes on with the one at the end of the page before."""
    if len(above.rows[0]) != len(below.rows[0]) or not _same_columns(above, below):
        return False
    if below.caption and below.caption != above.caption:
        return "continued" in below.caption.casefold() or "fortsetzung" in below.caption.casefold()
    return _repeats_header(above, below) or not _has_own_header(above, below)


def _same_columns(above: FoundTable, below: FoundTable) -> bool:
    return all(
        abs(one - other) <= SAME_COLUMN
        for one, other in zip(above.columns, below.columns, strict=False)
    )


def _repeats_header(above: FoundTable, below: FoundTable) -> bool:
    count = above.header_rows
    return count > 0 and [_fold(row) for row in above.rows[:count]] == [
        _fold(row) for row in below.rows[:count]
    ]


def _fold(row: Sequence[str]) -> list[str]:
    return ["".join(cell.split()).casefold() for cell in row]


def _has_own_header(above: FoundTable, below: FoundTable) -> bool:
    """Whether the lower table begins with names of columns: it has figures, but not in its first
    row, or all its columns are named there.
    """
    if not below.header_rows:
        return False
    return not below.words_only or not above.words_only


def join_pages(tables: Sequence[FoundTable]) -> FoundTable:
    """One table of parts on pages that follow each other; repeated headers are left out."""
    first = tables[0]
    rows, spans, pages = list(first.rows), list(first.spans), list(first.row_pages)
    for part in tables[1:]:
        skip = first.header_rows if _repeats_header(first, part) else 0
        shift = len(rows) - skip
        rows += part.rows[skip:]
        pages += part.row_pages[skip:]
        spans += [
            (row + shift, column, height, width)
            for row, column, height, width in part.spans
            if row >= skip
        ]
    return replace(first, rows=tuple(rows), spans=tuple(spans), row_pages=tuple(pages))
