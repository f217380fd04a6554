"""What callers get: replies hold what the caller may read, and nothing of what is inside."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from indexes.catalog.jobs import Job, JobState
from indexes.formats import PageKind
from indexes.model import DocumentView, Hit, Mode, PageMark, Principal, Readers, SearchResult
from service.answering.citations import Citation
from service.answering.claim_check import CheckedClaim, Reason
from service.answering.prompt import LeftOut, Passage
from service.answering.values import Answer, AnsweredBy
from service.runtime import Readiness

MARK_SCHEMA: dict[str, Any] = {  # a triple in words that every generator of clients understands
    "type": "array",
    "items": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
    "minItems": 3,
    "maxItems": 3,
}


HEADER: Any = Field(
    "",
    description="Caption, notes and header rows of the table that it begins in, one a line, cells between ` | `;"
    " empty if it begins in none, or shows them itself.",
)


def _describe_pair(schema: dict[str, Any]) -> None:
    """Two numbers, in words that every generator of clients understands."""
    schema["items"] = schema.pop("prefixItems")[0]


class Reply(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class ReadersReply(Reply):
    allow: tuple[str, ...]
    deny: tuple[str, ...]

    @classmethod
    def of(cls, readers: Readers) -> Self:
        return cls(allow=tuple(sorted(readers.allow)), deny=tuple(sorted(readers.deny)))


class PageReply(Reply):
    number: int
    name: str | None
    kind: PageKind | None


class SpanReply(Reply):
    """An unbroken stretch of a document; offsets count Unicode characters of the document's text."""

    text: str
    start: int
    end: int
    section: tuple[str, ...]
    header: str = HEADER


class PassageReply(Reply):
    """What the answerer was shown under the number n."""

    n: int
    id: str
    document_id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    section: tuple[str, ...]
    pages: tuple[PageReply, ...]
    score: float
    spans: tuple[SpanReply, ...]
    cut: bool
    header: str = HEADER

    @classmethod
    def of(cls, passage: Passage) -> Self:
        return cls.model_validate(
            _shared_fields(cls, passage)
            | {"pages": _page_replies(passage.pages, passage.page_kind)}
        )


class CitationReply(Reply):
    """A marker [n] of the answer, and the words it points at."""

    n: int
    passage_id: str
    document_id: str
    title: str
    path: str
    media_type: str
    section: tuple[str, ...]
    page: PageReply | None
    start: int
    end: int
    quote: str
    span: tuple[int, int] = Field(
        description="Where the marker stands in the answer.", json_schema_extra=_describe_pair
    )
    supported: bool
    header: str = Field(
        "", description="Caption, notes and header rows above the quote, if it is a row of a table."
    )


class CheckedSentenceReply(Reply):
    """A sentence of the answer that claims something, and what the passages say to it."""

    span: tuple[int, int] = Field(
        description="Where it stands in the answer.", json_schema_extra=_describe_pair
    )
    supported: bool
    reason: Reason | None = Field(
        description="Why it is not supported: numbers or names that no passage has there, a `not` too many or too few, or"
        " words of something else."
    )
    passages: tuple[int, ...] = Field(description="Numbers of those that support it.")


class SupportReply(Reply):
    """How much of the model's answer the passages support."""

    share: float | None = Field(
        description="Of the sentences that claim something; null if none does."
    )
    sentences: tuple[CheckedSentenceReply, ...]
    quotes_from: int | None = Field(
        description="Where in the answer the quotes begin that stand below what the model said; null if there are none."
    )


class UsageReply(Reply):
    prompt_tokens: int
    completion_tokens: int
    counted_prompt_tokens: int


class ShareReply(Reply):
    n: int
    tokens: int


class LeftOutReply(Reply):
    """What was found and not shown, or not all of it."""

    passage_id: str
    document_id: str
    title: str
    section: tuple[str, ...]
    pages: tuple[PageReply, ...]
    reason: str
    characters: int = Field(description="How many of them were left out.")

    @model_validator(mode="before")
    @classmethod
    def _from_left_out(cls, left: object) -> object:
        if not isinstance(left, LeftOut):
            return left
        return _shared_fields(cls, left) | {"pages": _page_replies(left.pages, left.page_kind)}


class BudgetReply(Reply):
    """Where the context window went."""

    window: int | None
    answer: int
    template: int
    question: int
    history: int
    passages: tuple[ShareReply, ...]
    unused: int
    left_out: tuple[LeftOutReply, ...]
    dropped_turns: int


