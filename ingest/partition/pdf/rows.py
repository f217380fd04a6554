"""Words of a page to printed rows, and rows to pieces that white space sets apart."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ingest.partition.pdf.leftward import SAME_ROW, order_words
from ingest.partition.pdf.page import Box, Word

PIECE_GAP = 0.85  # of a letter's size; more white space than that parts two pieces
_LEADER = re.compile(r"^[.·…_‥]{2,}$|^(?:[.·…_]\s?){3,}$")
_DOTS = frozenset(".·…_‥")
_OPENING = re.compile(r"^[$€£¥(<>~–—-]{1,3}$|^(?:US|C|A|HK|R)\$$")
_CLOSING = re.compile(r"^[%)*†‡°]{1,3}$")
_NUMBER = re.compile(
    r"^[(\[]?[-–—−+±<>~≈$€£¥]{0,3}\s?[(]?[$€£¥]?\s?\d[\d\s.,'’:/%-]*[)\]]?\s?[%*†‡€$£a-z]{0,3}[)\]]?(\^.*)?$"
)
_YEAR = re.compile(
    r"^(?:(?:FY|CY|Q[1-4]|H[12])\s?['’]?)?(?:19|20)\d\d(?:[/–-]\d{2,4})?[a-zA-Z*]?(?:\s?\(?[a-z*\d]{1,2}\)?)?$"
)
_NOTHING = re.compile(r"^(?:[-–—−*x✓.…:]{1,3}|n/?a\.?|nil|none|nm|\(\d{1,2}\))$", re.IGNORECASE)


@dataclass(slots=True)
class PrintedPiece:
    """Words of one row without a wide gap between them."""

    words: list[Word]
    left: float = 0.0
    right: float = 0.0
    text: str = ""

    numeric: bool = False

    def __post_init__(self) -> None:
        words = self.words
        self.left = words[0].box.left
        self.right = max([word.box.right for word in words])
        self.text = words_text(words) if len(words) > 1 else words[0].text
        self.numeric = is_number(self.text)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


@dataclass(slots=True)
class PrintedRow:
    """One printed row, its pieces from left to right."""

    pieces: list[PrintedPiece]
    baseline: float = 0.0
    size: float = 0.0
    leaders: bool = False  # dots lead from one piece to the next
    top: float = field(default=0.0)
    bottom: float = field(default=0.0)

    def __post_init__(self) -> None:
        largest = max(
            [word for piece in self.pieces for word in piece.words], key=lambda word: word.size
        )
        self.size, self.baseline = largest.size, largest.baseline
        self.top = self.baseline - 0.75 * self.size
        self.bottom = self.baseline + 0.22 * self.size

    @property
    def left(self) -> float:
        return self.pieces[0].left

    @property
    def right(self) -> float:
        return max([piece.right for piece in self.pieces])

    @property
    def middle_line(self) -> float:
        return self.baseline - 0.3 * self.size

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.right, self.bottom)


def is_number(text: str) -> bool:
    """Whether it is a figure, or a sign that stands in place of one."""
    return bool(_NUMBER.match(text) or _NOTHING.match(text))


def is_year(text: str) -> bool:
    """Whether it names a year or a part of one, as the header of a column does."""
    return bool(_YEAR.match(text))


def words_text(words: Sequence[Word]) -> str:
    """Words from left to right as text, what runs from right to left as it is read; what the file
    sets without a space stays together.
    """
    mixed = any(word.leftward for word in words)
    text = ""
    before: Word | None = None
    for word in order_words(words) if mixed else words:
        if before is not None:
            gap = word.box.left - before.box.right
            close = gap < 0.12 * max(word.size, before.size)
            if mixed:
                beside = before.box.left - word.box.right < 0.12 * max(word.size, before.size)
                close = word.line == before.line or (close and beside)
            text += "" if close and not word.spaced else " "
        text += word.text
        before = word
    return text


def words_to_lines(words: Iterable[Word]) -> list[list[Word]]:
    """Words of one baseline together, from top to bottom; within a line in no order."""
    lines: list[list[Word]] = []
    bases: list[float] = []
    spreads: list[float] = []  # how far a word's baseline may be from that of its line
    for word in sorted(words, key=_by_baseline):
        baseline, size = word.baseline, word.size
        near = SAME_ROW * (size if size > 4 else 4.0)
        for place in range(len(lines) - 1, max(-1, len(lines) - 4), -1):
            apart = abs(baseline - bases[place])
            if apart <= near and apart <= spreads[place]:
                lines[place].append(word)
                break
        else:
            lines.append([word])
            bases.append(baseline)
            spreads.append(near)
    return lines


def _by_baseline(word: Word) -> float:
    return word.baseline


def lines_text(words: Iterable[Word]) -> list[str]:
    """The text of each line."""
    return [words_text(sorted(line, key=_by_left)) for line in words_to_lines(words)]


def _by_left(word: Word) -> float:
    return word.box.left


def words_to_rows(words: Iterable[Word]) -> list[PrintedRow]:
    """Rows from top to bottom."""
    made = [_make_row(line) for line in words_to_lines(words)]
    return sorted((row for row in made if row is not None), key=lambda row: row.baseline)


def _make_row(words: list[Word]) -> PrintedRow | None:
    words.sort(key=_by_left)
    leaders = _leaders(words)
    dots = {id(word) for word in leaders}
    words = [word for word in words if id(word) not in dots]
    if not words:
        return None
    pieces: list[list[Word]] = []
    for word in words:
        if pieces and not _parts(pieces[-1][-1], word, leaders):
            pieces[-1].append(word)
        else:
            pieces.append([word])
    return PrintedRow([PrintedPiece(each) for each in _join_signs(pieces)], leaders=bool(leaders))


def is_leader(word: Word, within: Box) -> bool:
    """Whether it is made of dots that lead through a table."""
    dots = word.text[:1] in _DOTS and not word.text.strip("".join(_DOTS))
    return dots and within.holds((word.box.left + word.box.right) / 2, word.middle)


def _leaders(words: Sequence[Word]) -> list[Word]:
    """Words of dots that lead from one piece of a row to the next."""
    dots = [word for word in words if word.text[:1] in _DOTS]
    single = [word for word in dots if len(word.text) == 1]
    return (single if len(single) > 2 else []) + [
        word for word in dots if len(word.text) > 1 and _LEADER.match(word.text)
    ]


def _parts(before: Word, after: Word, leaders: Sequence[Word]) -> bool:
    gap = after.box.left - before.box.right
    if gap > PIECE_GAP * max(min(before.size, after.size), 1.0):
        return True
    return bool(leaders) and any(
        before.box.right <= lead.box.left + 1 <= after.box.left + 1 for lead in leaders
    )


def _join_signs(pieces: list[list[Word]]) -> list[list[Word]]:
    """Currency signs that stand apart from their figures put before them, percent signs after."""
    if not any(len(piece) == 1 and len(piece[0].text) <= 3 for piece in pieces):
        return pieces
    joined: list[list[Word]] = []
    held: list[Word] = []
    for piece in pieces:
        text = words_text(piece)
        if held and _starts_figure(text):
            piece = held + piece
            held = []
        elif held:
            joined.append(held)
            held = []
        if _OPENING.match(text) and text not in ("-", "–", "—"):
            held = piece
        elif _CLOSING.match(text) and joined and is_number(words_text(joined[-1])):
            gap = piece[0].box.left - joined[-1][-1].box.right
            if gap < 2 * piece[0].size:
                joined[-1] = joined[-1] + piece
            else:
                joined.append(piece)
        else:
            joined.append(piece)
    return [*joined, held] if held else joined


def _starts_figure(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "(-–—−.," or bool(_NOTHING.match(text))
