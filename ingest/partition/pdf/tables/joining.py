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
    """Whether the lower table begins with names of columns. One of words alone cannot be told from
    one without them: it has none if the upper one is of words, too.
    """
    return bool(below.header_rows) and not (below.words_only and above.words_only)


def carry_over(above: FoundTable, below: FoundTable) -> FoundTable:
    """The lower part as a table that can be understood alone: under the header, the name and the
    unit of the upper one. Each part stays on its own page, where its rows are cited from.
    """
    head = above.header_rows
    rows, spans = below.rows, below.spans
    if head and not _repeats_header(above, below):
        rows = above.rows[:head] + rows
        spans = tuple(span for span in above.spans if span[0] + span[2] <= head) + tuple(
            (row + head, column, height, width) for row, column, height, width in spans
        )
    return replace(
        below,
        rows=rows,
        spans=spans,
        header_rows=head,
        caption=above.caption,
        notes=above.notes,
    )
