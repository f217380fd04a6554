"""Answers as they grow, in the two dialects of the OpenAI routes."""

from collections.abc import Iterator
from typing import Any

from service.answering.values import Answer, CitationFound, Event, Finished, Passages, Token
from service.http.openai import errors as openai_errors
from service.http.openai.replies import (
    ChatReply,
    OpenAIReply,
    ResponseReply,
    chat_id,
    chat_usage,
    finish_reason,
    message_item,
    response_id,
    text_part,
)
from service.llm import event_stream


class ChatForm:
    """Chunks of a chat completion.

    The last with a choice carries the annotations and the extension.
    """

    def __init__(self, reply: OpenAIReply, *, usage: bool) -> None:
        self._reply = reply
        self._wants_usage = usage
        self._answer_id = ""

    def whole_reply(self, answer: Answer) -> ChatReply:
        return self._reply.chat(answer)

    def event_frames(self, event: Event) -> Iterator[bytes]:
        if isinstance(event, Passages):
            self._answer_id = event.answer_id
            yield self._choice({"role": "assistant", "content": "", "refusal": None})
        elif isinstance(event, Token) and not self._reply.is_json:
            yield self._choice({"content": event.text})
        elif isinstance(event, Finished):
            yield from self._end_frames(event.answer)

    def error_frames(self, problem: dict[str, Any]) -> Iterator[bytes]:
        yield event_stream.encode_data(openai_errors.error_body(problem))
        yield event_stream.DONE

    def _end_frames(self, answer: Answer) -> Iterator[bytes]:
        if self._reply.is_json:  # only now it is known which of the two it is
            name = "refusal" if self._reply.refuses(answer) else "content"
            yield self._choice({name: answer.text})
        if notice := self._reply.closing_notice(answer):
            yield self._choice({"content": notice})
        delta = {"annotations": list(self._reply.chat_annotations(answer.citations))}
        yield self._choice(
            delta, finish_reason(answer), clearance=self._reply.final_extension(answer)
        )
        if self._wants_usage:
            yield self._chunk(choices=[], usage=chat_usage(answer).model_dump())
        yield event_stream.DONE

    def _choice(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._chunk(
            choices=[choice], **({"usage": None} if self._wants_usage else {}), **more
        )

    def _chunk(self, **said: Any) -> bytes:
        told = {
            "id": chat_id(self._answer_id),
            "object": "chat.completion.chunk",
            "created": self._reply.created,
        }
        return event_stream.encode_data({**told, "model": self._reply.model, **said})


class ResponsesForm:
    """Events of a response, numbered."""

    def __init__(self, reply: OpenAIReply) -> None:
        self._reply = reply
        self._answer_id = ""
        self._number = 0
        self._annotations = 0

    def whole_reply(self, answer: Answer) -> ResponseReply:
        return self._reply.response(answer)

    def event_frames(self, event: Event) -> Iterator[bytes]:
        if isinstance(event, Passages):
            self._answer_id = event.answer_id
            yield from self._start_frames()
        elif isinstance(event, Token) and not self._reply.is_json:
            yield self._text_event("response.output_text.delta", delta=event.text, logprobs=[])
        elif isinstance(event, CitationFound):
            for annotation in self._reply.annotation_pair(event.citation):
                number, self._annotations = self._annotations, self._annotations + 1
                yield self._text_event(
                    "response.output_text.annotation.added",
                    annotation=annotation,
                    annotation_index=number,
                )
        elif isinstance(event, Finished):
            yield from self._end_frames(event.answer)

    def error_frames(self, problem: dict[str, Any]) -> Iterator[bytes]:
        error = openai_errors.error_body(problem)["error"]
        told = {name: error[name] for name in ("code", "message", "param")}
        failed = self._reply.unfinished_response(self._answer_id).model_dump(mode="json")
        failed |= {"id": response_id(self._answer_id), "status": "failed"}
        failed["error"] = {"code": "server_error", "message": error["message"]}
        yield self._event("error", **told)
        yield self._event("response.failed", response=failed)

    def _start_frames(self) -> Iterator[bytes]:
        response = self._reply.unfinished_response(self._answer_id).model_dump(mode="json")
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)
        yield self._event(
            "response.output_item.added", output_index=0, item=message_item(self._answer_id)
        )
        if not self._reply.is_json:
            yield self._text_event("response.content_part.added", part=text_part("", []))

    def _end_frames(self, answer: Answer) -> Iterator[bytes]:
        item = self._reply.finished_item(answer)
        if self._reply.is_json:
            yield from self._json_frames(answer)
        if notice := self._reply.closing_notice(answer):
            yield self._text_event("response.output_text.delta", delta=notice, logprobs=[])
        if not self._reply.refuses(answer):
            yield self._text_event(
                "response.output_text.done", text=item["content"][0]["text"], logprobs=[]
            )
        yield self._text_event("response.content_part.done", part=item["content"][0])
        yield self._event("response.output_item.done", output_index=0, item=item)
        response = self._reply.response(answer).model_dump(mode="json")
        response["clearance"] = self._reply.final_extension(answer)
        yield self._event(f"response.{response['status']}", response=response)

    def _json_frames(self, answer: Answer) -> Iterator[bytes]:
        """The whole of it at once: JSON, or a refusal."""
        if self._reply.refuses(answer):
            empty = {"type": "refusal", "refusal": ""}
            yield self._text_event("response.content_part.added", part=empty)
            yield self._text_event("response.refusal.delta", delta=answer.text)
            yield self._text_event("response.refusal.done", refusal=answer.text)
        else:
            yield self._text_event("response.content_part.added", part=text_part("", []))
            yield self._text_event("response.output_text.delta", delta=answer.text, logprobs=[])

    def _text_event(self, kind: str, **said: Any) -> bytes:
        place = {"item_id": f"msg_{self._answer_id}", "output_index": 0, "content_index": 0}
        return self._event(kind, **place, **said)

    def _event(self, kind: str, **said: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return event_stream.encode_event(kind, {"type": kind, "sequence_number": number, **said})
