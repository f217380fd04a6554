"""What stands around the cells of an Excel file: text boxes, charts, pictures, comments."""

from collections.abc import Iterator, Mapping, Sequence

from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.office.drawings import (
    chart_elements,
    diagram_elements,
    paragraphs,
    without_fallbacks,
)
from ingest.partition.office.package import Package, child, local, number_of, value_of
from ingest.partition.office.pictures import Pictures
from ingest.partition.sheets.values import rich_text

_THREADED = "[Threaded comment]"


def elements_around(
    package: Package, pictures: Pictures, kinds: Mapping[str, Sequence[str]]
) -> Iterator[Element]:
    """kinds: the names of the parts that the sheet points at, by the kind of relation."""
    for name in kinds.get("drawing", ()):
        yield from _drawing(package, pictures, name)
    threaded = list(kinds.get("threadedComment", ()))
    for name in threaded:
        yield from _threads(package, name)
    for name in kinds.get("comments", ()):
        yield from _comments(package, name, bool(threaded))


def _drawing(package: Package, pictures: Pictures, name: str) -> Iterator[Element]:
    part = package.part(name)
    if part is None:
        return
    without_fallbacks(part.root)
    for node in part.root.iter("{*}sp", "{*}chart", "{*}relIds", "{*}blip"):
        kind = local(node)
        if kind == "sp":
            text = "\n".join(paragraphs(node))
            if text:
                yield Element(kind="text", text=text)
            continue
        key = {"relIds": "dm", "blip": "embed"}.get(kind, "id")
        relation = part.relations.get(value_of(node, key) or "")
        if relation is None:
            continue
        if kind == "chart":
            yield from chart_elements(package, relation.target)
        elif kind == "relIds":
            yield from diagram_elements(package, relation.target)
        else:
            yield from pictures.read(relation.target)


def _comments(package: Package, name: str, threaded: bool) -> Iterator[Element]:
    root = package.xml(name)
    if root is None:
        return
    authors = [clean(node.text or "").strip() for node in root.iter("{*}author")]
    for node in root.iter("{*}comment"):
        text = rich_text(node).strip()
        if not text or (threaded and text.startswith(_THREADED)):
            continue
        at = number_of(value_of(node, "authorId"), -1)
        author = authors[at] if 0 <= at < len(authors) else ""
        text = text.removeprefix(f"{author}:").strip() if author else text
        by = f" by {author}" if author and not author.startswith("tc=") else ""
        yield Element(kind="text", text=f"Comment on {value_of(node, 'ref')}{by}: {text}")


def _threads(package: Package, name: str) -> Iterator[Element]:
    root = package.xml(name)
    for node in root.iter("{*}threadedComment") if root is not None else ():
        said = child(node, "text")
        text = clean(said.text or "").strip() if said is not None else ""
        if text:
            yield Element(kind="text", text=f"Comment on {value_of(node, 'ref')}: {text}")
