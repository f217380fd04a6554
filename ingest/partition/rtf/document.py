"""Rich text to elements: paragraphs, headings by style, list items, tables with merged cells, notes,
headers and footers once. Hidden and deleted text is counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.reading import ReadResult
from ingest.partition.rtf.flows import RtfFlow, whole
from ingest.partition.rtf.reading import RtfReading
from ingest.partition.rtf.tokens import read_tokens
from ingest.partition.titles import worthy_title


def read_rtf(path: Path, work: ParseContext) -> ReadResult:
    return parse_rtf(path.read_bytes(), work)


def parse_rtf(data: bytes, work: ParseContext) -> ReadResult:
    """Elements, title and author. Raises SourceBroken."""
    start = data.find(b"{\\rtf")
    if start < 0:
        raise SourceBroken("It does not begin like rich text.")
    reading = RtfReading(work)
    read_tokens(reading, data, start)
    return _elements(reading), _about(reading)


def _elements(reading: RtfReading) -> list[Element]:
    headers, footers = reading.edges["header"], reading.edges["footer"]
    for flow in (reading.body, *headers, *footers):
        flow.end()
    reading.work.lose("picture", reading.pictures, "pictures", "in the text")
    fonts = reading.fonts
    total = fonts.characters if fonts.replaced > 3 else None
    reading.work.lose("undecodable", fonts.replaced, "characters", total=total)
    return [*_edge(headers), *reading.body.elements, *_edge(footers)]


def _edge(flows: Sequence[RtfFlow]) -> Iterator[Element]:
    """What stands above or below every page, each text once."""
    told: dict[str, Element] = {}
    for flow in flows:
        for each in flow.elements:
            line = replace(each, kind="text", level=0) if each.kind == "heading" else each
            told.setdefault(each.text, line)
    yield from told.values()


def _about(reading: RtfReading) -> dict[str, Scalar]:
    """What the file says of itself."""
    told: dict[str, Scalar] = {}
    if title := worthy_title(clean(whole(reading.info["title"]))):
        told["title"] = title
    if author := clean(whole(reading.info["author"])).strip():
        told["author"] = author
    return told
