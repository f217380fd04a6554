"""OpenDocument files: text and presentations, and what every file says of itself."""

from pathlib import Path

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.odf.state import OdfStory
from ingest.partition.odf.story import read_story
from ingest.partition.odf.styles import OdfStyles
from ingest.partition.office.package import Package, open_package
from ingest.partition.office.pictures import Pictures
from ingest.partition.reading import ReadResult

CONTENT, STYLES = "content.xml", "styles.xml"
_ABOUT = (
    ("title", "title"),
    ("initial-creator", "author"),
    ("creator", "author"),
    ("subject", "subject"),
    ("keyword", "keywords"),
)


def read_text(path: Path, work: ParseContext) -> ReadResult:
    """An OpenDocument text. Raises SourceBroken, SourceEmpty."""
    return _read(path, work)


def read_presentation(path: Path, work: ParseContext) -> ReadResult:
    """Slides in order, the title of each first. Raises SourceBroken, SourceEmpty."""
    return _read(path, work)


def _read(path: Path, work: ParseContext) -> ReadResult:
    with open_package(path, work) as package:
        require_content(package)
        pictures = Pictures(package, work)
        styles = OdfStyles()
        around = OdfStory(package, work, pictures, styles)
        read_story(around, STYLES)
        body = OdfStory(package, work, pictures, styles)
        read_story(body, CONTENT)
        told = {element.text for element in body.elements}
        margins = {each.text: each for each in around.margins if each.text not in told}
        elements = [*body.elements, *margins.values()]
        pictures.require_text(elements)
        return elements, read_about(package)


def require_content(package: Package) -> None:
    """Raises SourceBroken."""
    if CONTENT not in package.names:
        raise SourceBroken("It has no content.")


def read_about(package: Package) -> dict[str, Scalar]:
    """What the file says of itself."""
    root = package.xml("meta.xml")
    told: dict[str, Scalar] = {}
    for tag, name in _ABOUT:
        node = next(root.iter(f"{{*}}{tag}"), None) if root is not None else None
        if node is not None and node.text and node.text.strip():
            told.setdefault(name, clean(node.text.strip()))
    return told
