"""What the three Office formats share beside text: paragraphs of DrawingML, charts, SmartArt."""

from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from ingest.elements import Element
from ingest.partition.encodings import clean
from ingest.partition.notation import lowered, raised
from ingest.partition.office.number_formats import format_number
from ingest.partition.office.omml import linear_text
from ingest.partition.office.package import Package, child, local, number_of, value_of
from ingest.partition.tables import make_table

MAX_POINTS = 100_000  # of one series of a chart
SLIDE_NUMBER = "slidenum"


def paragraph_text(node: etree._Element) -> str:
    """The text of one DrawingML paragraph, formulas in their place, slide numbers left out."""
    letters: list[str] = []
    pending = [node]
    while pending:
        piece = pending.pop()
        name = local(piece)
        if name == "t":
            letters.append(_shifted(letters, piece))
        elif name == "br":
            letters.append("\n")
        elif name == "tab":
            letters.append("\t")
        elif name == "oMath":
            letters.append(linear_text(piece))
        elif name == "AlternateContent":
            pending += reversed(_chosen(piece))
        elif name not in ("pPr", "rPr", "endParaRPr") and not _is_slide_number(piece):
            pending += reversed(piece)
    return clean("".join(letters)).replace("\u00ad", "").replace("\x0b", "\n").strip()


def _shifted(before: Sequence[str], letters: etree._Element) -> str:
    """Letters with a sign if they are raised or lowered."""
    text = letters.text or ""
    shift = number_of(value_of(child(letters.getparent(), "rPr"), "baseline"))
    if not shift or not text.strip():
        return text
    return (raised if shift > 0 else lowered)(before[-1] if before else "", text)


def _is_slide_number(node: etree._Element) -> bool:
    return local(node) == "fld" and value_of(node, "type") == SLIDE_NUMBER


def _chosen(node: etree._Element) -> list[etree._Element]:
    """The first of its alternatives."""
    choice = child(node, "Choice")
    return list(choice if choice is not None else node)


def without_fallbacks(root: etree._Element) -> None:
    """Takes what only old programs show out of the tree, where there is something else to show."""
    for node in list(root.iter("{*}AlternateContent")):
        if child(node, "Choice") is not None:
            for other in list(node.iterchildren("{*}Fallback")):
                node.remove(other)


def paragraphs(root: etree._Element) -> Iterator[str]:
    for node in root.iter("{*}p"):
        text = paragraph_text(node)
        if text:
            yield text


# --- charts -------------------------------------------------------------------------------------


def chart_elements(package: Package, name: str, page: int | None = None) -> Iterator[Element]:
    """A chart as the table that it was drawn from: categories down, series across. Its title is the
    caption, the titles of its axes are notes.
    """
    root = package.xml(name)
    if root is None:
        return
    without_fallbacks(root)
    titles = {
        text: local(each.getparent())
        for each in root.iter("{*}title")
        if (text := " ".join(paragraphs(each)) or " ".join(_points(each, "strCache")))
    }
    caption = next((text for text, above in titles.items() if above == "chart"), "")
    notes = [text for text in titles if text != caption]
    header, rows = _extended_series(root) if _is_extended(root) else _series(root)
    has_values = any(any(row) for row in rows)
    if has_values:
        yield make_table(
            [header, *rows],
            header_rows=1,
            header_columns=1,
            caption=caption,
            notes=notes,
            page=page,
        )
    for text in dict.fromkeys(paragraphs(root)):  # labels that somebody typed
        if not has_values or text not in titles:
            yield Element(kind="text", text=text, page=page)


def _is_extended(root: etree._Element) -> bool:
    return local(root) == "chartSpace" and child(root, "chartData") is not None


def _series(root: etree._Element) -> tuple[list[str], list[list[str]]]:
    header, labels, columns = [""], [""], []
    for series in root.iter("{*}ser"):
        header.append(" ".join(_points_of(series, "tx")))
        columns.append(_points_of(series, "val", "yVal"))
        own = _points_of(series, "cat", "xVal")
        labels = own if len(own) > len(labels) or labels == [""] else labels
        if child(series, "bubbleSize") is not None:
            header.append("")
            columns.append(_points_of(series, "bubbleSize"))
    height = max(map(len, columns), default=0)
    rows = [[_at(labels, row), *(_at(column, row) for column in columns)] for row in range(height)]
    return header, rows


