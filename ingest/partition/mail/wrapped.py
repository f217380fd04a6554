"""Web pages that Outlook wraps in rich text ([MS-OXRTFEX]), as the pages that they were.

Groups `\\*\\htmltag` hold markup as it stood; other text is that of the page, but for what stands
between `\\htmlrtf` and `\\htmlrtf0`, which shows the same to programs that know rich text only.
"""

import re
from dataclasses import dataclass, field, replace
from html import escape

from ingest.elements import Element
from ingest.partition import rtf, web
from ingest.partition.context import ParseContext
from ingest.partition.rtf.fonts import Fonts, codec_of_page
from ingest.partition.rtf.grammar import BRACE, BYTE, LETTERS, NUMBER, SIGN, TOKEN, WORD

HEAD_BYTES = 1_000  # within which it is told what was wrapped
_WRAPPED = re.compile(rb"\\fromhtml1?(?![0-9a-zA-Z])")
_WRITTEN = {
    "par": "\n", "line": "\n", "tab": "\t", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c",
    "rdblquote": "\u201d", "bullet": "\u2022", "endash": "\u2013", "emdash": "\u2014", "emspace": "\u2003", "enspace": "\u2002",
}  # fmt: skip
_PAGES = {"mac": 10000, "pc": 437, "pca": 850}
_SILENT = frozenset({"colortbl", "stylesheet", "info", "pict", "header", "footer", "object"})


def parse_rich_body(data: bytes, work: ParseContext) -> list[Element]:
    """The elements of rich text, or of the web page that is wrapped in it."""
    if _WRAPPED.search(data[:HEAD_BYTES]):
        return web.parse_html(unwrap_page(data), work)[0]
    return rtf.parse_rtf(data, work)[0]


def unwrap_page(data: bytes) -> str:
    """The markup of the page. One pass over the bytes, however deep its groups are."""
    reading = _WrappedReading()
    at = 0
    while (found := TOKEN.match(data, at)) is not None:  # every byte is a part of some token
        at = found.end() + reading.take(found)
    reading.flush()
    text = "".join(reading.made)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class _GroupState:
    """What holds until the end of a group."""

    place: str = ""  # "tag" in markup, "fonts" in their table, "silent" in what is no text
    only_rtf: bool = False
    font: int = -1
    unicode_skip: int = 1


@dataclass(slots=True)
class _WrappedReading:
    """What is known at a place in the bytes, and what was made of those before it."""

    fonts: Fonts = field(default_factory=Fonts)
    state: _GroupState = field(default_factory=_GroupState)
    stack: list[_GroupState] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    pending: bytearray = field(default_factory=bytearray)
    to_skip: int = 0  # signs that stand for the last character in old programs
    begins: bool = False  # nothing of the group was read yet
    starred: bool = False

    def take(self, found: re.Match[bytes]) -> int:
        """Uses one token; how many bytes after it are no tokens."""
        kind = found.lastindex
        if kind in (WORD, NUMBER):
            number = int(found.group(NUMBER)) if found.group(NUMBER) else None
            return self._take_word(found.group(WORD).decode("ascii"), number)
        if kind == BRACE:
            self._take_brace(found.group(BRACE))
        elif kind == SIGN:
            self._take_sign(found.group(SIGN))
        elif kind == BYTE:
            self._take_bytes(bytes((int(found.group(BYTE), 16),)))
        elif kind == LETTERS:
            self._take_bytes(found.group(LETTERS))
        return 0

    def flush(self) -> None:
        """The bytes since the last word become text, in the code page of their font."""
        if not self.pending:
            return
        data, self.pending = bytes(self.pending), bytearray()
        if self.state.place == "fonts":
            self.fonts.name(data)
        elif self.state.place == "tag":
            self.made.append(self.fonts.decode(data, None))
        else:
            self._write(self.fonts.decode(data, self.fonts.get(self.state.font)))

    def _write(self, text: str) -> None:
        if self.state.place == "tag":
            self.made.append(text)
        elif not self.state.place and not self.state.only_rtf:
            self.made.append(escape(text, quote=False))

    def _take_brace(self, brace: bytes) -> None:
        self.flush()
        self.to_skip = 0
        self.begins, self.starred = brace == b"{", False
        if brace == b"{":
            self.stack.append(self.state)
        elif self.stack:
            self.state = self.stack.pop()

    def _take_sign(self, sign: bytes) -> None:
        if sign == b"*":
            self.starred = True
        elif sign in b"\\{}":
            self._take_bytes(sign)
        elif sign in b"~_\r\n" and not self.to_skip:
            self.flush()
            self._write({b"~": "\u00a0", b"_": "\u00ad"}.get(sign, "\n"))

    def _take_bytes(self, data: bytes) -> None:
        skipped = min(self.to_skip, len(data))
        self.to_skip -= skipped
        self.begins = False
        hidden = self.state.only_rtf and self.state.place == ""
        if self.state.place != "silent" and not hidden:
            self.pending += data[skipped:]

    def _take_word(self, word: str, number: int | None) -> int:
        self.flush()
        if word == "bin":
            return max(0, number or 0)
        if self.to_skip and word not in ("u", "uc"):
            self.to_skip -= 1
            return 0
        begins, self.begins = self.begins, False
        if begins and (place := self._place_of(word)):
            self.state = replace(self.state, place=place)
        elif word == "u" and number is not None:
            self._write(self.fonts.character(number % 65_536, self.state.font))
            self.to_skip = self.state.unicode_skip
        elif word in _WRITTEN:
            self._write(_WRITTEN[word])
        else:
            self._change(word, number)
        return 0

    def _place_of(self, word: str) -> str:
        """What a group that begins with this word holds; empty if it is text like that around it."""
        if self.state.place:
            return "silent" if self.starred else ""
        if self.starred:
            return "tag" if word == "htmltag" else "silent"
        return "fonts" if word == "fonttbl" else "silent" if word in _SILENT else ""

    def _change(self, word: str, number: int | None) -> None:
        in_fonts = self.state.place == "fonts"
        if word == "htmlrtf":
            self.state = replace(self.state, only_rtf=number != 0)
        elif word == "f" and in_fonts:
            self.fonts.define(number or 0)
        elif word in ("f", "deff"):
            self.fonts.default = number or 0 if word == "deff" else self.fonts.default
            self.state = replace(self.state, font=number or 0)
        elif word == "plain":
            self.state = replace(self.state, font=self.fonts.default)
        elif word == "uc":
            self.state = replace(self.state, unicode_skip=max(0, number or 0))
        elif word == "fcharset" and in_fonts:
            self.fonts.set_charset(number)
        elif word == "cpg" and in_fonts:
            self.fonts.set_page(number or 0)
        elif page := number if word == "ansicpg" else _PAGES.get(word):
            self.fonts.code_page = codec_of_page(page)
