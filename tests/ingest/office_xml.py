"""Office files written as the markup that they hold, and an independent count of their words."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lxml import etree

from ingest.elements import Element, Parsed, ParseOptions
from ingest.partition import parse

_OFFICE = "http://schemas.openxmlformats.org/"
NAMES = " ".join(
    f'xmlns:{short}="{name}"'
    for short, name in {
        "w": f"{_OFFICE}wordprocessingml/2006/main",
        "r": f"{_OFFICE}officeDocument/2006/relationships",
        "m": f"{_OFFICE}officeDocument/2006/math",
        "mc": f"{_OFFICE}markup-compatibility/2006",
        "a": f"{_OFFICE}drawingml/2006/main",
        "c": f"{_OFFICE}drawingml/2006/chart",
        "p": f"{_OFFICE}presentationml/2006/main",
        "v": "urn:schemas-microsoft-com:vml",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    }.items()
)
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
ODF_NAMES = " ".join(
    f'xmlns:{name}="{_ODF}{long}:1.0"'
    for name, long in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("style", "style"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("fo", "xsl-fo-compatible"),
    )
)
NO_OCR = ParseOptions(ocr=False)
_PATTERNS = ("ppt/theme", "ppt/slideMasters", "ppt/slideLayouts", "ppt/notesMasters")  # prompts
_WORD = re.compile(r"\w+")


def relations(**targets: str) -> str:
    """A relation of each kind, called by it: `footnotes="footnotes.xml"`."""
    found = "".join(
        f'<Relationship Id="{kind}" Type="x/{kind.rstrip("0123456789")}" Target="{target}"/>'
        for kind, target in targets.items()
    )
    return f"<Relationships>{found}</Relationships>"


def pack(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def word(path: Path, body: str, **parts: str) -> Path:
    """A Word file. parts: what its other parts hold, by kind of relation."""
    entries: dict[str, str | bytes] = {
        "word/document.xml": f"<w:document {NAMES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(**{kind: f"{kind}.xml" for kind in parts}),
    }
    for kind, inner in parts.items():
        entries[f"word/{kind}.xml"] = f"<w:part {NAMES}>{inner}</w:part>"
    return pack(path, entries)


def run(text: str, about: str = "") -> str:
    style = f"<w:rPr>{about}</w:rPr>" if about else ""
    return f'<w:r>{style}<w:t xml:space="preserve">{text}</w:t></w:r>'


def para(*pieces: str, about: str = "") -> str:
    inner = "".join(piece if piece.startswith("<") else run(piece) for piece in pieces)
    return f"<w:p><w:pPr>{about}</w:pPr>{inner}</w:p>"


def cell(text: str, about: str = "") -> str:
    inner = text if text.startswith("<w:p>") or text.startswith("<w:tbl>") else para(text)
    return f"<w:tc><w:tcPr>{about}</w:tcPr>{inner}</w:tc>"


def row(*cells: str, about: str = "") -> str:
    inner = "".join(each if each.startswith("<w:tc>") else cell(each) for each in cells)
    return f"<w:tr><w:trPr>{about}</w:trPr>{inner}</w:tr>"


def grid(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def open_text(path: Path, body: str, styles: str = "", around: str = "") -> Path:
    """An OpenDocument text. around: what its styles hold, such as headers."""
    content = (
        f"<office:document-content {ODF_NAMES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    outside = f"<office:document-styles {ODF_NAMES}>{around}</office:document-styles>"
    return pack(path, {"content.xml": content, "styles.xml": outside})


def read(path: Path, options: ParseOptions = NO_OCR) -> Parsed:
    return parse(path, options)


def texts(document: Parsed) -> list[str]:
    return [element.text for element in document.elements]


def table(document: Parsed) -> Element:
    (found,) = (element for element in document.elements if element.kind == "table")
    return found


def lost(document: Parsed) -> list[tuple[str, int, str]]:
    return [(loss.kind, loss.count, loss.detail) for loss in document.losses]


def share_of_words(path: Path, document: Parsed) -> float:
    """How many of the distinct words of all text nodes of the file arrived, as a share of 1."""
    wanted: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".xml") and not name.startswith(("docProps/", "[Content", *_PATTERNS)):
                for node in etree.fromstring(archive.read(name)).iter():
                    if isinstance(node.tag, str) and etree.QName(node).localname in (
                        "t",
                        "p",
                        "span",
                    ):
                        wanted |= set(_WORD.findall(node.text or ""))
    came = set(_WORD.findall("\n".join(texts(document))))
    return len(wanted & came) / len(wanted)
