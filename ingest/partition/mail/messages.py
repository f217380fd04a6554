"""E-mail in the Internet's format: headers, the bodies that say most, and the attached files."""

import codecs
import email.policy
import re
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.mail.bodies import read_leaf, read_text_part
from ingest.partition.mail.headers import read_header
from ingest.partition.mail.parts import BROKEN, bytes_of, inner_parts, walk
from ingest.partition.mail.secured import (
    count_encrypted,
    is_sealed,
    lose_encrypted,
    signed_text,
)
from ingest.partition.mail.versions import Content, choose_version, join_contents
from ingest.partition.reading import ReadResult

HEADERS = ("From", "To", "Cc", "Date")
MAX_SIGNED = 20  # texts inside signatures that are read of one message
LOCKED_BODY = "Its body is encrypted."
UNLOCK_BODY = "Decrypt the message in the mail program and store it again."
_FOR_OLD_PROGRAMS = re.compile(r"\bmime\b|multi-?part", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    elements: list[Element]
    about: dict[str, Scalar]
    attachments: list[Attachment]


def read_eml(path: Path, work: ParseContext) -> ReadResult:
    """The message, then the files that came with it."""
    message = parse_internet_mail(path.read_bytes(), work)
    return message.elements + list(read_attachments(message.attachments, work)), message.about


def read_saved_page(path: Path, work: ParseContext) -> ReadResult:
    """A web page that was stored with everything it shows. Raises SourceBroken."""
    message = _parse(path.read_bytes())
    parts = [part for part in walk(message) if part.get_content_maintype() == "text"]
    pages = [part for part in parts if part.get_content_type() in ("text/html", "text/plain")]
    pictures = sum(part.get_content_maintype() == "image" for part in walk(message))
    work.lose("picture", pictures, "pictures", "of the stored page")
    elements: list[Element] = []
    about: dict[str, Scalar] = {}
    for page in pages:
        found, told = read_text_part(page, work)
        elements += found
        about = about or told
    subject = read_header(message, "Subject")
    return elements, {"title": subject, **about} if subject else about


def _about(message: Message) -> dict[str, Scalar]:
    """What the headers say of it."""
    named = {name.lower(): read_header(message, name) for name in HEADERS}
    named["title"] = read_header(message, "Subject")
    return {name: text for name, text in named.items() if text}


def parse_internet_mail(data: bytes, work: ParseContext) -> Mail:
    """A message in the Internet's format.

    Raises SourceRefused if all that it says is encrypted, SourceBroken.
    """
    message = _parse(data)
    if not message.keys():
        raise SourceBroken("It has no mail headers.")
    try:
        encrypted = count_encrypted(work)
        _open_signed(message)
        content = _read_content(message, work)
        if count_encrypted(work) > encrypted:
            if not content.elements and not content.attachments:
                raise SourceRefused(LOCKED_BODY, remedy=UNLOCK_BODY)
            work.warn("A part of it is encrypted and was not read.")
    except BROKEN as error:
        raise SourceBroken(f"Its parts cannot be read ({type(error).__name__}).") from error
    about = _about(message)
    return Mail(envelope_elements(about) + content.elements, about, content.attachments)


def _parse(data: bytes) -> Message:
    try:
        data = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except BROKEN as error:
        raise SourceBroken(f"Its parts cannot be read ({type(error).__name__}).") from error


def _open_signed(message: Message) -> None:
    """Puts what stands inside signatures in their place, as parts like others."""
    opened = 0
    for part in walk(message):
        if opened < MAX_SIGNED and is_sealed(part) and not inner_parts(part):
            text = signed_text(bytes_of(part))
            if text is not None:
                opened += 1
                for name in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
                    del part[name]
                part["Content-Type"] = "multipart/mixed"
                part.set_payload([_parse(text)])


def _read_content(message: Message, work: ParseContext) -> Content:
    """Bodies in their order, of alternatives the one that says most, and attachments.

    Walks with a stack: a part is put together when all parts inside it are.
    """
    made: dict[int, Content] = {}
    waiting: list[tuple[Message, bool]] = [(message, False)]
    while waiting:
        part, ready = waiting.pop()
        if part.get_content_type() == "multipart/encrypted":
            lose_encrypted(1, work)
            made[id(part)] = Content([], [])
            continue
        inner = inner_parts(part) if part.get_content_maintype() == "multipart" else []
        if inner and not ready:
            waiting.append((part, True))
            waiting += [(one, False) for one in reversed(inner)]
        elif inner:
            contents = [made.pop(id(one)) for one in inner]
            has_versions = part.get_content_type() == "multipart/alternative"
            kinds = [one.get_content_type() for one in inner]
            made[id(part)] = (
                choose_version(contents, kinds) if has_versions else join_contents(contents)
            )
            _lose_around(part, work)
        else:
            made[id(part)] = read_leaf(part, len(made) + 1, work)
    return made[id(message)]


def _lose_around(part: Message, work: ParseContext) -> None:
    """Counts what stands before the first part and behind the last, which no program shows."""
    for text in (part.preamble, part.epilogue):
        if text and not _FOR_OLD_PROGRAMS.search(text):
            work.lose("hidden", len(text.split()), "words", "outside the parts of the message")


def envelope_elements(about: dict[str, Scalar]) -> list[Element]:
    """Subject, sender and date are text too: people ask for them."""
    lines = [f"{name}: {about[name.lower()]}" for name in HEADERS if about.get(name.lower())]
    heading = (
        [Element(kind="heading", text=str(about["title"]), level=1)] if about.get("title") else []
    )
    return heading + ([Element(kind="text", text="\n".join(lines))] if lines else [])
