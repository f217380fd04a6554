"""From hits to what the model reads: passages and their order, the rendered prompt."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal, Self

from indexes.formats import PageKind
from indexes.model import Hit, OmissionReason, PageMark, SectionMark, TableMark
from service.answering.untrusted import disarm, disarm_line, make_label
from service.llm.port import Message, Prompt
from service.templates.language import fill_template
from service.templates.template import Template

Reason = OmissionReason | Literal["weak_evidence", "budget", "cut"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of the caller's own conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A hit that the answerer did not see, or not all of it."""

    passage_id: str  # public id of the hit
    document_id: str
    reason: Reason
    characters: int  # how much of it was left out
    title: str = ""
    section: tuple[str, ...] = ()
    pages: tuple[PageMark, ...] = ()
    page_kind: PageKind | None = None

    @classmethod
    def of(cls, hit: Hit, reason: Reason, characters: int | None = None) -> Self:
        """characters: how many of them were left out; if None, all."""
        left = len(hit.text) if characters is None else characters
        return cls(
            hit.id, hit.document_id, reason, left, hit.title, hit.section, hit.pages, hit.page_kind
        )


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is to be shown of a hit: this many of its characters, from its start on."""

    hit: Hit
    length: int

    @property
    def cut(self) -> bool:
        return self.length < len(self.hit.text)

    @property
    def end(self) -> int:
        return self.hit.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageSpan:
    """An unbroken stretch of a document, to the letter, with where it stands."""

    text: str  # document.text[start:end]
    start: int
    end: int
    section: tuple[str, ...]
    pages: tuple[PageMark, ...]
    headings: tuple[SectionMark, ...] = ()  # inside it
    tables: tuple[TableMark, ...] = ()
    header: str = ""  # of the table that it begins in, if it does not show it itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit as the model sees it, with the neighbours that matched too. Only `pack_passages` makes one."""

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
    spans: tuple[PassageSpan, ...]  # in reading order, not overlapping
    cut: bool = False  # its end was cut at a sentence to fit the window

    @property
    def text(self) -> str:
        return "\n".join(span.text for span in self.spans)

    @property
    def header(self) -> str:
        """Caption, notes and header rows of the table that it begins in; empty if it shows them."""
        return self.spans[0].header

    @property
    def shown(self) -> str:
        """The text, its parts of tables below their headers, each header once."""
        lines: list[str] = []
        before: PassageSpan | None = None
        for span in self.spans:
            told = before is not None and (
                span.header == before.header or span.header in before.text
            )
            lines += (span.text,) if told or not span.header else (span.header, span.text)
            before = span
        return "\n".join(lines)

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


def pack_passages(pieces: Sequence[Excerpt]) -> tuple[Passage, ...]:
    """Passages, best first: overlapping and neighbouring pieces of a document become one, ranked as
    its best piece.

    pieces: best first. The only place that makes a Passage.
    """
    rank = {piece.hit.row: position for position, piece in enumerate(pieces)}
    by_place = sorted(pieces, key=lambda piece: (piece.hit.document_id, piece.hit.start, piece.end))
    groups = [
        sorted(group, key=lambda piece: rank[piece.hit.row])
        for _, document in groupby(by_place, key=lambda piece: piece.hit.document_id)
        for group in _group_neighbours(document)
    ]
    groups.sort(key=lambda group: rank[group[0].hit.row])
    return tuple(_make_passage(n, group) for n, group in enumerate(groups, start=1))


def order_by_edges(passages: Sequence[Passage]) -> list[Passage]:
    """The order in the prompt: best first, second best last, the weakest in the middle, where
    models look least.
    """
    return [*passages[0::2], *reversed(passages[1::2])]


def make_boundary(secret: bytes, view_id: str, question: str, passages: Iterable[Passage]) -> str:
    """The line around the passages: the same for the same request, not to be guessed by who writes
    documents.
    """
    seal = hmac.new(secret, digestmod=hashlib.sha256)
    for part in (
        view_id,
        question,
        *(f"{passage.id} {passage.start} {passage.shown}" for passage in passages),
    ):
        data = part.encode("utf-8", "surrogatepass")
        seal.update(len(data).to_bytes(8, "big") + data)
    mark = seal.hexdigest()
    return f"data-{mark[:4]}-{mark[4:8]}-{mark[8:12]}"


