"""Office Open XML: the zip, its parts and how they point at each other, read without trust in any.

Tags are compared by local name, so that the strict and the transitional namespaces read alike.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean

MAX_TREE_BYTES = 50_000_000  # of a part that is held whole: its tree takes twenty times as much
_SAFE = {"resolve_entities": False, "no_network": True, "huge_tree": True, "recover": True}
_UNREADABLE = (etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error, EOFError, ValueError)
_ABOUT = (
    ("title", "title"),
    ("creator", "author"),
    ("subject", "subject"),
    ("keywords", "keywords"),
)


@dataclass(frozen=True, slots=True)
class Relation:
    """That one part points at another."""

    kind: str  # the last word of its type: "image", "chart", "footnotes"
    target: str  # the name of the part


@dataclass(frozen=True, slots=True)
class Part:
    """One XML part, held whole, and the parts that it points at, by relation id."""

    name: str
    root: etree._Element
    relations: Mapping[str, Relation]

    def related(self, *kinds: str) -> list[str]:
        """The names of the parts of these kinds, in the order in which the file lists them."""
        return [each.target for each in self.relations.values() if each.kind in kinds]


class Package:
    """An open Office file. Parts that are missing are not there; damaged ones are counted."""

    def __init__(self, archive: zipfile.ZipFile, work: ParseContext) -> None:
        self.archive, self.work = archive, work
        self.names = set(archive.namelist())
        self.damaged = False

    def main(self, usual: str) -> str:
        """The name of the part that holds the document itself."""
        found = [
            each.target for each in self.relations("").values() if each.kind == "officeDocument"
        ]
        return next((name for name in found if name in self.names), usual)

    def part(self, name: str) -> Part | None:
        root = self.xml(name)
        return Part(name, root, self.relations(name)) if root is not None else None

    def xml(self, name: str) -> etree._Element | None:
        """The tree of a part; None if it is not there, too large or cannot be read at all."""
        if name not in self.names:
            return None
        if self.archive.getinfo(name).file_size > MAX_TREE_BYTES:
            self.work.lose("limit", 1, "parts", f"{name} is too large")
            return None
        parser = etree.XMLParser(**_SAFE)
        try:
            root = etree.fromstring(self.archive.read(name), parser)
        except _UNREADABLE:
            root = None
        self._tell_damage(name, root is None or _is_cut(parser.error_log))
        return root

    def stream(
        self, name: str, *tags: str, events: tuple[str, ...] = ("start", "end")
    ) -> Iterator[tuple[str, etree._Element]]:
        """("start" or "end", node) for every node of these local names; nothing of a missing part.

        Finished nodes go from memory one by one, so a part may be of any size: a node is whole at
        its end, with all below it that `release` was not called for.
        """
        if name not in self.names:
            return
        wanted = [f"{{*}}{tag}" for tag in tags]
        try:
            with self.archive.open(name) as source:
                found = etree.iterparse(source, events=events, tag=wanted, **_SAFE)
                yield from found
                self._tell_damage(name, _is_cut(found.error_log))
        except _UNREADABLE:
            self._tell_damage(name, True)

    def _tell_damage(self, name: str, damaged: bool) -> None:
        if damaged:
            self.damaged = True
            self.work.lose("part", 1, "parts", f"{name} is damaged and was read as far as it goes")

    def relations(self, name: str) -> dict[str, Relation]:
        """Where this part points, external addresses left out; of the whole file for ""."""
        folder, base = posixpath.split(name)
        root = self.xml(posixpath.join(folder, f"_rels/{base}.rels"))
        found: dict[str, Relation] = {}
        for node in root.iter("{*}Relationship") if root is not None else ():
            if node.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join(folder, node.get("Target", "")))
                kind = posixpath.basename(node.get("Type", ""))
                found[node.get("Id", "")] = Relation(kind, target.lstrip("/"))
        return found

    def read(self, name: str) -> bytes | None:
        """The bytes of an entry; None if it is missing or damaged."""
        try:
            return self.archive.read(name)
        except (KeyError, *_UNREADABLE):
            return None

    def about(self) -> dict[str, Scalar]:
        """What the file says of itself."""
        root = self.xml("docProps/core.xml")
        told: dict[str, Scalar] = {}
        for tag, name in _ABOUT:
            node = next(root.iter(f"{{*}}{tag}"), None) if root is not None else None
            if node is not None and node.text and node.text.strip():
                told[name] = clean(node.text.strip())
        return told


@contextmanager
def open_package(path: Path, work: ParseContext) -> Iterator[Package]:
    """The file as a package. Raises SourceBroken if not even the zip can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield Package(archive, work)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise SourceBroken(f"Its zip container cannot be read: {error}.") from error


def _is_cut(log: Sequence[etree._LogEntry]) -> bool:
    """Whether the parser stopped or skipped something; undeclared names and the like cut nothing."""
    return any(entry.level == etree.ErrorLevels.FATAL for entry in log)


def local(node: etree._Element) -> str:
    """The tag without its namespace; "" for comments and processing instructions."""
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(node: etree._Element | None, *path: str) -> etree._Element | None:
    """The first child by local name, and its child, and so on."""
    for name in path:
        if node is None:
            return None
        node = next(node.iterchildren(f"{{*}}{name}"), None)
    return node


def value_of(node: etree._Element | None, name: str = "val") -> str | None:
    """An attribute by local name, whatever its namespace."""
    if node is None:
        return None
    found: str | None = node.get(name)
    if found is None:
        ending = f"}}{name}"
        found = next((value for key, value in node.attrib.items() if key.endswith(ending)), None)
    return found


def is_on(node: etree._Element | None) -> bool:
    """Whether a switch such as `<w:vanish/>` is there and not set to off."""
    return node is not None and value_of(node) not in ("0", "false", "off", "none")


def number_of(text: str | None, otherwise: int = 0) -> int:
    """A whole number from an attribute, `otherwise` if it is none."""
    try:
        return int(text) if text and len(text) < 16 else otherwise
    except ValueError:
        return otherwise


def release(node: etree._Element) -> None:
    """Takes a finished node's content, and all finished nodes before it, out of memory."""
    node.clear()
    parent = node.getparent()
    if parent is not None:
        before = node.getprevious()
        while before is not None:
            parent.remove(before)
            before = node.getprevious()
