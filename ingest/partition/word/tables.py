"""Tables of Word files: rows and cells as they come, then the grid, or the blocks of a mere layout."""

from collections.abc import Iterator

from lxml import etree

from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.office.grids import Placed, cell_text, spread, table_elements
from ingest.partition.office.package import child, is_on, number_of, release, value_of
from ingest.partition.office.story import Handlers
from ingest.partition.word.looks import DELETED, fill_of
from ingest.partition.word.paragraphs import close_flow
from ingest.partition.word.state import WordCell, WordFlow, WordRow, WordStory, WordTable


def _start(story: WordStory, node: etree._Element) -> None:
    story.begin("tbl", _finish)
    story.tables.append(WordTable())


def _read_properties(story: WordStory, node: etree._Element) -> None:
    if story.tables:
        table = story.tables[-1]
        table.caption = clean(value_of(child(node, "tblCaption")) or "").strip()
        style = story.styles.style(value_of(child(node, "tblStyle")))
        table.shaded = style.shaded or fill_of(node) is not None


def _start_row(story: WordStory, node: etree._Element) -> None:
    if story.tables:
        story.tables[-1].rows.append(WordRow())


def _read_row_properties(story: WordStory, node: etree._Element) -> None:
    if story.tables and story.tables[-1].rows:
        row = story.tables[-1].rows[-1]
        row.header = is_on(child(node, "tblHeader"))
        row.before = number_of(value_of(child(node, "gridBefore")))
        if child(node, "del") is not None:
            row.unseen = DELETED
        elif is_on(child(node, "hidden")):
            row.unseen = "in hidden rows"


def _end_row(story: WordStory, node: etree._Element) -> None:
    release(node)


def _start_cell(story: WordStory, node: etree._Element) -> None:
    story.blocks += 1
    story.begin("tc", _finish_cell)
    flow = WordFlow(boxed=story.flow.boxed)
    story.flows.append(flow)
    if story.tables:
        rows = story.tables[-1].rows
        if not rows:
            rows.append(WordRow())
        rows[-1].cells.append(WordCell(flow))


def _read_cell_properties(story: WordStory, node: etree._Element) -> None:
    if story.tables and story.tables[-1].rows and story.tables[-1].rows[-1].cells:
        cell = story.tables[-1].rows[-1].cells[-1]
        cell.across = max(1, number_of(value_of(child(node, "gridSpan")), 1))
        merge = child(node, "vMerge")
        cell.merge = (value_of(merge) or "continue") if merge is not None else ""
        cell.deleted = child(node, "cellDel") is not None
        cell.flow.boxed = cell.flow.boxed or fill_of(node) is not None


def _end_cell(story: WordStory, node: etree._Element) -> None:
    if finish := story.end("tc"):
        finish(story)
    release(node)


def _finish_cell(story: WordStory) -> None:
    inner = close_flow(story)
    if not story.tables:
        story.flow.elements += inner.elements


def _end(story: WordStory, node: etree._Element) -> None:
    if finish := story.end("tbl"):
        finish(story)
    release(node)


def _finish(story: WordStory) -> None:
    table, flow = story.tables.pop(), story.flow
    rows = [row for row in table.rows if _keeps(story, row)]
    if _is_layout(rows):
        flow.elements += [each for row in rows for cell in row.cells for each in cell.flow.elements]
    else:
        caption = table.caption
        if flow.caption is not None and flow.elements and flow.elements[-1] is flow.caption:
            caption = flow.elements.pop().text
        flow.elements += _grid_elements(rows, caption)
    flow.caption = None
    story.end_block()


def _keeps(story: WordStory, row: WordRow) -> bool:
    """Whether the row stays, with the marks of hidden text if it is kept for these only."""
    for cell in row.cells:
        why = row.unseen or (DELETED if cell.deleted else "")
        if why:
            shown = story.work.hide(cell_text(cell.flow.elements), why)
            cell.flow.elements = [Element(kind="text", text=shown)] if shown else []
    return not row.unseen or any(cell.flow.elements for cell in row.cells)


def _is_layout(rows: list[WordRow]) -> bool:
    """Whether the table only places things: one column, or one row with whole sections in it."""
    if all(len(row.cells) <= 1 for row in rows):
        return True
    return len(rows) == 1 and any(
        len(cell.flow.elements) > 3
        or any(each.kind in ("heading", "table") for each in cell.flow.elements)
        for cell in rows[0].cells
    )


def _grid_elements(rows: list[WordRow], caption: str) -> Iterator[Element]:
    placed: list[Placed] = []
    open_merges: dict[int, int] = {}  # column → place in `placed`
    for number, row in enumerate(rows):
        column = row.before
        for cell in row.cells:
            text, above = cell_text(cell.flow.elements), open_merges.get(column)
            if cell.merge == "continue" and above is not None and not text:
                top = placed[above]
                height = number - top.row + 1
                placed[above] = Placed(top.row, top.column, top.text, height, top.width)
            else:
                open_merges.pop(column, None)
                if cell.merge:
                    open_merges[column] = len(placed)
                placed.append(Placed(number, column, text, 1, cell.across))
            column += cell.across
    grid, spans = spread(placed, len(rows))
    marked = next((i for i, row in enumerate(rows) if not row.header), len(rows))
    yield from table_elements(grid, spans, header_rows=marked or None, caption=caption)


TABLES: Handlers[WordStory] = {
    ("start", "tbl"): _start,
    ("end", "tblPr"): _read_properties,
    ("start", "tr"): _start_row,
    ("end", "trPr"): _read_row_properties,
    ("end", "tr"): _end_row,
    ("start", "tc"): _start_cell,
    ("end", "tcPr"): _read_cell_properties,
    ("end", "tc"): _end_cell,
    ("end", "tbl"): _end,
}
