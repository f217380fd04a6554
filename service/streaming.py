"""An answer as server-sent events: `passages`, `token`, `citation`, `usage`, `done`, or `error`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from indexes.errors import ClearanceError
from service import eventstream, problems
from service.answering import Answer, CitationFound, Event, Finished, Passages
from service.leaving import CallerLeft, ended, gone, unless_gone
from service.schemas import AskReply, BudgetReply, DoneReply, PassageReply, UsageReply, citation

HEARTBEAT_S = 10.0
STALLED_S = 30.0  # a caller who reads nothing for so long has left
AHEAD = 16  # events that may wait for the caller

Item = Event | Exception | None


class Speech(Protocol):
    """The form in which one answer is told. Used once."""

    def whole(self, answer: Answer) -> BaseModel:
        """The reply to who waits for all of it."""
        ...

    def frames(self, event: Event) -> Iterable[bytes]:
        """What goes over the wire for one event."""
        ...

    def failed(self, problem: dict[str, Any]) -> Iterable[bytes]:
        """What goes over the wire when an answer that has begun cannot be finished. problem: its body, RFC 9457."""
        ...


class AskSpeech:
    """As /ask tells it."""

    def whole(self, answer: Answer) -> AskReply:
        return AskReply.of(answer)

    def frames(self, event: Event) -> Iterable[bytes]:
        return [eventstream.encode(name, payload) for name, payload in _named(event)]

    def failed(self, problem: dict[str, Any]) -> Iterable[bytes]:
        return [eventstream.encode("error", problem)]


class EventStream:
    """Works an answer out in one task, and sends it from another as fast as the caller reads."""

    def __init__(
        self,
        events: AsyncIterator[Event],
        request_id: str,
        finished: Callable[[Answer], None],
        speech: Speech | None = None,
    ) -> None:
        """speech: how the events are told; none: as /ask tells them."""
        self._speech = speech or AskSpeech()
        self._request_id = request_id
        self._finished = finished
        self._queue: asyncio.Queue[Item] = asyncio.Queue(AHEAD)
        self._working = asyncio.create_task(self._work(events))

    async def response(self, receive: Receive) -> Response:
        """The stream, or a plain problem where it fails before anything could be sent.

        Raises CallerLeft, and what is unexpected.
        """
        try:
            first = await unless_gone(self._queue.get(), receive)
        except (asyncio.CancelledError, CallerLeft):
            await self.close()
            raise
        if isinstance(first, ClearanceError):
            return problems.of(first).response(self._request_id)
        if isinstance(first, Exception):
            raise first
        return _Response(self, first)

    async def _work(self, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                await self._queue.put(event)
                if isinstance(event, Finished):
                    self._finished(event.answer)
            await self._queue.put(None)
        except Exception as error:
            await self._queue.put(error)
        finally:
            if close := getattr(events, "aclose", None):
                await close()

    async def frames(self, first: Item) -> AsyncIterator[bytes]:
        """What goes over the wire, with a comment now and then while nothing happens."""
        item = first
        while item is not None and not isinstance(item, Exception):
            for frame in self._speech.frames(item):
                yield frame
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):  # wait_for loses a cancellation that comes with an item
                        item = await self._queue.get()
                    break
                except TimeoutError:
                    yield eventstream.HEARTBEAT
        if item is not None:
            known = problems.of(item) if isinstance(item, ClearanceError) else problems.Problem(problems.INTERNAL)
            for frame in self._speech.failed(known.body(self._request_id)):
                yield frame
            if not isinstance(item, ClearanceError):
                raise item

    async def close(self) -> None:
        await ended(self._working)


class _Response(Response):
    """Sends the frames. Ends the work when the caller leaves or stops reading."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream, first: Item) -> None:
        self._stream = stream
        self._first = first
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                scope["state"]["left"] = True
                return
            try:
                sending.result()
            except (TimeoutError, OSError):
                scope["state"]["left"] = True
        finally:
            await ended(leaving)
            await ended(sending)
            await self._stream.close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self._stream.frames(self._first):
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _named(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """The events on the wire that one event of the answer is."""
    if isinstance(event, Passages):
        shown = [_plain(PassageReply.of(passage)) for passage in event.passages]
        said = {"answer_id": event.answer_id, "view_id": event.view_id, "passages": shown}
        return [("passages", said | {"standalone_question": event.standalone_question})]
    if isinstance(event, CitationFound):
        return [("citation", _plain(citation(event.citation)))]
    if isinstance(event, Finished):
        answer = event.answer
        usage = _plain(UsageReply.model_validate(answer.usage)) if answer.usage else None
        used = {"usage": usage, "budget": _plain(BudgetReply.model_validate(answer.budget))}
        return [("usage", used), ("done", _plain(DoneReply.of(answer)))]
    return [("token", {"text": event.text})]


def _plain(reply: BaseModel) -> dict[str, Any]:
    return reply.model_dump(mode="json")
