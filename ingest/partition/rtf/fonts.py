"""The fonts of a rich text and what they make of its bytes."""

from dataclasses import dataclass, field

from ingest.partition.encodings import REPLACED
from ingest.partition.letters import plausibility
from ingest.partition.symbols import symbol_of

_SYMBOLS = -2  # a charset that is none: signs
_PRIVATE = range(0xF020, 0xF100)  # numbers of signs in fonts of symbols
_CHARSETS = {
    0: 1252, 2: _SYMBOLS, 77: 10000, 78: 932, 79: 949, 80: 936, 81: 950, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950,
    161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256, 179: 1256, 180: 1256, 181: 1255, 186: 1257, 204: 1251, 222: 874,
    238: 1250, 254: 437, 255: 850,
}  # fmt: skip
_CODECS = {932: "cp932", 936: "gb18030", 949: "cp949", 950: "big5hkscs", 1361: "johab", 10000: "mac-roman",
           10001: "shift_jis", 10006: "mac-greek", 10007: "mac-cyrillic", 10029: "mac-latin2", 65001: "utf-8",
           54936: "gb18030", 20866: "koi8-r", 28592: "iso8859-2", 708: "cp1256", 709: "cp1256"}  # fmt: skip
_MANY_BYTES = frozenset({"cp932", "gb18030", "cp949", "big5hkscs", "johab", "shift_jis", "utf-8"})


@dataclass(slots=True)
class Font:
    codec: str
    symbols: bool = False
    greek: bool = False  # its symbols are those of the font "Symbol"
    certain: bool = False  # the file names its charset, and not only the usual one


@dataclass(slots=True)
class Fonts:
    """The table of fonts, and how much was decoded with them."""

    code_page: str = "cp1252"  # of text without a font
    default: int = -1  # the number of the usual font
    characters: int = 0
    replaced: int = 0  # of these: could not be decoded
    _known: dict[int, Font] = field(default_factory=dict)
    _defined: int = -1  # the font that the table tells of

    def get(self, number: int) -> Font | None:
        return self._known.get(number)

    def define(self, number: int) -> None:
        self._defined = number
        self._known.setdefault(number, Font(self.code_page))

    def name(self, name: bytes) -> None:
        """The name of the font that the table tells of."""
        font = self._known.get(self._defined)
        if font is not None:
            font.greek = font.greek or name.strip(b" ;").lower() == b"symbol"
            font.symbols = font.symbols or font.greek

    def set_charset(self, charset: int | None) -> None:
        font, page = self._told_of(), _CHARSETS.get(charset or 0, 0)
        if page == _SYMBOLS:
            font.symbols = True
        elif page and not (charset == 0 and self.code_page in _MANY_BYTES):
            font.codec, font.certain = codec_of_page(page), bool(charset)

    def set_page(self, page: int) -> None:
        font = self._told_of()
        if page == _SYMBOLS:
            font.symbols = True
        elif page:
            font.codec, font.certain = codec_of_page(page), True

    def _told_of(self) -> Font:
        return self._known.setdefault(self._defined, Font(self.code_page))

    def character(self, code: int, number: int) -> str:
        """A character by its code; those of fonts of symbols have codes of their own."""
        if code not in _PRIVATE:
            return chr(code)
        font = self._known.get(number)
        return symbol_of(code - 0xF000, greek=font is not None and font.greek)

    def decode(self, data: bytes, font: Font | None) -> str:
        if font is not None and font.symbols:
            return "".join(symbol_of(byte, greek=font.greek) for byte in data)
        codec = font.codec if font is not None else self.code_page
        text = data.decode(codec, "replace")
        if not data.isascii():
            text = self._choose(data, text, codec, certain=font is not None and font.certain)
            self.replaced += text.count(REPLACED)
        self.characters += len(text)
        return text

    def _choose(self, data: bytes, text: str, codec: str, *, certain: bool) -> str:
        """The text, or the likelier one of another encoding that programs often write instead."""
        if codec not in _MANY_BYTES:
            text = _likelier(data, text, "utf-8")
        if not certain and codec != self.code_page:
            return _likelier(data, text, self.code_page)
        if REPLACED in text and codec != "cp1252":  # a font that has one letter of another script
            return _likelier(data, text, self.code_page)
        return text


def _likelier(data: bytes, text: str, codec: str) -> str:
    other = data.decode(codec, "replace")
    return other if plausibility(other) > plausibility(text) else text


def codec_of_page(page: int) -> str:
    name = _CODECS.get(page, f"cp{page}")
    try:
        b"".decode(name)
    except LookupError:
        return "cp1252"
    return name
