"""Headers of mail as text: encoded words, raw bytes in any charset, names of files."""

import base64
import binascii
import contextlib
import quopri
import re
from email.message import Message

from ingest.elements import ParseOptions
from ingest.partition.encodings import clean, decode_bytes

_ENCODED_WORD = re.compile(r"=\?([\w.:+-]{1,60})(?:\*[\w-]*)?\?([bBqQ])\?([^?\s]*(?: [^?\s]+)*)\?=")
_BETWEEN = re.compile(r"(\?=)\s+(?==\?)")
_FILE_NAME = re.compile(r'\b(?:file)?name\s*=\s*(?:"([^"]*)"|([^;\s]+))', re.IGNORECASE)
_PREFERRED = ParseOptions().encodings


def read_header(message: Message, name: str) -> str:
    """The header on one line; empty if there is none."""
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return decode_header(str(value), _body_charset(message))
    return ""


def decode_header(raw: str, charset: str | None) -> str:
    """A header as it stands in the file; raw bytes in it have the charset of the body."""
    if not raw.isascii():
        data = raw.encode("utf-8", "surrogateescape")
        raw = decode_bytes(data, _PREFERRED, charset).text
    return clean(" ".join(_decode_words(raw).split()))


def _decode_words(text: str) -> str:
    """Encoded words as text; bytes of neighbours with one charset are put together first, because
    some programs cut within a character.
    """
    made: list[str] = []
    at = 0
    held, held_charset = b"", ""
    text = _BETWEEN.sub(r"\1", text)
    for found in _ENCODED_WORD.finditer(text):
        charset, data = found.group(1).lower(), _word_bytes(found.group(2), found.group(3))
        if data is None:
            continue
        if found.start() > at or charset != held_charset:
            made += [_text_of(held, held_charset), text[at : found.start()]]
            held = b""
        held, held_charset, at = held + data, charset, found.end()
    return "".join([*made, _text_of(held, held_charset), text[at:]])


def _text_of(data: bytes, charset: str) -> str:
    return decode_bytes(data, _PREFERRED, charset).text if data else ""


def _word_bytes(way: str, text: str) -> bytes | None:
    if way in "qQ":
        return quopri.decodestring(text.replace("_", " ").encode("ascii", "replace"))
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    return None


def _body_charset(message: Message) -> str | None:
    """The charset of the first text in the message."""
    for part in message.walk():
        if part.get_content_maintype() == "text":
            with contextlib.suppress(ValueError, LookupError, AttributeError, TypeError):
                return part.get_content_charset()
    return None


def file_name(part: Message) -> str:
    """The name of an attached file; empty if it has none."""
    raws = [
        str(value)
        for key, value in part.raw_items()
        if key.lower() in ("content-disposition", "content-type")
    ]
    if all(raw.isascii() for raw in raws):
        with contextlib.suppress(ValueError, TypeError, AttributeError, IndexError, LookupError):
            found = str(part.get_filename() or "")
            return decode_header(found, None) if "=?" in found else clean(found)
    for raw in raws:
        if named := _FILE_NAME.search(raw):
            return decode_header(named.group(1) or named.group(2), None)
    return ""
