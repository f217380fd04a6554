"""Answers as clients of the OpenAI routes expect them, with citations as annotations.

Each marker `[n]` becomes a `url_citation` whose start and end (in Unicode characters) enclose the
marker; in a response also a `file_citation`, whose `file_id` is the document and whose `index` is
where the marker begins. The link opens the page at the passage, for whoever signs in there and may
read it: a browser that follows a link brings no key. What OpenAI's form has no place for stands
under `clearance`: everything that /ask replies, the passages that were shown among it.

Chat pages show the text and nothing else. So what has to be known to read it rightly, that these
are quotes because the model failed, that it was cut off or how many of its sentences the documents
do not support, is also its last line, in parentheses; when it comes back with the conversation, it
is taken off. An answer that could have been longer,
and was not, says so under `clearance` alone.

An answer in a form that the caller asked for is JSON and nothing else: no markers, no annotations,
no last line. Where its values stand is told in `clearance.values`, and that nothing answers as a
`refusal`.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from service.answering.citations import Citation
from service.answering.json_form import find_values
from service.answering.values import Answer
from service.http.replies import AskReply, Reply
from service.llm.port import ServedModel
from service.llm.rights import QUOTES

FIELDS_ELSEWHERE = frozenset({"answer", "model", "usage"})


class ModelCard(Reply):
    id: str
    object: Literal["model"] = "model"
    created: int = 0  # not known
    owned_by: str


class ModelList(Reply):
    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]

    @classmethod
    def of(cls, served: Iterable[ServedModel]) -> "ModelList":
        """The served models, and the one that quotes."""
        cards = [
            ModelCard(id=model.name, owned_by="model-server")
            for model in served
            if model.name != QUOTES
        ]
        return cls(data=(*cards, ModelCard(id=QUOTES, owned_by="clearance")))


class ErrorBody(Reply):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(Reply):
    error: ErrorBody


class ChatUsage(Reply):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatMessage(Reply):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    annotations: tuple[dict[str, Any], ...]


class ChatChoice(Reply):
    index: Literal[0] = 0
    message: ChatMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class ChatReply(Reply):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[ChatChoice, ...]
    usage: ChatUsage
    clearance: dict[str, Any] = Field(
        description="As the reply of /ask, and the names of what was ignored."
    )


class ResponseReply(Reply):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None = None
    incomplete_details: dict[str, str] | None = None
    instructions: None = None
    metadata: dict[str, str] = Field({})
    model: str
    output: tuple[dict[str, Any], ...] = ()
    parallel_tool_calls: bool = False
    previous_response_id: None = None
    store: Literal[False] = False
    temperature: None = None
    tool_choice: Literal["none"] = "none"
    tools: tuple[()] = Field((), json_schema_extra={"items": {}})
    top_p: None = None
    usage: dict[str, Any] | None = None
    clearance: dict[str, Any] | None = Field(
        None, description="As the reply of /ask, and what was ignored."
    )


@dataclass(frozen=True, slots=True)
class OpenAIReply:
    """What a reply repeats of its request."""

    model: str  # by the name that the caller gave
    base: str  # of links, ending in a slash
    ignored: tuple[str, ...]
    is_json: bool = False  # the answer has the form that the caller asked for
    created: int = field(default_factory=lambda: int(time.time()))

    def chat(self, answer: Answer) -> ChatReply:
        refused = self.refuses(answer)
        message = ChatMessage(
            content=None if refused else answer.text + self.closing_notice(answer),
            refusal=answer.text if refused else None,
            annotations=self.chat_annotations(answer.citations),
        )
        choice = ChatChoice(message=message, finish_reason=finish_reason(answer))
        return ChatReply(
            id=chat_id(answer.answer_id),
            created=self.created,
            model=self.model,
            choices=(choice,),
            usage=chat_usage(answer),
            clearance=self.extension(answer),
        )

    def response(self, answer: Answer) -> ResponseReply:
        return ResponseReply(
            id=response_id(answer.answer_id),
            created_at=self.created,
            status="incomplete" if answer.cut_off else "completed",
            incomplete_details={"reason": "max_output_tokens"} if answer.cut_off else None,
            model=self.model,
            output=(self.finished_item(answer),),
            usage=_response_usage(answer),
            clearance=self.extension(answer),
        )

    def unfinished_response(self, answer_id: str) -> ResponseReply:
        """A response of which nothing has been said yet."""
        return ResponseReply(
            id=response_id(answer_id),
            created_at=self.created,
            status="in_progress",
            model=self.model,
        )

    def finished_item(self, answer: Answer) -> dict[str, Any]:
        """The message of a response."""
        text = answer.text + self.closing_notice(answer)
        part = text_part(text, self.annotations(answer.citations))
        if self.refuses(answer):
            part = {"type": "refusal", "refusal": answer.text}
        status = "incomplete" if answer.cut_off else "completed"
        return {**message_item(answer.answer_id), "status": status, "content": [part]}

    def refuses(self, answer: Answer) -> bool:
        """Whether there is a refusal instead of the JSON that was asked for."""
        return self.is_json and answer.abstained

    def closing_notice(self, answer: Answer) -> str:
        """The end of the text; JSON has none."""
        return "" if self.is_json else closing_notice(answer)

    def extension(self, answer: Answer) -> dict[str, Any]:
        told = AskReply.of(answer).model_dump(mode="json", exclude=set(FIELDS_ELSEWHERE))
        if self.is_json and not answer.abstained:
            told["values"] = find_values(answer.text, answer.passages)
        return {**told, "ignored": list(self.ignored)}

    def final_extension(self, answer: Answer) -> dict[str, Any]:
        """The extension at the end of a stream, which begins before there is a position to send as
        a header.
        """
        return {**self.extension(answer), "position": answer.position}

    def chat_annotations(self, citations: Sequence[Citation]) -> tuple[dict[str, Any], ...]:
        return tuple(
            {"type": "url_citation", "url_citation": self._url_citation(citation)}
            for citation in citations
        )

    def annotations(self, citations: Sequence[Citation]) -> list[dict[str, Any]]:
        """Two for each citation: the document, and where the marker stands with a link to the
        passage.
        """
        return [
            annotation for citation in citations for annotation in self.annotation_pair(citation)
        ]

    def annotation_pair(self, citation: Citation) -> tuple[dict[str, Any], dict[str, Any]]:
        file = {
            "file_id": citation.document_id,
            "filename": citation.path,
            "index": citation.span[0],
        }
        return {"type": "file_citation", **file}, {
            "type": "url_citation",
            **self._url_citation(citation),
        }

    def _url_citation(self, citation: Citation) -> dict[str, Any]:
        start, end = citation.span
        url = f"{self.base}#passage={citation.passage_id}"
        return {
            "start_index": start,
            "end_index": end,
            "title": citation.title or citation.path,
            "url": url,
        }


def closing_notice(answer: Answer) -> str:
    """What has to be known to read the answer rightly, as the end of its text; nothing if there
    is no such thing.
    """
    return (
        f"\n\n({answer.notice})"
        if answer.notice and (answer.caveat or answer.answerer == "quotes")
        else ""
    )


def chat_id(answer_id: str) -> str:
    return f"chatcmpl-{answer_id}"


def response_id(answer_id: str) -> str:
    return f"resp_{answer_id}"


def message_item(answer_id: str) -> dict[str, Any]:
    """The message of a response before anything is in it."""
    return {
        "id": f"msg_{answer_id}",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }


def text_part(text: str, annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def finish_reason(answer: Answer) -> Literal["stop", "length"]:
    return "length" if answer.cut_off else "stop"


def chat_usage(answer: Answer) -> ChatUsage:
    """Zeros if no model was asked."""
    prompt, completion = _tokens(answer)
    return ChatUsage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )


def _response_usage(answer: Answer) -> dict[str, Any]:
    prompt, completion = _tokens(answer)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }


def _tokens(answer: Answer) -> tuple[int, int]:
    return (answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else (0, 0)
