"""Charts, formulas, other objects and pictures inside OpenDocument files."""

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.odf.text import squeeze
from ingest.partition.office.package import Package, local, value_of
from ingest.partition.office.pictures import Pictures
from ingest.partition.tables import make_table


def image_elements(
    package: Package, pictures: Pictures, node: etree._Element, page: int | None
) -> list[Element]:
    """The text in a picture, unless it only shows how something else looks."""
    name = _target_of(node)
    before = {local(each) for each in node.itersiblings(preceding=True)}
    if before & {"object", "table", "image"} or name not in package.names:
        return []
    return pictures.read(name, page)


def object_elements(
    package: Package, work: ParseContext, node: etree._Element, page: int | None
) -> list[Element]:
    """What an embedded object says; one that nothing here reads is counted."""
    name = _target_of(node)
    root = package.xml(f"{name}/content.xml") if name else None
    if root is not None:
        return _content_elements(root, page)
    if name in package.names:
        work.lose("part", 1, "embedded objects", "of kinds that nothing here reads")
    return []


def _target_of(node: etree._Element) -> str:
    return (value_of(node, "href") or "").removeprefix("./")


def _content_elements(root: etree._Element, page: int | None) -> list[Element]:
    """An embedded chart as its table, a formula as its line of text, anything else as paragraphs."""
    if local(root) == "math":
        note = next(root.iter("{*}annotation"), None)
        said = (note.text or "") if note is not None else "".join(root.itertext())
        text = squeeze(said)
        return [Element(kind="text", text=text, page=page)] if text else []
    title = " ".join(" ".join("".join(each.itertext()).split()) for each in root.iter("{*}title"))
    rows = [
        [" ".join("".join(cell.itertext()).split()) for cell in row.iterchildren("{*}table-cell")]
        for row in root.iter("{*}table-row")
    ]
    if any(any(row) for row in rows):
        return [make_table(rows, header_rows=1, header_columns=1, caption=title, page=page)]
    texts = (squeeze("".join(each.itertext())) for each in root.iter("{*}p"))
    return [Element(kind="text", text=text, page=page) for text in texts if text]
