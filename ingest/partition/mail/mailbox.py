"""Mailboxes: one message after another in one file, each a part of the document."""

import re
from dataclasses import replace
from pathlib import Path

from indexes.errors import SourceError
from ingest.elements import Element
from ingest.partition.attachments import lose_part, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.mail.messages import parse_internet_mail
from ingest.partition.reading import NO_TITLE, ReadResult

MAX_MESSAGES = 5_000
_FROM_LINE = re.compile(
    rb"(?:\A|\r?\n\r?\n|\A\s+)From [^\r\n]*\d:\d\d[^\r\n]*\r?\n(?=[!-9;-~]+:|>From )"
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_mbox(path: Path, work: ParseContext) -> ReadResult:
    """The messages of a mailbox, each a part with its subject as heading."""
    messages = _split_messages(path.read_bytes())
    if len(messages) == 1:
        message = parse_internet_mail(messages[0], work)
        return [*message.elements, *read_attachments(message.attachments, work)], message.about
    elements: list[Element] = []
    for number, data in enumerate(messages[:MAX_MESSAGES], start=1):
        try:
            message = parse_internet_mail(data, work)
        except SourceError as error:
            lose_part(f"Message {number}", str(error), work, f"message {number}")
            continue
        found = [*message.elements, *read_attachments(message.attachments, work)]
        name = str(message.about.get("title") or f"Message {number}")[:200]
        elements += [_place(each, number, name, first=each is found[0]) for each in found]
    too_many = len(messages) - MAX_MESSAGES
    work.lose("limit", too_many, "messages", f"only the first {MAX_MESSAGES} are read")
    return elements, NO_TITLE.copy()


def _place(element: Element, number: int, name: str, *, first: bool) -> Element:
    """Headings inside a message stand below its subject."""
    level = min(element.level + (0 if first else 1), 9) if element.kind == "heading" else 0
    return replace(element, level=level, page=number, page_name=name)


def _split_messages(data: bytes) -> list[bytes]:
    places = [(found.start(), found.end()) for found in _FROM_LINE.finditer(data)] or [(0, 0)]
    ends = [start for start, _ in places[1:]] + [len(data)]
    return [
        _QUOTED_FROM.sub(rb"\1", data[start:end])
        for (_, start), end in zip(places, ends, strict=True)
    ]
