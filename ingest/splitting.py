"""Where a long text may be cut, and how many tokens its pieces have.

Every step is linear in the text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexes.text.sentences import CLAUSE_ENDS, CLOSING, ENDS, ENDS_BEFORE_SPACE

if TYPE_CHECKING:
    from indexes.embedder import TokenCounter


BATCH_CHARS = 2_000_000  # characters given to the tokenizer at once
# characters per token above which a text is surely too long and need not be counted whole
LONG_CHARS = 16
# long ones may be cut at a Chinese semicolon too
_STOPS = re.compile(
    rf"[{ENDS}；]++[{CLOSING}]*+"
    rf"|(?<![{ENDS_BEFORE_SPACE}])[{ENDS_BEFORE_SPACE}]++[{CLOSING}]*+(?=\s)"
    r"|\n++"
)
_CUTS = f"{CLAUSE_ENDS}:)）]】|"
_SPACES = " \t\n\u3000"


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A stretch of the document text."""

    start: int
    end: int


class Splitter:
    """Cuts one document's text into pieces that fit a number of tokens."""

    def __init__(self, text: str, embedder: "TokenCounter") -> None:
        self.text = text
        self._embedder = embedder
        self._chars_per_token = 3.0  # follows the text while it is cut

    def count(self, texts: Iterable[str]) -> list[int]:
        """Tokens of each text. Only some of them are held at a time."""
        counts: list[int] = []
        batch: list[str] = []
        chars = 0
        for text in texts:
            batch.append(text)
            chars += len(text)
            if chars > BATCH_CHARS:
                counts += self._embedder.count(batch)
                batch, chars = [], 0
        return counts + (self._embedder.count(batch) if batch else [])

    def count_spans(self, spans: Sequence[TextSpan]) -> list[int]:
        return self.count(self.text[span.start : span.end] for span in spans)

    def shorten(self, text: str, tokens: int) -> str:
        """The text's beginning, at most so many tokens long."""
        while text and self.count([text])[0] > tokens:
            text = text[: max(len(text) * 3 // 4, 1) if len(text) > 1 else 0].rstrip()
        return text

    def trim(self, start: int, end: int) -> TextSpan:
        """The stretch without the white space at its ends."""
        part = self.text[start:end]
        return TextSpan(
            start + len(part) - len(part.lstrip()), max(start, end - len(part) + len(part.rstrip()))
        )

    def lines(self, start: int, end: int) -> list[TextSpan]:
        """The lines with something on them."""
        return list(self._split_at(re.compile(r"\n++"), start, end))

    def pieces(self, start: int, end: int, room: int) -> list[tuple[TextSpan, int]]:
        """Sentences, and parts of those that do not fit, each with its tokens, none above `room`."""
        sentences = list(self._split_at(_STOPS, start, end))
        short = [span for span in sentences if span.end - span.start <= LONG_CHARS * room]
        tokens_of = dict(zip(short, self.count_spans(short), strict=True))
        found: list[tuple[TextSpan, int]] = []
        for span in sentences:
            if tokens_of.get(span, room + 1) <= room:
                found.append((span, tokens_of[span]))
            else:
                found += self._cut_long(span, room)
        return found

    def best_cut(self, start: int, limit: int, least: int) -> int:
        """Where to end a piece that begins at `start` and may reach `limit`: after a clause, at a
        space, else there.
        """
        window = self.text[least:limit]
        clause = max(window.rfind(sign) for sign in _CUTS)
        space = max(window.rfind(sign) for sign in _SPACES)
        best = clause if clause >= 0 and clause * 2 >= space else space
        return max(start + 1, least + best + 1 if best >= 0 else limit)

    def _split_at(self, stops: re.Pattern[str], start: int, end: int) -> Iterator[TextSpan]:
        at = start
        for stop in stops.finditer(self.text, start, end):
            span = self.trim(at, stop.end())
            if span.end > span.start:
                yield span
            at = stop.end()
        span = self.trim(at, end)
        if span.end > span.start:
            yield span

    def _cut_long(self, span: TextSpan, room: int) -> Iterator[tuple[TextSpan, int]]:
        """Pieces of a sentence that does not fit, cut by guessing a length from what came before
        and counting it.
        """
        at = span.start
        while at < span.end:
            cut, piece, tokens = self._cut_first(at, span.end, room)
            if tokens:
                self._chars_per_token = max(0.25, (piece.end - piece.start) / tokens)
            if piece.end > piece.start:
                yield piece, tokens
            at = cut

    def _cut_first(self, at: int, end: int, room: int) -> tuple[int, TextSpan, int]:
        """(where the first piece of what is too long ends, the piece without white space around it,
        its tokens)
        """
        size = max(1, int(room * self._chars_per_token))
        while True:
            limit = min(end, at + size)
            cut = limit if limit == end else self.best_cut(at, limit, at + (limit - at) // 2)
            piece = self.trim(at, cut)
            tokens = self.count_spans([piece])[0]
            if tokens <= room or cut - at <= 1:
                return cut, piece, tokens
            size = max(1, min(size * 3 // 4, int(size * room / tokens)))
