"""What an assistant may call: `search` and `fetch`, in the form that connectors for documents expect,
and `ask`.

Each works for the caller of the request it came with, and knows nothing of the protocol.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, Field
from pydantic import StrictStr as Str
from starlette.requests import Request

from indexes.model import DocumentView, Hit, SearchResult
from service.answering.recording import opened, searched
from service.answering.values import Answer, Event
from service.http.ask import answer_over_http
from service.http.auth import principal_of
from service.http.bodies import (
    AskBody,
    CleanText,
    RequestBody,
    SearchBody,
    passage_count,
    question_of,
)
from service.http.deps import base_of, check_public_id, run_in_thread, runtime_of
from service.http.disconnects import CallerLeft
from service.http.documents import MAX_CHARACTERS
from service.http.replies import Reply

GONE = 204  # what `answer_over_http` gives for a caller who has left


class SearchArguments(RequestBody):
    query: CleanText = Field(description="What to look for: a question, or words.")


class FetchArguments(RequestBody):
    id: Str = Field(description="Of a document, as `search` gives it.")


class AskArguments(RequestBody):
    question: CleanText = Field(description="The question, in any language.")


class FoundDocument(Reply):
    id: str
    title: str
    url: str
    text: str = Field(description="Its passages that match, best first.")


class SearchResults(Reply):
    results: tuple[FoundDocument, ...] = Field(description="Best first.")

    @classmethod
    def of(cls, hits: Iterable[Hit], base: str) -> Self:
        by_document: dict[str, list[Hit]] = {}
        for hit in hits:
            by_document.setdefault(hit.document_id, []).append(hit)
        found = [
            FoundDocument(
                id=document_id,
                title=its[0].title,
                url=_link(base, its[0].id),
                text="\n\n".join(f"{hit.header}\n{hit.text}".lstrip("\n") for hit in its),
            )
            for document_id, its in by_document.items()
        ]
        return cls(results=tuple(found))


class FetchedDocument(Reply):
    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, document: DocumentView, base: str) -> Self:
        return cls(
            id=document.id,
            title=document.title,
            text=document.text[:MAX_CHARACTERS],
            url=f"{base}/documents/{document.id}",
            metadata=metadata_of(document),
        )


class CitedSource(Reply):
    n: int = Field(description="The marker [n] in the answer.")
    id: str = Field(description="Of the document.")
    title: str
    url: str
    quote: str


class CitedAnswer(Reply):
    answer: str
    citations: tuple[CitedSource, ...]
    answer_id: str
    notice: str | None = Field(None, description="What has to be known to read the answer rightly.")

    @classmethod
    def of(cls, answer: Answer, base: str) -> Self:
        sources = [
            CitedSource(
                n=each.n,
                id=each.document_id,
                title=each.title,
                url=_link(base, each.passage_id),
                quote=each.quote,
            )
            for each in answer.citations
        ]
        return cls(
            answer=answer.text,
            citations=tuple(sources),
            answer_id=answer.answer_id,
            notice=answer.notice,
        )

    def as_text(self) -> str:
        """For assistants that read nothing but text."""
        sources = {f"[{each.n}] {each.title} {each.url}": None for each in self.citations}
        notice = ["", f"({self.notice})"] if self.notice else []
        return "\n".join([self.answer, *notice, *([""] if sources else []), *sources])


class AnswerForm:
    """An answer as this protocol tells it, which is never streamed."""

    def __init__(self, base: str) -> None:
        self._base = base

    def whole_reply(self, answer: Answer) -> BaseModel:
        return CitedAnswer.of(answer, self._base)

    def event_frames(self, event: Event) -> Iterable[bytes]:
        return ()

    def error_frames(self, problem: dict[str, Any]) -> Iterable[bytes]:
        return ()


async def search(given: SearchArguments, request: Request) -> SearchResults:
    caller, runtime = principal_of(request), runtime_of(request)
    body = SearchBody(question=given.query)
    question, k = question_of(body, runtime.settings), passage_count(body, runtime.settings)

    def search_passages() -> SearchResult:
        result = runtime.searcher.search(question, caller, k)
        runtime.trail.record(
            searched(caller, result, question if runtime.settings.audit_questions else None)
        )
        return result

    found = await run_in_thread(runtime, search_passages)
    return SearchResults.of(found.hits, base_of(request.scope, runtime.settings.public_url))


async def fetch(given: FetchArguments, request: Request) -> FetchedDocument:
    runtime = runtime_of(request)
    document = await open_document(given.id, request)
    return FetchedDocument.of(document, base_of(request.scope, runtime.settings.public_url))


async def open_document(document_id: str, request: Request) -> DocumentView:
    """Raises NotFound, whether it is absent or the caller may not read it."""
    caller, runtime = principal_of(request), runtime_of(request)
    public_id = check_public_id(document_id)

    def read_document() -> DocumentView:
        document = runtime.searcher.document(public_id, caller)
        runtime.trail.record(opened(caller, document.id))
        return document

    return await run_in_thread(runtime, read_document)


async def ask(given: AskArguments, request: Request) -> CitedAnswer:
    """Raises CallerLeft."""
    caller, runtime = principal_of(request), runtime_of(request)
    wanted = AskBody(question=given.question).to_ask(runtime.settings)
    form = AnswerForm(base_of(request.scope, runtime.settings.public_url))
    response = await answer_over_http(wanted, form, request, caller, runtime, stream=False)
    if response.status_code == GONE:
        raise CallerLeft
    return CitedAnswer.model_validate_json(bytes(response.body))


def metadata_of(document: DocumentView) -> dict[str, Any]:
    """What is known of a document besides its text; `characters` tells whether all of it was given."""
    changed = document.modified_at
    told = {
        "path": document.path,
        "media_type": document.media_type,
        "collection": document.collection,
        "language": document.language,
        "modified_at": None if changed is None else changed.isoformat(),
        "characters": len(document.text),
        "complete": len(document.text) <= MAX_CHARACTERS,
        "attributes": dict(document.metadata),
    }
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ToolKind:
    """One tool."""

    title: str
    description: str
    arguments: type[RequestBody]
    reply: type[Reply]
    call: Callable[[Any, Request], Awaitable[Reply]]


TOOLS: Mapping[str, ToolKind] = {
    "search": ToolKind(
        "Search documents",
        "Documents that match a question, best first, among those that you may read.",
        SearchArguments,
        SearchResults,
        search,
    ),
    "fetch": ToolKind(
        "Open a document",
        "The text of one document that `search` has found.",
        FetchArguments,
        FetchedDocument,
        fetch,
    ),
    "ask": ToolKind(
        "Ask a question",
        "An answer made only of documents that you may read, with citations.",
        AskArguments,
        CitedAnswer,
        ask,
    ),
}


def _link(base: str, passage_id: str) -> str:
    """Opens the page at a passage, for whoever signs in there and may read it."""
    return f"{base}/#passage={passage_id}"
