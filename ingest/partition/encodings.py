"""Bytes to text: what is declared first, then the most probable encoding by evidence.

Evidence is never all or nothing: one bad byte spoils one character. Whatever was replaced is
counted. The only other place that decodes is whoever reads a format that leaves no choice.
"""

import codecs
import contextlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.partition.context import ParseContext
from ingest.partition.letters import plausibility

SAMPLE_BYTES = 6_000
PARTS = 3  # places from which a sample is taken
NEAR = 40  # bytes by which a sample may begin earlier, to begin with a word
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
REPLACED = "\ufffd"
FEW = 3  # so many replaced characters are no damage, however short the text is
MAX_BAD_A_CHARACTER = 3  # bytes, up to which a text with few characters may be broken UTF-8
WIDE_ENOUGH = 0.7  # plausibility from which on bytes are taken for UTF-16 without a mark
MAX_BAD_SHARE = 0.25  # of the characters beyond ASCII; more, and a declared encoding is a mistake
MORE_ENCODINGS = (
    "euc-jp", "iso8859-15", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic", "cp1250", "iso8859-2", "cp1253", "iso8859-7",
    "cp1254", "cp1255", "cp1256", "iso8859-6", "cp1257", "cp874", "cp1258", "mac-roman", "cp850", "cp852", "cp437",
)  # fmt: skip
_ALIASES = {
    "x-sjis": "cp932", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "windows-31j": "cp932",
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030", "chinese": "gb18030",
    "x-euc-cn": "gb18030", "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "x-x-big5": "big5hkscs",
    "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "ks_c_5601": "cp949", "korean": "cp949", "x-euc-kr": "cp949",
    "x-windows-949": "cp949", "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252",
    "iso8859-1": "cp1252", "iso_8859-1": "cp1252", "ansi": "cp1252", "x-ansi": "cp1252",
    "iso-8859-9": "cp1254", "tis-620": "cp874", "iso-8859-11": "cp874", "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman", "x-mac-cyrillic": "mac-cyrillic", "koi8-r": "koi8-u", "unicode": "utf-16",
    "utf8": "utf-8", "x-utf-8": "utf-8", "unicode-1-1-utf-8": "utf-8", "unicode-1-1-utf-7": "utf-7",
    "iso-8859-8-i": "cp1255", "iso-8859-8": "cp1255", "iso-8859-8-e": "cp1255", "x-user-defined": "cp1252",
}  # fmt: skip
# of names in a zip, the more usual first
ZIP_ENCODINGS = (
    "cp437", "cp850", "cp866", "gb18030", "cp932", "big5hkscs", "cp949", "cp852",
)  # fmt: skip
_UNICODE_NAME = 0x800  # the flag of a zip entry whose name is UTF-8
_SAY_NOTHING = frozenset({"ascii", "us-ascii", "binary", "8bit", "7bit", "unknown-8bit", "default"})
_STATEFUL = frozenset({"iso2022_jp", "iso2022_kr", "iso2022_jp_2", "hz", "utf_7", "iso2022_jp_ext"})
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\([JI]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_CONTROL = re.compile(rb"[\x00-\x08]")
_HALVES = re.compile(rb"\xed[\xa0-\xbf]")
_SINGLE_BYTES = frozenset(
    codecs.lookup(name).name for name in MORE_ENCODINGS if name != "euc-jp"
) | {"cp1251", "cp1252"}
_UTF_8 = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and how it was read."""

    text: str
    encoding: str
    replaced: int = 0  # characters that stand for bytes which could not be decoded


def decode(data: bytes, work: ParseContext, declared: str | None = None, where: str = "") -> str:
    """The text of these bytes; what could not be decoded is counted.

    declared: the name of an encoding, as the file or its envelope tells it. where: a part of the
    file, for the report. Raises SourceBroken if more than a small share could not be decoded.
    """
    made = decode_bytes(data, work.options.encodings, declared)
    total = len(made.text) if made.replaced > FEW else None
    work.lose("undecodable", made.replaced, "characters", where, total=total)
    return made.text


def decode_bytes(data: bytes, preferred: Sequence[str], declared: str | None = None) -> Decoded:
    """Text by byte-order mark, what was declared, UTF-8, then the likeliest encoding.

    preferred: what to try first, the more usual first. Line ends become "\\n"; NUL is dropped,
    because databases refuse it.
    """
    encoding = _choose_encoding(data, preferred, declared)
    known = data.decode("utf-8", "ignore").count(REPLACED) if encoding.startswith("utf-8") else 0
    text = _decode_leniently(data, encoding)
    return Decoded(clean(text), encoding, max(0, text.count(REPLACED) - known))


def zip_names(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The names of files in a zip: those that do not say that they are UTF-8 by evidence."""
    old = [
        number
        for number, entry in enumerate(entries)
        if not entry.flag_bits & _UNICODE_NAME and not entry.filename.isascii()
    ]
    raw = [entries[number].filename.encode("cp437", "replace") for number in old]
    told = dict(zip(old, decode_names(raw, ZIP_ENCODINGS), strict=True))
    return [told.get(number, entry.filename) for number, entry in enumerate(entries)]


def decode_names(names: Sequence[bytes], preferred: Sequence[str]) -> list[str]:
    """The names of files in an archive, in the one encoding that fits them best together."""
    beyond = b"\n".join(name for name in names if not name.isascii())
    encoding = "utf-8"
    try:
        beyond.decode()
    except UnicodeDecodeError:
        encoding = likeliest_encoding(beyond, preferred)
    return [clean(_decode_leniently(name, encoding)) for name in names]


def clean(text: str) -> str:
    """The text with "\\n" line ends, without NUL and without halves of surrogate pairs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").removeprefix("\ufeff")
    return text.encode("utf-8", "replace").decode("utf-8")


def codec_of(name: str | None) -> str | None:
    """The codec that a declared name means in practice; None if it means none that is known."""
    wanted = (name or "").strip().strip("\"'").lower()
    if not wanted or wanted in _SAY_NOTHING:
        return None
    wanted = _ALIASES.get(wanted, wanted)
    for tried in (
        wanted,
        wanted.replace("windows-", "cp"),
        wanted.replace("cp-", "cp").removeprefix("x-"),
    ):
        try:
            found = codecs.lookup(tried)
        except (LookupError, ValueError):
            continue
        return found.name if found._is_text_encoding else None
    return None


def _choose_encoding(data: bytes, preferred: Sequence[str], declared: str | None) -> str:
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if sure := marked or wide_encoding(data[:SAMPLE_BYTES]):
        return sure
    told = codec_of(declared)
    if told in _STATEFUL:
        return told
    if not _BEYOND_ASCII.search(data):
        return "iso2022_jp" if _ISO_2022_JP.search(data) else "utf-8"
    valid, invalid = _count_utf_8(data)
    if told and _is_as_declared(data, told, valid, invalid):
        return told
    if 2 * invalid <= valid:
        return "utf-8"
    likeliest = likeliest_encoding(data, [*preferred, *MORE_ENCODINGS])
    return "utf-8" if _is_rather_utf_8(data, valid, invalid, likeliest) else likeliest


def _is_rather_utf_8(data: bytes, valid: int, invalid: int, other: str) -> bool:
    """Whether a text with few characters beyond ASCII is broken UTF-8, not sound in another encoding.

    Letters of other encodings hardly ever follow one another so that they are UTF-8 by chance.
    """
    if not valid or valid * MAX_BAD_A_CHARACTER < invalid:
        return False
    sample = _evidence(data)
    sound = plausibility(sample.decode("utf-8", "ignore"), places=False)
    text = sample.decode(other, "replace")
    return sound * valid / (valid + invalid / 4) > plausibility(text, places=False)


def wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: Latin text has its zeros on one side only, other text has bytes that
    stand in no text of single bytes. None if it is not that.
    """
    evens, odds = sample[::2].count(0), sample[1::2].count(0)
    if max(evens, odds) * 5 >= len(sample):
        return "utf-16-le" if odds > evens else "utf-16-be"
    if not _CONTROL.search(sample):
        return None
    for name in ("utf-16-le", "utf-16-be"):
        text = sample[: len(sample) & ~1].decode(name, "replace")[:-1]
        if plausibility(text) >= WIDE_ENOUGH and not any(char < "\t" for char in text):
            return name
    return None


def _count_utf_8(data: bytes) -> tuple[int, int]:
    """(characters of several bytes, bytes beyond ASCII that belong to none)"""
    rest, valid = _UTF_8.subn(b"", data)
    return valid, len(rest) - len(_BEYOND_ASCII.sub(b"", rest))


def _is_as_declared(data: bytes, told: str, valid: int, invalid: int) -> bool:
    """Whether the bytes bear out what is said of them."""
    if told == "utf-8":
        return invalid <= valid
    sample = _evidence(data)
    text = sample.decode(told, "replace")
    beyond = sum(char > "\x7f" for char in text)
    if text.count(REPLACED) > max(MAX_BAD_SHARE * beyond, 1):
        return False
    if 4 * invalid > valid:
        return True
    # it is UTF-8 as well: an encoding of single bytes takes everything, so that it proves nothing
    if told in _SINGLE_BYTES:
        return False
    return plausibility(text) >= plausibility(sample.decode("utf-8", "replace"))


def likeliest_encoding(data: bytes, candidates: Sequence[str]) -> str:
    """The encoding whose text looks most like what people write; of equal ones the first."""
    sample = _evidence(data)
    best, most = candidates[0], -2.0
    for name in candidates:
        weight = plausibility(sample.decode(name, "replace"))
        if weight > most + 0.01:
            best, most = name, weight
    return best


def _evidence(data: bytes) -> bytes:
    """Stretches of the data with bytes beyond ASCII, from its beginning, middle and end."""
    found: list[bytes] = []
    last = 0
    for part in range(PARTS):
        met = _BEYOND_ASCII.search(data, max(last, len(data) * part // PARTS))
        if met is None:
            break
        start = max(last, _after_space(data, met.start()))
        last = start + SAMPLE_BYTES // PARTS
        piece = data[start:last]
        found.append(piece if last >= len(data) else piece[: _last_space(piece)])
    return b"\n".join(found)


def _after_space(data: bytes, at: int) -> int:
    """Where the word at a place begins, not far before it."""
    near = data[max(0, at - NEAR) : at]
    cut = max(near.rfind(b" "), near.rfind(b"\n"))
    return at - len(near) + cut + 1


def _last_space(piece: bytes) -> int:
    cut = max(piece.rfind(b" "), piece.rfind(b"\n"))
    return cut if cut > len(piece) // 2 else len(piece)


def _decode_leniently(data: bytes, encoding: str) -> str:
    if encoding == "utf-8" and _HALVES.search(data):
        with contextlib.suppress(
            UnicodeDecodeError
        ):  # pairs of surrogates, as some databases write
            halves = data.decode("utf-8", "surrogatepass")
            return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return data.decode(encoding, "replace")
