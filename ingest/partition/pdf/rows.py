"""Words of a page to printed rows, and rows to pieces that white space sets apart."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ingest.partition.pdf.page import Box, Word

SAME_ROW = 0.45  # of a letter's size between baselines of one row
PIECE_GAP = 0.85  # of a letter's size; more white space than that parts two pieces
_LEADER = re.compile(r"^[.·…_‥]{2,}$|^(?:[.·…_]\s?){3,}$")
_DOTS = frozenset(".·…_")
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
class Piece:
    """Words of one row without a wide gap between them."""

    words: list[Word]
    left: float = 0.0
    right: float = 0.0
    text: str = ""

    def __post_init__(self) -> None:
        self.left = min(word.box.left for word in self.words)
        self.right = max(word.box.right for word in self.words)
        self.text = words_text(self.words)

    @property
    def size(self) -> float:
        return max(word.size for word in self.words)

    @property
    def numeric(self) -> bool:
        return is_number(self.text)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


@dataclass(slots=True)
class Row:
    """One printed row, its pieces from left to right."""

    pieces: list[Piece]
    baseline: float = 0.0
    size: float = 0.0
    leaders: bool = False  # dots lead from one piece to the next
    top: float = field(default=0.0)
    bottom: float = field(default=0.0)

    def __post_init__(self) -> None:
        words = [word for piece in self.pieces for word in piece.words]
        self.size = max(word.size for word in words)
        self.baseline = max(words, key=lambda word: word.size).baseline
        self.top = self.baseline - 0.75 * self.size
        self.bottom = self.baseline + 0.22 * self.size

    @property
    def left(self) -> float:
        return self.pieces[0].left

    @property
    def right(self) -> float:
        return max(piece.right for piece in self.pieces)

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
    """Words from left to right as text; what the file sets without a space stays together."""
    text = ""
    before: Word | None = None
    for word in words:
        if before is not None:
            gap = word.box.left - before.box.right
            close = gap < 0.12 * max(word.size, before.size)
            text += "" if close and not word.spaced else " "
        text += word.text
        before = word
    return text


def words_to_rows(words: Iterable[Word]) -> list[Row]:
    """Rows from top to bottom."""
    rows: list[list[Word]] = []
    bases: list[float] = []
    for word in sorted(words, key=lambda word: (word.baseline, word.box.left)):
        place = _row_for(word, rows, bases)
        if place is None:
            rows.append([word])
            bases.append(word.baseline)
        else:
            rows[place].append(word)
    made = [_make_row(row) for row in rows]
    return sorted((row for row in made if row is not None), key=lambda row: row.baseline)


def _row_for(word: Word, rows: Sequence[list[Word]], bases: Sequence[float]) -> int | None:
    """The row near the end of the list that a word belongs to."""
    for place in range(len(rows) - 1, max(-1, len(rows) - 4), -1):
        size = max(4.0, min(word.size, rows[place][0].size) or 4.0)
        if abs(word.baseline - bases[place]) <= SAME_ROW * size:
            return place
    return None


def _make_row(words: list[Word]) -> Row | None:
    words.sort(key=lambda word: word.box.left)
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
    return Row([Piece(each) for each in _join_signs(pieces)], leaders=bool(leaders))


def _leaders(words: Sequence[Word]) -> list[Word]:
    """Words of dots that lead from one piece of a row to the next."""
    dots = [word for word in words if word.text in _DOTS]
    single = dots if len(dots) > 2 else []
    return single + [word for word in words if _LEADER.match(word.text)]


def _parts(before: Word, after: Word, leaders: Sequence[Word]) -> bool:
    gap = after.box.left - before.box.right
    size = max(min(before.size, after.size), 1.0)
    if gap > PIECE_GAP * size:
        return True
    return any(before.box.right <= lead.box.left + 1 <= after.box.left + 1 for lead in leaders)


def _join_signs(pieces: list[list[Word]]) -> list[list[Word]]:
    """Currency signs that stand apart from their figures put before them, percent signs after."""
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
