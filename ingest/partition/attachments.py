"""Files inside a file: each is recognised and read like any other, as a part of the same document."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexes.errors import SourceError
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.kinds import identify_format
from ingest.partition.reading import reader_of

_UNSAFE = re.compile(r"[^\w.\- ]+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came inside another one."""

    name: str
    data: bytes


def read_attachments(attachments: Sequence[Attachment], work: ParseContext) -> Iterator[Element]:
    """The elements of each attached file, under a heading with its name."""
    if attachments and work.depth >= work.options.max_attachment_depth:
        work.warn("Attachments of attachments of attachments were not read.")
        return
    for attachment in attachments:
        work.attachments += 1
        if work.attachments > work.options.max_attachments:
            work.warn(f"Only the first {work.options.max_attachments} attachments were read.")
            return
        name = " ".join(_UNSAFE.sub(" ", Path(attachment.name).name).split()) or "attachment"
        work.depth += 1
        try:
            elements = _read_attachment(name, attachment.data, work)
        except SourceError as error:
            work.warn(f"Attachment {name}: {error}")
            continue
        finally:
            work.depth -= 1
        yield Element(kind="heading", text=name, level=1)
        for each in elements:
            level = min(each.level + 1, 9) if each.kind == "heading" else 0
            yield replace(each, level=level, page=None)


def _read_attachment(name: str, data: bytes, work: ParseContext) -> list[Element]:
    place = work.scratch / f"attachment-{work.attachments}{Path(name).suffix.lower()[:8]}"
    place.write_bytes(data)
    try:
        elements, _ = reader_of(identify_format(place, work.options))(place, work)
    finally:
        place.unlink(missing_ok=True)
    return elements
