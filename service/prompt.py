"""From hits to what the model reads: passages, their order, the rendered prompt."""

from dataclasses import dataclass
from typing import Literal

from indexes.model import PageKind, PageMark


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of the caller's own conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An unbroken stretch of a document, to the letter, with where it stands."""

    text: str  # document.text[start:end]
    start: int
    end: int
    section: tuple[str, ...]
    pages: tuple[PageMark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit as the model sees it, with the neighbours that matched too. Only `pack` makes one."""

    n: int  # 1-based rank; what the model cites as [n]
    id: str  # public id of its best hit: what GET /passages/{id} opens
    hits: tuple[str, ...]  # public ids of all hits in it, best first
    document_id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    page_kind: PageKind | None
    score: float  # of its best hit
    spans: tuple[Span, ...]  # in reading order, not overlapping
    cut: bool = False  # its end was cut at a sentence to fit the window

    @property
    def text(self) -> str:
        return "\n".join(span.text for span in self.spans)

    @property
    def start(self) -> int:
        return self.spans[0].start

    @property
    def end(self) -> int:
        return self.spans[-1].end

    @property
    def section(self) -> tuple[str, ...]:
        return self.spans[0].section

    @property
    def pages(self) -> tuple[PageMark, ...]:
        return tuple(dict.fromkeys(mark for span in self.spans for mark in span.pages))