def render_prompt(
    template: Template,
    question: str,
    passages: Sequence[Passage],
    history: Sequence[Turn],
    mark: str,
) -> Prompt:
    """The prompt.

    Documents stand in the user's turn only, between the marks, and nothing in them can close it.
    """
    turns = alternate_turns(history)
    variables: dict[str, Any] = {
        "question": disarm(question, mark).strip(),
        "passages": [
            _template_values(passage, mark, lines="line" in template.user)
            for passage in order_by_edges(passages)
        ],
        "history": turns,
        "boundary": mark,
        "no_answer": template.no_answer,
    }
    asked = fill_template(template.user, variables)
    if template.style == "completion":
        return Prompt(text=asked)
    return Prompt(
        messages=(
            Message("system", _system_text(template.system, template.no_answer)),
            *(Message(turn.role, turn.text) for turn in turns),
            Message("user", asked),
        )
    )


@lru_cache(maxsize=256)
def _system_text(source: str, no_answer: str) -> str:
    """What a template tells the model before anything else. No caller has a part in it."""
    return fill_template(source, {"no_answer": no_answer})


def alternate_turns(history: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns as chat templates want them: the user's first, then by turns, control tokens
    disarmed, no empty one.
    """
    turns: list[Turn] = []
    for role, group in groupby(
        (turn for turn in history if turn.text.strip()), key=lambda turn: turn.role
    ):
        if turns or role == "user":
            said = disarm("\n".join(turn.text.strip() for turn in group))
            turns.append(Turn(role, said.strip()))
    if turns and turns[-1].role == "user":
        turns.pop()  # the question itself is the user's next turn
    return tuple(turns)


def _group_neighbours(document: Iterable[Excerpt]) -> Iterator[list[Excerpt]]:
    """Runs of pieces of one document, by place, that touch, overlap or follow each other in reading
    order.
    """
    run: list[Excerpt] = []
    for piece in document:
        if run and not _follows(run[-1], piece):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _follows(piece: Excerpt, following: Excerpt) -> bool:
    overlap = piece.end - following.hit.start
    if overlap > 0:
        shown = piece.hit.text[: piece.length]
        return following.end > piece.end and shown[-overlap:] == following.hit.text[:overlap]
    return overlap == 0 or (not piece.cut and following.hit.ordinal == piece.hit.ordinal + 1)


def _make_passage(n: int, group: Sequence[Excerpt]) -> Passage:
    """group: pieces that follow each other, best first."""
    best = group[0].hit
    spans: list[PassageSpan] = []
    for piece in sorted(group, key=lambda piece: piece.hit.start):
        _extend_spans(spans, piece)
    return Passage(
        n=n,
        id=best.id,
        hits=tuple(piece.hit.id for piece in group),
        document_id=best.document_id,
        title=best.title,
        path=best.path,
        media_type=best.media_type,
        collection=best.collection,
        language=best.language,
        page_kind=best.page_kind,
        score=best.score,
        spans=tuple(spans),
        cut=any(piece.cut for piece in group),
    )


def _extend_spans(spans: list[PassageSpan], piece: Excerpt) -> None:
    """Adds what this piece has beyond the spans before it: to the last one if it goes on in the
    same section and below the same header.
    """
    hit = piece.hit
    start = max(hit.start, spans[-1].end) if spans else hit.start
    text = hit.text[start - hit.start : piece.length]
    last = spans[-1] if spans else None
    goes_on = last is not None and last.end == start and last.section == hit.section
    if last is not None and goes_on and (not hit.header or last.header in ("", hit.header)):
        pages = tuple(dict.fromkeys((*last.pages, *hit.pages)))
        spans[-1] = PassageSpan(
            text=last.text + text,
            start=last.start,
            end=piece.end,
            section=last.section,
            pages=pages,
            headings=(*last.headings, *hit.headings),
            tables=(*last.tables, *hit.tables),
            header=last.header,
        )
    elif text:
        spans.append(
            PassageSpan(
                text=text,
                start=start,
                end=piece.end,
                section=hit.section,
                pages=hit.pages,
                headings=hit.headings,
                tables=hit.tables,
                header=hit.header,
            )
        )


def _template_values(passage: Passage, mark: str, *, lines: bool) -> dict[str, Any]:
    """A passage as templates see it: only disarmed text. lines: whether anything asks for it as one
    line.
    """
    text = disarm(passage.shown, mark).strip()
    return {
        "n": passage.n,
        "title": make_label(passage.title, mark),
        "place": make_label(_describe_place(passage), mark),
        "text": text,
        "line": disarm_line(text, mark) if lines else text,
    }


def _describe_place(passage: Passage) -> str:
    """Section path and first page, for the model to tell passages apart."""
    parts = [" › ".join(passage.section)] if passage.section else []
    begun = [page for page in passage.pages if page.start <= passage.start]
    if begun and passage.page_kind:
        parts.append(f"{passage.page_kind} {begun[-1].name or begun[-1].number}")
    return ", ".join(parts)
