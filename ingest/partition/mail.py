"""E-mail in the Internet's format: headers, the bodies that say most, and the attached files."""

import base64
import binascii
import codecs
import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from indexes.errors import SourceBroken, SourceRefused
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition import calendars, rtf, web
from ingest.partition.attachments import Attachment, read_attachments
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode
from ingest.partition.mail_headers import file_name, read_header
from ingest.partition.reading import ReadResult
from ingest.partition.text import parse_paragraphs

HEADERS = ("From", "To", "Cc", "Date")
MAX_PARTS = 2_000
ENOUGH = 0.8  # a version with so large a share of the words of another is taken for its tables
SAME = 0.05  # so few words of HTML are not in plain text if the two say the same
OWN_WORDS = 40  # a rejected version with so many words of its own is kept as well
OWN_SHARE = 0.3
_SECRET_TYPES = frozenset(
    {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
)
_BODY_TYPES = frozenset(
    {"text/plain", "text/html", "text/calendar", "text/enriched", "text/richtext", "text/rtf", "application/rtf",
     "text/x-amp-html", "text/watch-html",
     "message/delivery-status", "text/rfc822-headers", "text/x-vcard", "text/vcard", "text/directory"}
)  # fmt: skip
LOCKED_BODY = "Its body is encrypted."
UNLOCK_BODY = "Decrypt the message in the mail program and store it again."
_BROKEN = (ValueError, LookupError, RecursionError, AttributeError, TypeError, AssertionError)
_WORD = re.compile(r"https?://\S+|(\w+)")
_ENRICHED = re.compile(r"</?[\w-]+>")
_STUB = re.compile(
    r"\b(?:html|browser|e?-?mail (?:program|client|reader|software)|online version|web version|view (?:this|it|the)"
    r"|(?:can ?not|can't|unable to) (?:show|display|view|read)|not support\w*|click here|sent from my|outlook"
    r"|nicht (?:dargestellt|angezeigt|unterstützt)|E-Mail-Programm|navigateur|messagerie|navegador|correo)\b"
    r"|不支持|无法显示|瀏覽器|浏览器|表示できません",
    re.IGNORECASE,
)
"""What a note says whose only purpose is to point to the other version."""

_FOR_OLD_PROGRAMS = re.compile(r"\bmime\b|multi-?part", re.IGNORECASE)
_QUOTES = re.compile(r">+(?: ?>)*")


@dataclass(frozen=True, slots=True)
class Mail:
    elements: list[Element]
    about: dict[str, Scalar]
    attachments: list[Attachment]


@dataclass(slots=True)
class _Content:
    """What one part of a message, with all parts inside it, gives."""

    elements: list[Element]
    attachments: list[Attachment]
    rich: bool = False  # it has structure: HTML or the like

    def add(self, other: "_Content") -> None:
        self.elements += other.elements
        self.attachments += other.attachments
        self.rich = self.rich or other.rich


def read_eml(path: Path, work: ParseContext) -> ReadResult:
    """The message, then the files that came with it."""
    message = parse_internet_mail(path.read_bytes(), work)
    return message.elements + list(read_attachments(message.attachments, work)), message.about


def read_saved_page(path: Path, work: ParseContext) -> ReadResult:
    """A web page that was stored with everything it shows. Raises SourceBroken."""
    message = _parse(path.read_bytes())
    parts = [part for part in _walk(message) if part.get_content_maintype() == "text"]
    pages = [part for part in parts if part.get_content_type() in ("text/html", "text/plain")]
    pictures = sum(part.get_content_maintype() == "image" for part in _walk(message))
    work.lose("picture", pictures, "pictures", "of the stored page")
    elements: list[Element] = []
    about: dict[str, Scalar] = {}
    for page in pages:
        found, told = _read_text_part(page, work)
        elements += found
        about = about or told
    subject = read_header(message, "Subject")
    return elements, {"title": subject, **about} if subject else about


def parse_internet_mail(data: bytes, work: ParseContext) -> Mail:
    """A message in the Internet's format. Raises SourceRefused for an encrypted one, SourceBroken."""
    message = _parse(data)
    if not message.keys():
        raise SourceBroken("It has no mail headers.")
    try:
        for part in _walk(message):
            if _is_encrypted(part):
                raise SourceRefused(LOCKED_BODY, remedy=UNLOCK_BODY)
        content = _read_content(message, work)
    except _BROKEN as error:
        raise SourceBroken(f"Its parts cannot be read ({type(error).__name__}).") from error
    about: dict[str, Scalar] = {
        name.lower(): text for name in HEADERS if (text := read_header(message, name))
    }
    if subject := read_header(message, "Subject"):
        about["title"] = subject
    return Mail(envelope_elements(about) + content.elements, about, content.attachments)


def _parse(data: bytes) -> Message:
    try:
        data = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except _BROKEN as error:
        raise SourceBroken(f"Its parts cannot be read ({type(error).__name__}).") from error


def _walk(message: Message) -> Iterator[Message]:
    """All parts but those of attached messages. Bounded, without recursion."""
    waiting, seen = [message], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise SourceRefused(f"It has more than {MAX_PARTS} parts.")
        yield part
        if part.get_content_maintype() == "multipart":
            waiting += reversed(_inner_parts(part))


def _inner_parts(part: Message) -> list[Message]:
    inner = part.get_payload()
    return [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []


def _is_encrypted(part: Message) -> bool:
    kind = part.get_content_type()
    if kind == "multipart/encrypted":
        return True
    return kind in _SECRET_TYPES and str(part.get_param("smime-type", "")) != "signed-data"


def _read_content(message: Message, work: ParseContext) -> _Content:
    """Bodies in their order, of alternatives the one that says most, and attachments.

    Walks with a stack: a part is put together when all parts inside it are.
    """
    made: dict[int, _Content] = {}
    waiting: list[tuple[Message, bool]] = [(message, False)]
    while waiting:
        part, ready = waiting.pop()
        inner = _inner_parts(part) if part.get_content_maintype() == "multipart" else []
        if inner and not ready:
            waiting.append((part, True))
            waiting += [(one, False) for one in reversed(inner)]
        elif inner:
            contents = [made.pop(id(one)) for one in inner]
            choose = part.get_content_type() == "multipart/alternative"
            kinds = [one.get_content_type() for one in inner]
            made[id(part)] = _choose(contents, kinds) if choose else _join(contents)
            _lose_around(part, work)
        else:
            made[id(part)] = _read_leaf(part, len(made) + 1, work)
    return made[id(message)]


def _lose_around(part: Message, work: ParseContext) -> None:
    """Counts what stands before the first part and behind the last, which no program shows."""
    for text in (part.preamble, part.epilogue):
        if text and not _FOR_OLD_PROGRAMS.search(text):
            work.lose("hidden", len(text.split()), "words", "outside the parts of the message")


def _join(contents: list[_Content]) -> _Content:
    whole = _Content([], [])
    for content in contents:
        whole.add(content)
    return whole


def _choose(contents: list[_Content], kinds: list[str]) -> _Content:
    """Of versions of one text the one that says most; invitations beside it, attachments of all."""
    calendar = [
        content for content, kind in zip(contents, kinds, strict=True) if kind == "text/calendar"
    ]
    versions = [(content, _words_of(content)) for content in contents if content not in calendar]
    best, words = _Content([], []), set[str]()
    for content, own in versions:
        if _says_more(content, own, best, words):
            best, words = content, own
    whole = _Content([], [], best.rich)
    for content, own in versions:
        if content is best or _says_other_things(content, own, words):
            whole.elements += content.elements
    for content in calendar:
        whole.elements += _unsaid(content.elements, words)
    for content in contents:
        whole.attachments += content.attachments
    return whole


def _says_more(one: _Content, own: set[str], other: _Content, words: set[str]) -> bool:
    """Whether this version is the better one; of equals, that with tables, then plain text."""
    if not own or not words:
        return bool(own)
    if _has_tables(one) != _has_tables(other):
        return (
            len(own) >= ENOUGH * len(words) if _has_tables(one) else len(words) < ENOUGH * len(own)
        )
    if one.rich == other.rich:
        return len(own) > len(words)
    rich, plain = (own, words) if one.rich else (words, own)
    says_the_same = len(rich - plain) <= max(2, SAME * len(rich))
    return one.rich == (not says_the_same and len(rich) >= ENOUGH * len(plain))


def _has_tables(content: _Content) -> bool:
    return any(element.kind == "table" for element in content.elements)


def _says_other_things(content: _Content, own: set[str], words: set[str]) -> bool:
    """Whether a version that is not the best has much of its own, and is no note that says to
    look at the other one.
    """
    unseen = own - words
    if len(unseen) >= OWN_WORDS:
        return len(unseen) > OWN_SHARE * len(own)
    text = " ".join(element.text for element in content.elements)
    return len(unseen) > len(own) // 2 and not _STUB.search(text)


def _unsaid(elements: list[Element], words: set[str]) -> list[Element]:
    """Entries of an invitation, if they say what the message does not."""
    told = set().union(*(_split_words(element.text) for element in elements)) if elements else set()
    return elements if told - words else []


def _words_of(content: _Content) -> set[str]:
    return set().union(*(_split_words(element.text) for element in content.elements), set())


def _split_words(text: str) -> set[str]:
    return {found.casefold() for found in _WORD.findall(text) if found}


def _read_leaf(part: Message, number: int, work: ParseContext) -> _Content:
    kind = part.get_content_type()
    named = file_name(part)
    is_file = part.get_content_disposition() == "attachment" or bool(named)
    if kind in _BODY_TYPES and not is_file:
        elements, files = _read_body(part, work)
        return _Content(elements, files, kind != "text/plain")
    if kind in ("message/rfc822", "message/global"):
        return _Content([], [_message_attachment(part, number)])
    if kind in ("message/partial", "message/external-body"):
        work.lose("part", 1, "parts", kind)
        return _Content([], [])
    if part.get_content_maintype() == "multipart":  # its boundary is missing: it is one text
        return _Content(list(parse_paragraphs(_raw_text(part, work))), [])
    if kind in _SIGNATURES:
        return _Content([], [])
    name = named or f"part {number}{_ENDINGS.get(kind, '')}"
    return _Content([], [Attachment(name, bytes_of(part))])


def _raw_text(part: Message, work: ParseContext) -> str:
    payload = part.get_payload()
    if not isinstance(payload, str):
        return ""
    return decode(payload.encode("utf-8", "surrogateescape"), work)


_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
"""They sign the text beside them and say nothing themselves."""

_ENDINGS = {
    "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics", "text/markdown": ".md",
    "text/x-vcard": ".vcf", "text/vcard": ".vcf", "application/json": ".json", "text/xml": ".xml",
    "text/tab-separated-values": ".tsv",
}  # fmt: skip


def bytes_of(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    data = data if isinstance(data, bytes) else b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() != "base64":
        return data
    rest = _behind_base64(part.get_payload())
    return data if rest is None else rest


def _behind_base64(payload: object) -> bytes | None:
    """The bytes of a part to whose packed text others were added, packed or plain, as lists for
    mail do below every message; None if it is all one.
    """
    if not isinstance(payload, str):
        return None
    lines = payload.rstrip().split("\n")
    end = next((n for n, _ in enumerate(lines) if n and _is_plain(lines, n)), len(lines))
    packed = _PACKED.findall("".join(lines[:end]))
    if end == len(lines) and len(packed) < 2:
        return None
    try:
        made = [base64.b64decode(f"{piece.rstrip('=')}===") for piece in packed]
    except (binascii.Error, ValueError):
        return None
    return b"\n".join((*made, *(line.encode("utf-8", "surrogateescape") for line in lines[end:])))


def _is_plain(lines: list[str], number: int) -> bool:
    """Whether packed text ends above a line."""
    above = lines[number - 1].strip()
    return (not above or above.endswith("=")) and bool(_UNPACKED.search(lines[number].strip()))


_PACKED = re.compile(r"[^=]+=*")
_UNPACKED = re.compile(r"[^A-Za-z0-9+/=]")


def _read_body(part: Message, work: ParseContext) -> tuple[list[Element], list[Attachment]]:
    """A body, and the files that stand in its text."""
    if part.get_content_type() != "text/plain":
        return _read_text_part(part, work)[0], []
    text, files = _split_encoded_files(_plain_text(part, work))
    return list(parse_paragraphs(text)), files


def _plain_text(part: Message, work: ParseContext) -> str:
    text = decode(bytes_of(part), work, _charset_of(part))
    if str(part.get_param("format", "")).lower() == "flowed":
        return _unflow(text, str(part.get_param("delsp", "")).lower() == "yes")
    return text


def _read_text_part(part: Message, work: ParseContext) -> ReadResult:
    """A body by its type, in the charset that it names."""
    kind = part.get_content_type()
    if kind == "message/delivery-status":
        fields = [
            "\n".join(f"{name}: {value}" for name, value in one.items())
            for one in _payload_parts(part)
        ]
        return [element for text in fields for element in parse_paragraphs(text)], {}
    data, charset = bytes_of(part), _charset_of(part)
    if kind in ("text/html", "text/x-amp-html", "text/watch-html"):
        return web.parse_html_bytes(data, work, charset)
    if kind in ("text/rtf", "application/rtf"):
        return rtf.parse_rtf(data, work)
    if kind == "text/plain":
        return list(parse_paragraphs(_plain_text(part, work))), {}
    text = decode(data, work, charset)
    if kind in ("text/calendar", "text/x-vcard", "text/vcard", "text/directory"):
        return list(calendars.parse_entries(text, work)), {}
    if kind in ("text/enriched", "text/richtext"):
        return list(parse_paragraphs(_ENRICHED.sub("", text))), {}
    return list(parse_paragraphs(text)), {}


def _payload_parts(part: Message) -> list[Message]:
    inner = part.get_payload()
    return [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []


def _charset_of(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except _BROKEN:
        return None


def _unflow(text: str, joins_words: bool) -> str:
    """Paragraphs that were broken into lines for sending (format=flowed), whole again."""
    made: list[str] = []
    open_depth: str | None = None
    for line in text.split("\n"):
        quoted = _QUOTES.match(line)
        depth = quoted.group().replace(" ", "") if quoted else ""
        body = line[quoted.end() :] if quoted else line
        body = body.removeprefix(" ")
        if open_depth == depth and made and body != "-- ":
            made[-1] += body
        else:
            made.append(f"{depth} {body}" if depth else body)
        flows = body.endswith(" ") and body != "-- "
        if flows and joins_words:
            made[-1] = made[-1][:-1]
        open_depth = depth if flows else None
    return "\n".join(made)


_FILE_BEGINS = re.compile(r"begin [0-7]{3} (\S[^\n]{0,200})$")


def _split_encoded_files(text: str) -> tuple[str, list[Attachment]]:
    """The text without the files that old programs write into it (uuencode), and these files."""
    kept: list[str] = []
    files: list[Attachment] = []
    held: list[str] = []  # lines of a file that may be one
    name = ""
    for line in text.split("\n"):
        if name and line.strip() == "end":
            data = _unpack_lines(held[1:])
            files += [Attachment(name, data)] if data else []
            kept += [*held, line] if not data else []
            name, held = "", []
        elif begins := _FILE_BEGINS.match(line):
            kept += held
            name, held = begins.group(1), [line]
        else:
            (held if name else kept).append(line)
    return "\n".join([*kept, *held]), files


def _unpack_lines(lines: list[str]) -> bytes:
    """The bytes that these lines stand for; empty if they stand for none."""
    try:
        return b"".join(binascii.a2b_uu(line) for line in lines if line not in ("", "`"))
    except (binascii.Error, ValueError):
        return b""


def _message_attachment(part: Message, number: int) -> Attachment:
    """A message inside a message, named by its subject."""
    nested = next(iter(_payload_parts(part)), None)
    if nested is None:
        return Attachment(f"message {number}.eml", bytes_of(part))
    subject = read_header(nested, "Subject")
    return Attachment(f"{subject or f'message {number}'}.eml", _as_bytes(nested))


def _as_bytes(message: Message) -> bytes:
    try:
        return message.as_bytes()
    except (*_BROKEN, UnicodeError):
        return message.as_string().encode("utf-8", "surrogateescape")


def envelope_elements(about: dict[str, Scalar]) -> list[Element]:
    """Subject, sender and date are text too: people ask for them."""
    lines = [f"{name}: {about[name.lower()]}" for name in HEADERS if about.get(name.lower())]
    heading = (
        [Element(kind="heading", text=str(about["title"]), level=1)] if about.get("title") else []
    )
    return heading + ([Element(kind="text", text="\n".join(lines))] if lines else [])
