"""Markers `[n]` in an answer, checked against the passages that were supplied."""

from dataclasses import dataclass

from indexes.model import PageKind


@dataclass(frozen=True, slots=True)
class Page:
    """Where a quote stands, as the format counts it."""

    number: int
    name: str | None
    kind: PageKind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One marker `[n]` of the answer and the words of the document that it points at."""

    n: int
    passage_id: str
    document_id: str
    title: str
    path: str
    media_type: str
    section: tuple[str, ...]
    page: Page | None  # of the quote's first character; None: the format has no pages
    start: int  # quote == document.text[start:end]
    end: int
    quote: str
    span: tuple[int, int]  # the marker in Answer.text
    supported: bool  # the cited sentence shares content words with the passage
