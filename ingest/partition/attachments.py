"""Files inside a file: each is recognised and read like any other, as a part of the same document."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from indexes.errors import SourceError
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.guards import failure_as_damage
from ingest.partition.kinds import MEGABYTE, identify_format
from ingest.partition.reading import reader_of

MAX_NAMED = 30  # parts that could not be read and are told one by one
MAX_NAME_CHARS = 200
_UNSAFE = re.compile(r"[^\w.\- ]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came inside another one."""

    name: str
    data: bytes


def read_attachments(attachments: Sequence[Attachment], work: ParseContext) -> Iterator[Element]:
    """The elements of each attached file, under a heading with its name."""
    if not attachments or not may_go_deeper(len(attachments), work):
        return
    for number, attachment in enumerate(attachments):
        if number >= work.options.max_attachments:
            rest = len(attachments) - number
            work.warn(f"Only the first {work.options.max_attachments} attachments were read.")
            work.lose("limit", rest, "attachments")
            return
        base = attachment.name.replace("\\", "/").rsplit("/", 1)[-1]
        name = " ".join(_UNSAFE.sub(" ", base).split()) or "attachment"
        for each in read_part(name, attachment.data, work, called="Attachment"):
            yield replace(each, page=None)


def may_go_deeper(count: int, work: ParseContext) -> bool:
    """Whether files inside this file are read; if not, they are counted."""
    if work.depth < work.options.max_attachment_depth:
        return True
    work.warn("Attachments of attachments of attachments were not read.")
    work.lose("limit", count, "files", f"more than {work.options.max_attachment_depth} files deep")
    return False


def _limit_passed(work: ParseContext) -> str:
    """The limit that the files inside this one have passed; "" if they have passed none."""
    if work.attachments > work.options.max_members:
        return f"only the first {work.options.max_members} are read"
    if work.unpacked > work.options.max_unpacked_mb * MEGABYTE:
        return f"only {work.options.max_unpacked_mb} MB are unpacked"
    return ""


def read_part(name: str, data: bytes, work: ParseContext, *, called: str) -> list[Element]:
    """One file inside another: a heading with its name, then its elements.

    Empty, and the file is counted as lost, if it cannot be read. called: what it is to the file
    that holds it, as a sentence begins.
    """
    shown = _UNPRINTABLE.sub(" ", name).strip()[:MAX_NAME_CHARS] or "file"
    work.attachments += 1
    work.unpacked += len(data)
    if limit := _limit_passed(work):
        work.lose("limit", 1, "files", limit)
        return []
    work.depth += 1
    try:
        with failure_as_damage():
            elements = _read_file(shown, data, work)
    except SourceError as error:
        lose_part(f"{called} {shown}", str(error), work, shown)
        return []
    finally:
        work.depth -= 1
    return [Element(kind="heading", text=shown, level=1), *map(_lower, elements)]


def lose_part(called: str, reason: str, work: ParseContext, name: str) -> None:
    """Counts a file inside a file that could not be read, and says why while there are few."""
    lost = sum(1 for kind, _, _ in work.lost if kind == "part")
    work.lose("part", 1, "files", name if lost < MAX_NAMED else "and others")
    if lost < MAX_NAMED:
        work.warn(f"{called}: {reason}")


def _lower(element: Element) -> Element:
    """The element below the heading of its file."""
    return (
        replace(element, level=min(element.level + 1, 9)) if element.kind == "heading" else element
    )


def _read_file(name: str, data: bytes, work: ParseContext) -> list[Element]:
    suffix = _UNSAFE.sub("", PurePosixPath(name).suffix.lower())[:12].strip()
    place = work.scratch / f"part-{work.attachments}{suffix}"
    place.write_bytes(data)
    try:
        elements, _ = reader_of(identify_format(place, work))(place, work)
    finally:
        place.unlink(missing_ok=True)
    return elements
