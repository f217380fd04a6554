"""One part of a message without parts inside it: a body by its type, or an attached file."""

import email.policy
import re
from email.message import Message

from indexes.formats import ENDING_OF
from ingest.elements import Element
from ingest.partition import calendars, web
from ingest.partition.attachments import Attachment
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.mail.headers import file_name, read_header
from ingest.partition.mail.parts import (
    bytes_of,
    charset_of,
    inner_parts,
    packed_message,
    raw_message,
)
from ingest.partition.mail.plain import split_encoded_files, unflow
from ingest.partition.mail.secured import is_sealed, lose_encrypted, without_armour
from ingest.partition.mail.versions import Content
from ingest.partition.mail.wrapped import parse_rich_body
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs

_REPORTS = frozenset(
    {"message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
     "message/global-disposition-notification", "message/feedback-report"}
)  # fmt: skip
_BODY_TYPES = _REPORTS | frozenset(
    {"text/plain", "text/html", "text/calendar", "text/enriched", "text/richtext", "text/rtf", "application/rtf",
     "text/x-amp-html", "text/watch-html",
     "text/rfc822-headers", "text/x-vcard", "text/vcard", "text/directory"}
)  # fmt: skip
_ENRICHED = re.compile(r"</?[\w-]+>")
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
"""They sign the text beside them and say nothing themselves."""
_OTHER_NAMES = {"text/x-vcard": "text/vcard", "text/xml": "application/xml"}  # of media types


def read_leaf(part: Message, number: int, work: ParseContext) -> Content:
    kind = part.get_content_type()
    named = file_name(part)
    is_file = part.get_content_disposition() == "attachment" or bool(named)
    if kind in _BODY_TYPES and not is_file:
        elements, files = _read_body(part, work)
        return Content(elements, files, kind != "text/plain")
    if kind in ("message/rfc822", "message/global"):
        return Content([], [_message_attachment(part, number)])
    if kind in ("message/partial", "message/external-body"):
        work.lose("part", 1, "parts", kind)
        return Content([], [])
    if part.get_content_maintype() == "multipart":  # its boundary is missing: it is one text
        return Content(list(parse_paragraphs(_raw_text(part, work))), [])
    if kind in _SIGNATURES or kind == "application/pgp-encrypted":
        return Content([], [])
    if is_sealed(part):
        _lose_sealed(part, work)
        return Content([], [])
    name = named or f"part {number}{ENDING_OF.get(_OTHER_NAMES.get(kind, kind), '')}"
    return Content([], [Attachment(name, bytes_of(part))])


def _lose_sealed(part: Message, work: ParseContext) -> None:
    """Counts a part of S/MIME that holds no text in the clear; one of certificates holds none."""
    told = str(part.get_param("smime-type", "")).lower()
    if told in ("signed-data", "compressed-data"):
        work.lose("part", 1, "parts", f"{told} that cannot be followed")
    elif told != "certs-only":
        lose_encrypted(1, work)


def _raw_text(part: Message, work: ParseContext) -> str:
    payload = part.get_payload()
    if not isinstance(payload, str):
        return ""
    return decode(payload.encode("utf-8", "surrogateescape"), work)


def _read_body(part: Message, work: ParseContext) -> tuple[list[Element], list[Attachment]]:
    """A body, and the files that stand in its text."""
    if part.get_content_type() != "text/plain":
        return read_text_part(part, work)[0], []
    clear, encrypted = without_armour(_plain_text(part, work))
    lose_encrypted(encrypted, work)
    text, files = split_encoded_files(clear)
    return list(parse_paragraphs(text)), files


def read_text_part(part: Message, work: ParseContext) -> ReadResult:
    """A body by its type, in the charset that it names."""
    kind = part.get_content_type()
    if kind in _REPORTS:
        if (packed := packed_message(part)) is not None:
            return list(parse_paragraphs(decode(packed, work))), {}
        fields = [
            "\n".join(f"{name}: {value}" for name, value in one.items())
            for one in inner_parts(part)
        ]
        return [element for text in fields for element in parse_paragraphs(text)], {}
    data, charset = bytes_of(part), charset_of(part)
    if kind in ("text/html", "text/x-amp-html", "text/watch-html"):
        return web.parse_html_bytes(data, work, charset)
    if kind in ("text/rtf", "application/rtf"):
        return parse_rich_body(data, work), {}
    if kind == "text/plain":
        return list(parse_paragraphs(_plain_text(part, work))), {}
    text = decode(data, work, charset)
    if kind in ("text/calendar", "text/x-vcard", "text/vcard", "text/directory"):
        return list(calendars.parse_entries(text, work)), {}
    if kind in ("text/enriched", "text/richtext"):
        return list(parse_paragraphs(_ENRICHED.sub("", text))), {}
    return list(parse_paragraphs(text)), {}


def _plain_text(part: Message, work: ParseContext) -> str:
    text = decode(bytes_of(part), work, charset_of(part))
    if str(part.get_param("format", "")).lower() == "flowed":
        return unflow(text, str(part.get_param("delsp", "")).lower() == "yes")
    return text


def _message_attachment(part: Message, number: int) -> Attachment:
    """A message inside a message, named by its subject."""
    nested = next(iter(inner_parts(part)), None)
    packed = packed_message(part)
    if packed is not None:
        nested = email.message_from_bytes(packed.lstrip(b"\r\n"), policy=email.policy.compat32)
    if nested is None:
        return Attachment(f"message {number}.eml", bytes_of(part))
    subject = read_header(nested, "Subject")
    data = raw_message(nested) if packed is None else packed
    return Attachment(f"{subject or f'message {number}'}.eml", data)
