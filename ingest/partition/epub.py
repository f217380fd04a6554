"""Electronic books: their parts in reading order, each a page."""

import posixpath
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from lxml import etree

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.web import parse_html_bytes

MAX_PARTS = 3_000
_NOT_TEXT = ("nav.xhtml", "toc.xhtml", "toc.html", "nav.html")  # the table of contents
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read_epub(path: Path, work: ParseContext) -> ReadResult:
    """A book's parts in reading order, each a page.

    Raises SourceRefused for protected books, SourceBroken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_protected(archive)
            package = _package_name(archive)
            elements: list[Element] = []
            names = _part_names(archive, package)
            work.lose("limit", len(names) - MAX_PARTS, "parts")
            for number, name in enumerate(names[:MAX_PARTS], start=1):
                found, about = parse_html_bytes(archive.read(name), work)
                elements += [
                    _place_on_page(element, number, about.get("title")) for element in found
                ]
            return elements, _read_about(archive, package)
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError, EOFError, ValueError) as error:
        raise SourceBroken(f"Its parts cannot be read ({error}).") from error


def _place_on_page(element: Element, number: int, name: Scalar | None) -> Element:
    return replace(element, page=number, page_name=str(name) if name else None)


def _refuse_protected(archive: zipfile.ZipFile) -> None:
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    tree = _parse_part(archive, "META-INF/encryption.xml")
    algorithms = [node.get("Algorithm", "") for node in tree.iter("{*}EncryptionMethod")]
    if any(algorithm not in _FONT_ALGORITHMS for algorithm in algorithms):
        raise SourceRefused(
            "It is encrypted (digital rights management).",
            remedy="Store a copy without protection.",
        )


def _parse_part(archive: zipfile.ZipFile, name: str) -> etree._Element:
    return etree.fromstring(
        archive.read(name), etree.XMLParser(resolve_entities=False, no_network=True)
    )


def _package_name(archive: zipfile.ZipFile) -> str:
    for node in _parse_part(archive, "META-INF/container.xml").iter("{*}rootfile"):
        return str(node.get("full-path", ""))
    raise KeyError("no package file")


def _part_names(archive: zipfile.ZipFile, package: str) -> list[str]:
    tree, base = _parse_part(archive, package), posixpath.dirname(package)
    files = {
        node.get("id"): posixpath.normpath(posixpath.join(base, unquote(node.get("href", ""))))
        for node in tree.iter("{*}item")
        if "html" in node.get("media-type", "")
    }
    order = [
        files[node.get("idref")] for node in tree.iter("{*}itemref") if node.get("idref") in files
    ]
    there = set(archive.namelist())
    # parts outside the reading order are read last: notes often stand there
    wanted = dict.fromkeys([*order, *files.values()])
    return [name for name in wanted if name in there and not name.endswith(_NOT_TEXT)]


def _read_about(archive: zipfile.ZipFile, package: str) -> dict[str, Scalar]:
    tree = _parse_part(archive, package)
    wanted = {"title": "title", "creator": "author"}
    about: dict[str, Scalar] = {}
    for tag, name in wanted.items():
        for node in tree.iter(f"{{http://purl.org/dc/elements/1.1/}}{tag}"):
            if node.text and name not in about:
                about[name] = node.text.strip()
    return about