class TimingsReply(Reply):
    """Rounded up to steps (50, 100, 200, 500 and so on): for people, and too coarse to tell of
    other people's work.
    """

    condense_ms: int
    search_ms: int
    prompt_ms: int
    first_token_ms: int | None
    total_ms: int

    @field_validator("*", mode="before")
    @classmethod
    def _round_up(cls, exact: float | None) -> int | None:
        return None if exact is None else _next_step(exact)


class AskReply(Reply):
    answer: str
    citations: tuple[CitationReply, ...]
    passages: tuple[PassageReply, ...]
    abstained: bool
    usage: UsageReply | None
    budget: BudgetReply
    view_id: str
    answer_id: str
    model: str | None
    template: str | None
    timings: TimingsReply
    answerer: AnsweredBy = Field(
        description="`service` if there was nothing to answer: a greeting, thanks."
    )
    notice: str | None
    support: SupportReply | None = Field(
        description="Null if no model made the answer, or if it says that nothing answers."
    )
    cut_off: bool = Field(description="Whether the answer stops at its greatest length.")
    standalone_question: str | None = Field(
        description="What was searched for, if that is not the question."
    )
    near: tuple[PassageReply, ...] = Field(
        description="If nothing answers: the nearest passages, at most three, whether the answerer was shown them"
        " or not. They are no answer, and numbered for themselves."
    )
    advice: str | None = Field(description="If nothing answers: how to ask with other words.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        own = {
            "answer": answer.text,
            "passages": tuple(PassageReply.of(passage) for passage in answer.passages),
            "near": tuple(PassageReply.of(passage) for passage in answer.near),
        }
        return cls.model_validate(_shared_fields(cls, answer) | own)


class DoneReply(AskReply):
    """What the event `done` holds: a stream has begun before there is a position to send as a
    header.
    """

    position: str = Field(description="As `Clearance-Position` in a reply that is no stream.")


class HitReply(Reply):
    """A passage that matched; offsets count Unicode characters of the document's text."""

    id: str
    document_id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    section: tuple[str, ...]
    pages: tuple[PageReply, ...]
    text: str
    start: int
    end: int
    score: float
    header: str = HEADER

    @classmethod
    def of(cls, hit: Hit) -> Self:
        return cls.model_validate(
            _shared_fields(cls, hit) | {"pages": _page_replies(hit.pages, hit.page_kind)}
        )


class SearchReply(Reply):
    passages: tuple[HitReply, ...]
    view_id: str
    exactness: Literal["exact", "approximate"]
    mode: Mode

    @classmethod
    def of(cls, result: SearchResult) -> Self:
        hits = tuple(HitReply.of(hit) for hit in result.hits)
        return cls(
            passages=hits, view_id=result.view_id, exactness=result.exactness, mode=result.mode
        )


def search_json(result: SearchResult) -> bytes:
    """As `encode_json(SearchReply.of(result))`, to the letter, without looking again at what is ours."""
    return _encode(
        {
            "passages": [_hit_values(hit) for hit in result.hits],
            "view_id": result.view_id,
            "exactness": result.exactness,
            "mode": result.mode,
        }
    )


ORIGINAL: Any = Field(
    None,
    description="SHA-256 of the file that this was made from, which `/documents/{id}/original` gives; null: it is"
    " not kept.",
)


class EntryReply(Reply):
    """A document without its text."""

    id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    modified_at: datetime | None
    metadata: dict[str, str | int | float | bool]
    original: str | None = ORIGINAL


class DocumentReply(EntryReply):
    """A document, or the stretch of it that was asked for."""

    characters: int = Field(description="Of the whole document.")
    start: int = Field(description="Where `text` begins in it.")
    text: str
    page_kind: PageKind | None
    pages: tuple[tuple[int, int, str | None], ...] = Field(
        description="Start, number and name of each page.", json_schema_extra={"items": MARK_SCHEMA}
    )

    @classmethod
    def of(cls, document: DocumentView, start: int, length: int) -> Self:
        marks = tuple((mark.start, mark.number, mark.name) for mark in document.pages)
        piece = document.text[start : start + length]
        own = {
            "characters": len(document.text),
            "start": min(start, len(document.text)),
            "text": piece,
            "pages": marks,
        }
        return cls.model_validate(_shared_fields(cls, document) | own)