def _points_of(series: etree._Element, *names: str) -> list[str]:
    """The stored values of the first of these parts that the series has."""
    parts = (child(series, name) for name in names)
    return next((_points(part) for part in parts if part is not None), [])


def _points(holder: etree._Element, cache: str = "") -> list[str]:
    """The stored values of a series at their places; of several levels of categories, all in one."""
    levels = list(holder.iter("{*}lvl")) or [holder]
    merged: dict[int, list[str]] = {}
    for level in reversed(levels):
        code = next((each.text for each in level.iter("{*}formatCode")), None) or "General"
        last = ""
        found = {
            number_of(value_of(point, "idx")): _value(point, code) for point in level.iter("{*}pt")
        }
        top = min(max(found, default=-1) + 1, MAX_POINTS)
        for at in range(top):
            last = found.get(at, last if len(levels) > 1 else "")
            merged.setdefault(at, []).append(last)
    if not merged:
        return [clean(each.text or "").strip() for each in holder.iter("{*}v")]
    return [" ".join(filter(None, merged.get(at, []))) for at in range(max(merged) + 1)]


def _value(point: etree._Element, code: str) -> str:
    value = child(point, "v")
    text = clean((value.text if value is not None else point.text) or "").strip()
    try:
        return format_number(float(text), value_of(point, "formatCode") or code) or text
    except ValueError:
        return text


def _extended_series(root: etree._Element) -> tuple[list[str], list[list[str]]]:
    """Charts of the newer kind: their data stand apart from their series."""
    header, columns, labels = [""], [], [""]
    for data in root.iter("{*}data"):
        for dimension in data.iterchildren("{*}strDim"):
            labels = _points(dimension) or labels
        for dimension in data.iterchildren("{*}numDim"):
            columns.append(_points(dimension))
            header.append("")
    names = [" ".join(_points(named)) for named in root.iter("{*}tx")]
    for place, name in enumerate(names[: len(columns)], start=1):
        header[place] = name
    height = max(map(len, [labels, *columns]), default=0)
    return header, [
        [_at(labels, row), *(_at(each, row) for each in columns)] for row in range(height)
    ]


def _at(column: Sequence[str], row: int) -> str:
    return column[row] if row < len(column) else ""


# --- SmartArt -----------------------------------------------------------------------------------


def diagram_elements(package: Package, name: str, page: int | None = None) -> Iterator[Element]:
    """The texts of a SmartArt drawing as list items, each with those that hang from it after it."""
    root = package.xml(name)
    if root is None:
        return
    said = {
        value_of(node, "modelId"): "\n".join(paragraphs(node))
        for node in root.iter("{*}pt")
        if value_of(node, "type") in (None, "node", "asst", "doc")
    }
    below: dict[str | None, list[tuple[int, str | None]]] = {}
    for node in root.iter("{*}cxn"):
        if value_of(node, "type") in (None, "parOf"):
            link = number_of(value_of(node, "srcOrd")), value_of(node, "destId")
            below.setdefault(value_of(node, "srcId"), []).append(link)
    hanging = {target for points in below.values() for _, target in points}
    tops = [point for point in said if point not in hanging]
    # those that only a ring of connections holds come last
    for point in dict.fromkeys((*_downwards(tops, below), *said)):
        if said.get(point):
            yield Element(kind="list", text=said[point], page=page)


def _downwards(
    tops: Sequence[str | None], below: Mapping[str | None, Sequence[tuple[int, str | None]]]
) -> Iterator[str | None]:
    """Each with those that hang from it after it, none twice. below: (place, name) of these."""
    waiting = list(reversed(tops))
    done: set[str | None] = set()
    while waiting:
        current = waiting.pop()
        if current not in done:
            done.add(current)
            yield current
            following = sorted(below.get(current, ()), key=lambda pair: pair[0], reverse=True)
            waiting += [target for _, target in following]
