"""Bytes to text, plain text to paragraphs, delimited rows to tables.

No library guesses here but one, the last.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import charset_normalizer

from indexes.errors import SourceBroken
from indexes.text.scripts import HANGUL_SYLLABLES, UNIFIED_HAN, WIDE_KANA
from indexes.text.sentences import BULLETS
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.tables import make_table

SAMPLE_BYTES = 65_536
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_ELEMENT_CHARS = 20_000
_BLANK_LINES = re.compile(r"\n[ \t\u3000]*\n+")
_BULLET = re.compile(rf"^\s*(?:[-*+{BULLETS}]|\d{{1,3}}[.)]|[a-zA-Z][.)])\s+\S")
# kana, Hangul, punctuation, full-width marks and digits; not half-width kana, which other encodings
# look like if they are read as Shift JIS
_EAST_ASIAN = re.compile(f"[{WIDE_KANA}{HANGUL_SYLLABLES}\u3000-\u3011\u30fb\uff01-\uff1f]")
_UNIFIED_HAN = re.compile(f"[{UNIFIED_HAN}]")
_RULE = re.compile(r"^([=\-~^#*_+])\1{2,}$")


def read_plain(path: Path, work: ParseContext) -> ReadResult:
    """Plain text as paragraphs."""
    return list(parse_paragraphs(_read_text(path, work))), {}


def read_comma_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells as one table, whatever sign separates the cells. Raises SourceBroken."""
    text = _read_text(path, work)
    return list(parse_delimited(text, _guess_delimiter(text))), {}


def read_tab_separated(path: Path, work: ParseContext) -> ReadResult:
    """Rows of cells with tabs between them as one table. Raises SourceBroken."""
    return list(parse_delimited(_read_text(path, work), "\t")), {}


def _read_text(path: Path, work: ParseContext) -> str:
    return decode(path.read_bytes(), work.options.encodings)[0]


def decode(data: bytes, encodings: Sequence[str], declared: str | None = None) -> tuple[str, str]:
    """Text and the encoding it was read with: byte-order mark, strict UTF-8, what was declared, then the likeliest.

    Line ends become "\\n"; NUL is dropped, because databases refuse it.

    Raises SourceBroken if nothing fits.
    """
    encoding = _guess_encoding(data, encodings, declared)
    text = data.decode(encoding, "strict" if encoding.startswith("utf-8") else "replace")
    return clean(text), encoding


def clean(text: str) -> str:
    """The text with "\\n" line ends, without NUL and without halves of surrogate pairs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").removeprefix("\ufeff")
    return text.encode("utf-8", "replace").decode("utf-8")


def _guess_encoding(data: bytes, encodings: Sequence[str], declared: str | None) -> str:
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    wide = _wide_encoding(data[:SAMPLE_BYTES])
    if wide:
        return wide
    if _fits(data, "utf-8"):
        return "utf-8"
    if declared and _fits(data, declared):
        return codecs.lookup(declared).name
    fitting = [name for name in encodings if _fits(data, name)]
    if not fitting:
        fitting = [encodings[-1]] if encodings else ["cp1252"]
    return _likeliest_encoding(data[:SAMPLE_BYTES], fitting)


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: Latin text has its zeros on one side only."""
    evens, odds = sample[::2].count(0), sample[1::2].count(0)
    if max(evens, odds) * 5 < len(sample):
        return None
    return "utf-16-le" if odds > evens else "utf-16-be"


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _likeliest_encoding(sample: bytes, fitting: list[str]) -> str:
    scored = {name: plausibility(sample.decode(name, "ignore")) for name in fitting}
    best = max(scored.values())
    close = [name for name in fitting if scored[name] >= best - 0.05]
    if len(close) == 1:
        return close[0]
    guess = charset_normalizer.from_bytes(sample, cp_isolation=close).best()
    return guess.encoding if guess and guess.encoding in close else close[0]


def plausibility(text: str) -> float:
    """How much of the non-ASCII text looks like what people write, 0 to 1: common letters, not rare
    or odd signs.
    """
    foreign = [char for char in text if char > "\x7f"]
    if not foreign:
        return 1.0
    return sum(map(_commonness, foreign)) / len(foreign)


def _commonness(char: str) -> float:
    if _EAST_ASIAN.match(char):
        return 1.0
    if _UNIFIED_HAN.match(char):
        return 0.95 if _everyday_han(char) else 0.2
    code = ord(char)
    if 0x0410 <= code <= 0x044F or code in (0x0401, 0x0451):
        return 0.85
    if 0xC0 <= code <= 0xFF and code not in (0xD7, 0xF7):
        return 0.8
    if 0x2010 <= code <= 0x2026 or code in (0xA0, 0xA7, 0xA9, 0xAB, 0xAE, 0xB0, 0xBB, 0x20AC):
        return 0.75
    return 0.0


def _everyday_han(char: str) -> bool:
    """Whether the first level of GB 2312, Big5 or JIS X 0208, which holds the characters in daily
    use, has it.
    """
    for encoding, first, last in (
        ("gb2312", 0xB0, 0xD7),
        ("big5", 0xA4, 0xC6),
        ("shift_jis", 0x88, 0x97),
    ):
        try:
            if first <= char.encode(encoding)[0] <= last:
                return True
        except UnicodeEncodeError:
            continue
    return False


def parse_paragraphs(text: str) -> Iterator[Element]:
    """Plain text as paragraphs and list items; lines of one paragraph stay on their lines."""
    for block in _BLANK_LINES.split(text):
        lines = [
            line.rstrip()
            for line in block.split("\n")
            if line.strip() and not _RULE.match(line.strip())
        ]
        for item in _split_items(lines):
            kind = "list" if _BULLET.match(item[0]) else "text"
            for piece in _split_long("\n".join(item).strip()):
                yield Element(kind=kind, text=piece)  # type: ignore[arg-type]


def _split_items(lines: list[str]) -> Iterator[list[str]]:
    """A block's lines, cut before each bullet when more than one line begins with a bullet."""
    if not lines:
        return
    starts = [i for i, line in enumerate(lines) if _BULLET.match(line)]
    if len(starts) < 2:
        yield lines
        return
    edges = [0, *[i for i in starts if i > 0], len(lines)]
    for start, end in pairwise(edges):
        yield lines[start:end]


def _split_long(text: str) -> Iterator[str]:
    """Pieces of at most MAX_ELEMENT_CHARS, cut at a line end or a space if there is one."""
    while len(text) > MAX_ELEMENT_CHARS:
        window = text[:MAX_ELEMENT_CHARS]
        cut = max(window.rfind("\n"), window.rfind(" "))
        cut = cut if cut > MAX_ELEMENT_CHARS // 2 else MAX_ELEMENT_CHARS
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text


def parse_delimited(text: str, delimiter: str) -> Iterator[Element]:
    """Delimited rows as one table; ragged rows keep every cell they have. Raises SourceBroken."""
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise SourceBroken(f"Its rows cannot be read: {error}.") from error
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    if kept:
        yield make_table(kept)


def _guess_delimiter(text: str) -> str:
    """The separator that gives the first lines the same, largest number of cells."""
    lines = [line for line in text[:20_000].split("\n")[:50] if line.strip()][:20]

    def fit(candidate: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=candidate)]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)

    try:
        return max((",", ";", "\t", "|"), key=fit) if lines else ","
    except csv.Error:
        return ","
