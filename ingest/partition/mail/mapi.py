"""What Outlook stores of a message, in whatever container: properties, and the body that they hold."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ingest.elements import Element, ParseOptions
from ingest.partition import web
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean, decode_bytes
from ingest.partition.mail.lzfu import unpack_rtf
from ingest.partition.mail.wrapped import parse_rich_body
from ingest.partition.text import parse_paragraphs

ENOUGH = 0.8  # of the words of the plain body, so that the body with structure is taken
_UNICODE, _STRING8, _BINARY = 0x1F, 0x1E, 0x102
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODECS: Mapping[int, str] = {
    932: "cp932", 936: "gb18030", 949: "cp949", 950: "big5hkscs", 54936: "gb18030", 65001: "utf-8", 20127: "cp1252",
    20866: "koi8-r", 21866: "koi8-u", 28591: "cp1252", 28592: "iso8859-2", 28595: "iso8859-5", 28597: "iso8859-7",
    28599: "cp1254", 28605: "iso8859-15", 50220: "iso2022_jp", 50221: "iso2022_jp", 51932: "euc-jp", 51949: "cp949",
    10000: "mac-roman", 1200: "utf-16-le",
}  # fmt: skip
_ENCODINGS = ParseOptions().encodings


@dataclass(slots=True)
class Properties:
    """The properties of a message or of a file attached to it, by their numbers."""

    values: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    code_page: int = 0  # of texts that are not Unicode; 0: not told

    def set(self, number: int, kind: int, value: bytes) -> None:
        known = self.values.get(number)
        if (
            known is None
            or (known[0] == _STRING8 and kind == _UNICODE)
            or not known[1].strip(b"\0")
        ):
            self.values[number] = kind, value

    def text(self, number: int) -> str:
        kind, value = self.values.get(number, (_UNICODE, b""))
        if kind == _UNICODE:
            return clean(value.decode("utf-16-le", "replace")).strip()
        return clean(
            decode_bytes(value.rstrip(b"\0"), _ENCODINGS, codec_of_page(self.code_page)).text
        ).strip()

    def data(self, number: int) -> bytes:
        return self.values.get(number, (_BINARY, b""))[1]

    def number(self, number: int) -> int:
        value = self.data(number)
        return int(struct.unpack_from("<I", value)[0]) if len(value) >= 4 else 0

    def date(self, number: int) -> str:
        """A moment as text; empty if it is not told."""
        value = self.data(number)
        if len(value) < 8:
            return ""
        ticks = struct.unpack_from("<Q", value)[0]
        try:
            return (
                str(
                    (_EPOCH + timedelta(microseconds=ticks // 10)).replace(
                        microsecond=0, tzinfo=None
                    )
                )
                + " UTC"
            )
        except OverflowError:
            return ""


def codec_of_page(page: int) -> str | None:
    if not page:
        return None
    return _CODECS.get(page, f"cp{page}")


def body_elements(message: Properties, work: ParseContext) -> list[Element]:
    """The body with most words: HTML or rich text for its structure, plain text if it says more."""
    plain = list(parse_paragraphs(message.text(0x1000)))
    rich = _rich_elements(message, work)
    if not rich:
        return plain
    return rich if _words(rich) >= ENOUGH * _words(plain) else plain


def _rich_elements(message: Properties, work: ParseContext) -> list[Element]:
    if markup := message.data(0x1013):
        kind, _ = message.values[0x1013]
        if kind == _UNICODE:
            return web.parse_html(message.text(0x1013), work)[0]
        declared = codec_of_page(message.number(0x3FDE)) or codec_of_page(message.code_page)
        return web.parse_html_bytes(markup.rstrip(b"\0"), work, declared)[0]
    if (packed := message.data(0x1009)) and (data := unpack_rtf(packed)):
        return parse_rich_body(data, work) if b"{\\rtf" in data else []
    return []


def _words(elements: list[Element]) -> int:
    return len(
        {
            word.casefold()
            for element in elements
            for word in element.text.split()
            if "://" not in word
        }
    )
