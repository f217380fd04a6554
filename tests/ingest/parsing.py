"""Files written on the spot and parsed: what the tests of readers share."""

from pathlib import Path

from indexes.losses import describe_loss
from ingest.elements import Parsed, ParseOptions
from ingest.partition import parse

NO_OCR = ParseOptions(ocr=False)


def parsed(path: Path, content: str | bytes, options: ParseOptions = NO_OCR) -> Parsed:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(path, options)


def kinds(document: Parsed) -> list[tuple[str, str]]:
    return [(element.kind, element.text) for element in document.elements]


def headings(document: Parsed) -> list[tuple[int, str]]:
    return [(one.level, one.text) for one in document.elements if one.kind == "heading"]


def losses(document: Parsed) -> list[str]:
    return [describe_loss(loss) for loss in document.losses]