class Highlight(Reply):
    """Where the passage stands in `text`."""

    start: int
    end: int


class OpenedReply(Reply):
    """A passage inside its document."""

    passage: HitReply
    text: str = Field(description="The passage and what stands around it.")
    text_start: int = Field(description="Where `text` begins in the document.")
    highlight: Highlight
    characters: int = Field(description="Of the whole document.")
    original: str | None = ORIGINAL

    @classmethod
    def of(cls, hit: Hit, document: DocumentView, around: int) -> Self:
        """The passage with up to `around` characters before and after it."""
        first, last = max(0, hit.start - around), min(len(document.text), hit.end + around)
        return cls(
            passage=HitReply.of(hit),
            text=document.text[first:last],
            text_start=first,
            highlight=Highlight(start=hit.start - first, end=hit.end - first),
            characters=len(document.text),
            original=document.original,
        )


class JobReply(Reply):
    id: str
    kind: str
    state: JobState
    done: int
    total: int
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(job)


class CheckReply(Reply):
    status: Literal["ready", "degraded", "not ready"]
    checks: dict[str, Literal["ok", "not ready", "unavailable", "not configured"]]

    @classmethod
    def of(cls, found: Readiness) -> Self:
        usable = found.catalog and found.index
        return cls(
            status="not ready"
            if not usable
            else "ready"
            if found.model is not False
            else "degraded",
            checks={
                "catalog": "ok" if found.catalog else "not ready",
                "index": "ok" if found.index else "not ready",
                "model": "not configured"
                if found.model is None
                else "ok"
                if found.model
                else "unavailable",
            },
        )


class CallerReply(Reply):
    name: str
    scopes: tuple[str, ...]
    acted_by: str | None = Field(None, description="Who asks as this user; none: the user.")

    @classmethod
    def of(cls, caller: Principal) -> Self:
        scopes = tuple(sorted(caller.scopes))
        return cls(name=caller.name, scopes=scopes, acted_by=caller.acted_by)


class LiveReply(Reply):
    status: Literal["live"] = "live"


class VersionReply(Reply):
    name: str
    version: str


class ProblemReply(Reply):
    """RFC 9457."""

    type: str
    title: str
    status: int
    instance: str = Field(
        description="The request id, as in the header X-Request-ID and in the log."
    )
    detail: str | None = None
    errors: tuple[dict[str, str], ...] = ()
    retry_after_s: int | None = None


def encode_json(reply: BaseModel) -> bytes:
    """Text that is no valid Unicode (from a file's name, say) is shown with marks in its place."""
    return _encode(reply.model_dump(mode="json"))


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _encode(value: dict[str, Any]) -> bytes:
    return _encoder.encode(value).encode("utf-8", "replace")


def citation(found: Citation) -> CitationReply:
    return CitationReply.model_validate(found)


def checked_sentence(found: CheckedClaim) -> CheckedSentenceReply:
    return CheckedSentenceReply.model_validate(found)


def _next_step(exact: float) -> int:
    """The next of 50, 100, 200, 500, 1000 …; 0 stays 0."""
    if exact <= 0:
        return 0
    step = 50
    while step < exact:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return step


_HIT_FIELDS = tuple(HitReply.model_fields)
_read_hit = attrgetter(*_HIT_FIELDS)


def _hit_values(hit: Hit) -> dict[str, Any]:
    """The fields of a `HitReply` with their values as JSON has them."""
    values = dict(zip(_HIT_FIELDS, _read_hit(hit), strict=True))
    values["pages"] = [
        {"number": mark.number, "name": mark.name, "kind": hit.page_kind} for mark in hit.pages
    ]
    return values


def _page_replies(marks: tuple[PageMark, ...], kind: PageKind | None) -> tuple[PageReply, ...]:
    return tuple(PageReply(number=mark.number, name=mark.name, kind=kind) for mark in marks)


def _shared_fields(reply: Any, value: Any) -> dict[str, Any]:
    """The fields of a reply that the value has."""
    names, read = _shared_names(reply, value.__class__)
    return dict(zip(names, read(value), strict=True))


@cache
def _shared_names(
    reply: Any, kind: Any
) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]:
    """Names of the fields that a reply shares with a kind of values, at least two, and what reads
    them. The kind is a dataclass with slots: the class has all that its values have.
    """
    names = tuple(name for name in reply.model_fields if hasattr(kind, name))
    return names, attrgetter(*names)
