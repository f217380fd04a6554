"""E-mail: headers and body as elements, and the attached files. Home of the Outlook reader."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage, Message
from pathlib import Path

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition import web
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean, decode
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs

HEADERS = ("From", "To", "Cc", "Date")
MAX_PARTS = 2_000
_SECRET_TYPES = frozenset(
    {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
)
_LOCKED = "Its body is encrypted."
_UNLOCK = "Decrypt the message in the mail program and store it again."


@dataclass(frozen=True, slots=True)
class Mail:
    elements: list[Element]
    about: dict[str, Scalar]
    attachments: list[Attachment]


def read_eml(path: Path, work: ParseContext) -> ReadResult:
    return _with_attachments(parse_internet_mail(path, work), work)


def read_msg(path: Path, work: ParseContext) -> ReadResult:
    return _with_attachments(parse_outlook_mail(path, work), work)


def _with_attachments(message: Mail, work: ParseContext) -> ReadResult:
    """The message, then the files that came with it."""
    return message.elements + list(read_attachments(message.attachments, work)), message.about


def parse_internet_mail(path: Path, work: ParseContext) -> Mail:
    """A message in the Internet's format. Raises SourceRefused for an encrypted one, SourceBroken."""
    try:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        parts = list(_leaf_parts(message))
    except (
        ValueError,
        LookupError,
        RecursionError,
        AttributeError,
        TypeError,
        IndexError,
    ) as error:
        raise SourceBroken(f"Its parts cannot be read ({type(error).__name__}).") from error
    if not message.keys():
        raise SourceBroken("It has no mail headers.")
    if any(_is_encrypted(part) for part in parts):
        raise SourceRefused(_LOCKED, remedy=_UNLOCK)
    bodies = [part for part in parts if _is_body(part)]
    chosen = _choose_bodies(message, bodies)
    attachments = [
        _make_attachment(part, n)
        for n, part in enumerate((p for p in parts if not _is_body(p)), start=1)
    ]
    about: dict[str, Scalar] = {
        name.lower(): text for name in HEADERS if (text := _read_header(message, name))
    }
    about["title"] = _read_header(message, "Subject")
    return Mail(
        _envelope_elements(about) + [e for part in chosen for e in _body_elements(part, work)],
        about,
        attachments,
    )


def _leaf_parts(message: Message) -> Iterator[Message]:
    """The parts that carry something; a forwarded message is one part. Bounded, without recursion."""
    waiting, seen = [message], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise SourceRefused(f"It has more than {MAX_PARTS} parts.")
        if part.get_content_maintype() == "multipart" and isinstance(part.get_payload(), list):
            if part.get_content_type() == "multipart/encrypted":
                raise SourceRefused(_LOCKED, remedy=_UNLOCK)
            waiting += reversed(
                [child for child in part.get_payload() if isinstance(child, Message)]
            )
        else:
            yield part


def _is_encrypted(part: Message) -> bool:
    kind = part.get_content_type()
    return kind in _SECRET_TYPES and str(part.get_param("smime-type", "")) != "signed-data"


def _is_body(part: Message) -> bool:
    return (
        part.get_content_type() in ("text/plain", "text/html")
        and part.get_content_disposition() != "attachment"
        and (not part.get_filename())
    )


def _choose_bodies(message: Message, bodies: list[Message]) -> list[Message]:
    """Plain text if there is enough of it, else the HTML that says the same."""
    plain = [part for part in bodies if part.get_content_type() == "text/plain"]
    rich = [part for part in bodies if part.get_content_type() == "text/html"]
    written = sum(len(_bytes_of(part).strip()) for part in plain)
    return plain if written >= 40 or not rich else rich


def _bytes_of(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _body_elements(part: Message, work: ParseContext) -> list[Element]:
    data, charset = _bytes_of(part), part.get_content_charset()
    if part.get_content_type() == "text/html":
        return web.parse_html_bytes(data, work, charset)[0]
    return list(parse_paragraphs(decode(data, work, charset)))


def _read_header(message: Message, name: str) -> str:
    try:
        return clean(" ".join(str(message.get(name, "")).split()))
    # the header parser gives up on some real headers
    except (ValueError, IndexError, AttributeError, TypeError):
        return ""


def _envelope_elements(about: dict[str, Scalar]) -> list[Element]:
    """Subject, sender and date are text too: people ask for them."""
    lines = [f"{name}: {about[name.lower()]}" for name in HEADERS if about.get(name.lower())]
    heading = (
        [Element(kind="heading", text=str(about["title"]), level=1)] if about.get("title") else []
    )
    return heading + ([Element(kind="text", text="\n".join(lines))] if lines else [])


def _make_attachment(part: Message, number: int) -> Attachment:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        nested = (
            inner[0]
            if isinstance(inner, list) and inner and isinstance(inner[0], Message)
            else None
        )
        subject = _read_header(nested, "Subject") if isinstance(nested, EmailMessage) else ""
        return Attachment(
            f"{subject or f'message {number}'}.eml",
            nested.as_bytes() if nested is not None else b"",
        )
    try:
        name = part.get_filename()
    except (ValueError, TypeError, AttributeError, IndexError):
        name = None
    return Attachment(name or f"part {number}.{part.get_content_subtype()}", _bytes_of(part))


def parse_outlook_mail(path: Path, work: ParseContext) -> Mail:
    """A message in Outlook's format. Raises SourceRefused for an encrypted one, SourceBroken."""
    from oxmsg import Message as OutlookMessage

    try:
        message = OutlookMessage.load(str(path))
        if (
            "SMIME" in (message.message_class or "").upper()
            and "MULTIPARTSIGNED" not in message.message_class.upper()
        ):
            raise SourceRefused(_LOCKED, remedy=_UNLOCK)
        plain, rich = message.body or "", message.html_body or ""
        to = ", ".join(
            f"{person.name} <{person.email_address}>".strip() for person in message.recipients
        )
        told = {
            "from": message.sender or "",
            "to": to,
            "date": str(message.sent_date or ""),
            "title": message.subject or "",
        }
        attachments = [
            Attachment(a.file_name or "attachment", a.file_bytes or b"")
            for a in message.attachments
        ]
    except SourceRefused:
        raise
    except Exception as error:  # the reader raises what its structures happen to raise
        raise SourceBroken(f"It cannot be read ({type(error).__name__}: {error}).") from error
    about: dict[str, Scalar] = {name: clean(text) for name, text in told.items() if text}
    body = (
        list(parse_paragraphs(clean(plain)))
        if plain.strip() or not rich
        else web.parse_html(clean(rich), work)[0]
    )
    return Mail(_envelope_elements(about) + body, about, attachments)
