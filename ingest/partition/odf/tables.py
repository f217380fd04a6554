"""Tables in the text of OpenDocument files."""

from lxml import etree

from ingest.partition.odf.state import OdfGrid, OdfStory, release_in_place, start_flow
from ingest.partition.office.grids import Placed, cell_text, spread, table_elements
from ingest.partition.office.package import number_of, release, value_of
from ingest.partition.office.story import Handlers
from ingest.partition.tables import MAX_SPAN

MAX_REPEATED = 64  # cells that one stands for


def _start(story: OdfStory, node: etree._Element) -> None:
    story.grids.append(OdfGrid())


def _start_header_rows(story: OdfStory, node: etree._Element) -> None:
    if story.grids:
        story.grids[-1].in_header = True


def _end_header_rows(story: OdfStory, node: etree._Element) -> None:
    if story.grids:
        story.grids[-1].in_header = False


def _start_row(story: OdfStory, node: etree._Element) -> None:
    if story.grids:
        grid = story.grids[-1]
        grid.row, grid.column = grid.row + 1, 0
        grid.header_rows += grid.in_header


def _end_row(story: OdfStory, node: etree._Element) -> None:
    release(node)


def _end_cell(story: OdfStory, node: etree._Element) -> None:
    story.blocks += 1
    text = cell_text(story.close_flow())
    if story.grids:
        grid = story.grids[-1]
        across = _count(node, "number-columns-spanned", MAX_SPAN)
        down = _count(node, "number-rows-spanned", MAX_SPAN)
        for _ in range(_count(node, "number-columns-repeated", MAX_REPEATED)):
            grid.placed.append(Placed(grid.row, grid.column, text, down, across))
            grid.column += 1
    release(node)


def _end_covered(story: OdfStory, node: etree._Element) -> None:
    inner = story.close_flow()
    if story.grids:
        grid = story.grids[-1]
        if inner:
            grid.placed.append(Placed(grid.row, grid.column, cell_text(inner)))
        grid.column += _count(node, "number-columns-repeated", MAX_REPEATED)
    release(node)


def _count(node: etree._Element, name: str, limit: int) -> int:
    return min(max(1, number_of(value_of(node, name), 1)), limit)


def _end(story: OdfStory, node: etree._Element) -> None:
    if story.grids:
        grid = story.grids.pop()
        rows, spans = spread(grid.placed, grid.row + 1)
        story.flow.elements += table_elements(
            rows, spans, header_rows=grid.header_rows or None, page=story.page
        )
        story.end_block()
    release_in_place(node)


TABLES: Handlers[OdfStory] = {
    ("start", "table"): _start,
    ("start", "table-header-rows"): _start_header_rows,
    ("end", "table-header-rows"): _end_header_rows,
    ("start", "table-row"): _start_row,
    ("end", "table-row"): _end_row,
    ("start", "table-cell"): start_flow,
    ("end", "table-cell"): _end_cell,
    ("start", "covered-table-cell"): start_flow,
    ("end", "covered-table-cell"): _end_covered,
    ("end", "table"): _end,
}
