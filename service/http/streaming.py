"""An answer as server-sent events: `passages`, `token`, `citation`, `support`, `usage`, `done`, or `error`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from indexes.errors import ClearanceError
from service.answering.permission import Permission
from service.answering.values import (
    Answer,
    CitationFound,
    ClaimChecked,
    Event,
    Finished,
    Passages,
)
from service.http import problems
from service.http.disconnects import CallerLeft, run_unless_gone, wait_until_gone
from service.http.replies import (
    AskReply,
    BudgetReply,
    DoneReply,
    PassageReply,
    UsageReply,
    checked_sentence,
    citation,
)
from service.llm import event_stream
from service.operating.tasks import end_task

HEARTBEAT_S = 10.0
STALLED_S = 30.0  # a caller who reads nothing for so long has left
LAST_EVENT_S = 1.0  # for the last event of an answer that may not go on
QUEUE_LENGTH = 16  # events that may wait for the caller

QueueItem = Event | Exception | None


class ReplyForm(Protocol):
    """The form in which one answer is told. Used once."""

    def whole_reply(self, answer: Answer) -> BaseModel:
        """The reply to who waits for all of it."""
        ...

    def event_frames(self, event: Event) -> Iterable[bytes]:
        """What goes over the wire for one event."""
        ...

    def error_frames(self, problem: dict[str, Any]) -> Iterable[bytes]:
        """What goes over the wire when an answer that has begun cannot be finished. problem: its
        body, RFC 9457.
        """
        ...


class AskForm:
    """As /ask tells it."""

    def whole_reply(self, answer: Answer) -> AskReply:
        return AskReply.of(answer)

    def event_frames(self, event: Event) -> Iterable[bytes]:
        return [event_stream.encode_event(name, payload) for name, payload in _wire_events(event)]

    def error_frames(self, problem: dict[str, Any]) -> Iterable[bytes]:
        return [event_stream.encode_event("error", problem)]


class EventStream:
    """Works an answer out in one task, and sends it from another as fast as the caller reads.

    A third keeps looking whether the caller may still have it. If not, the work is stopped and
    nothing more of the answer is sent.
    """

    def __init__(
        self,
        events: AsyncIterator[Event],
        request_id: str,
        on_finished: Callable[[Answer], None],
        form: ReplyForm | None = None,
        permission: Permission | None = None,
    ) -> None:
        """form: how the events are told; if None, as /ask tells them. permission: if None, it is
        taken to last.
        """
        self._form = form or AskForm()
        self._request_id = request_id
        self._on_finished = on_finished
        self._permission = permission
        self._queue: asyncio.Queue[QueueItem] = asyncio.Queue(QUEUE_LENGTH)
        self._producer = asyncio.create_task(self._produce_events(events))
        self.permission_watch: asyncio.Future[None] = asyncio.ensure_future(
            self._watch_permission()
        )

    async def response(self, receive: Receive) -> Response:
        """The stream, or a plain problem if it fails before anything could be sent.

        Raises CallerLeft, and what is unexpected.
        """
        try:
            first = await run_unless_gone(self._first_item(), receive)
        except (asyncio.CancelledError, CallerLeft):
            await self.close()
            raise
        if isinstance(first, Exception):
            await self.close()
        if isinstance(first, ClearanceError):
            problems.log_problem(first, self._request_id)
            return problems.problem_of(first).response(self._request_id)
        if isinstance(first, Exception):
            raise first
        return _StreamResponse(self, first)

    async def _first_item(self) -> QueueItem:
        """What there is first to tell: an event, or why there is none."""
        getting = asyncio.ensure_future(self._queue.get())
        try:
            either: set[asyncio.Future[Any]] = {getting, self.permission_watch}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.permission_watch.done():
                self.permission_watch.result()
            first = getting.result()
            if isinstance(first, Exception):
                return first
            await self.check_permission()
        except Exception as error:
            return error
        else:
            return first
        finally:
            await end_task(getting)

    async def _watch_permission(self) -> None:
        """Ends only by raising."""
        if self._permission is None:
            await asyncio.get_running_loop().create_future()
        else:
            await self._permission.confirm_repeatedly()

    async def check_permission(self) -> None:
        """Raises NotAuthenticated and Withdrawn if the caller may not have any more of it."""
        if self._permission is not None:
            await self._permission.confirm_if_stale()

    async def _produce_events(self, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                await self._queue.put(event)
                if isinstance(event, Finished):
                    self._on_finished(event.answer)
            await self._queue.put(None)
        except Exception as error:
            await self._queue.put(error)
        finally:
            if close := getattr(events, "aclose", None):
                await close()

    async def event_frames(self, first: QueueItem) -> AsyncIterator[bytes]:
        """What goes over the wire, with a comment now and then while nothing happens.

        Raises what ends it too early.
        """
        item = first
        while item is not None:
            if isinstance(item, Exception):
                raise item
            for frame in self._form.event_frames(item):
                yield frame
            while True:
                try:
                    # wait_for loses a cancellation that comes with an item
                    async with asyncio.timeout(HEARTBEAT_S):
                        item = await self._queue.get()
                    break
                except TimeoutError:
                    yield event_stream.HEARTBEAT

    def last_frames(self, error: Exception) -> Iterable[bytes]:
        """What goes over the wire when the answer cannot be finished."""
        if isinstance(error, ClearanceError):
            problems.log_problem(error, self._request_id)
        known = (
            problems.problem_of(error)
            if isinstance(error, ClearanceError)
            else problems.Problem(problems.INTERNAL)
        )
        return self._form.error_frames(known.body(self._request_id))

    async def close(self) -> None:
        await end_task(self.permission_watch)
        await end_task(self._producer)


class _StreamResponse(Response):
    """Sends the frames.

    Ends the work when the caller leaves, stops reading, or may not have any more of it.
    """

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream, first: QueueItem) -> None:
        self._stream = stream
        self._first_item = first
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send_frames(send))
        leaving = asyncio.ensure_future(wait_until_gone(receive))
        try:
            await asyncio.wait(
                {sending, leaving, self._stream.permission_watch},
                return_when=asyncio.FIRST_COMPLETED,
            )
            if leaving.done() and not sending.done():
                raise _CallerStoppedReading
            # not even what waits for a caller who reads slowly is sent any more
            if not sending.done():
                await end_task(sending)
                self._stream.permission_watch.result()
            sending.result()
        except _CallerStoppedReading:
            scope["state"]["left"] = True
        except Exception as error:
            await end_task(leaving)
            await self._stream.close()
            await self._send_error(error, scope, send)
        finally:
            await end_task(leaving)
            await end_task(sending)
            await self._stream.close()

    async def _send_frames(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        async for frame in self._stream.event_frames(self._first_item):
            await self._stream.check_permission()
            await _send_frame(frame, send)
        await send({"type": "http.response.body", "body": b""})

    async def _send_error(self, error: Exception, scope: Scope, send: Send) -> None:
        """The last event says why. Raises the error if nobody expected it."""
        try:
            for frame in self._stream.last_frames(error):
                await _send_frame(frame, send, LAST_EVENT_S)
            await send({"type": "http.response.body", "body": b""})
        except _CallerStoppedReading:
            scope["state"]["left"] = True
        if not isinstance(error, ClearanceError):
            raise error


class _CallerStoppedReading(Exception):
    """The caller has left or reads nothing any more."""


async def _send_frame(frame: bytes, send: Send, within_s: float | None = None) -> None:
    try:
        async with asyncio.timeout(within_s or STALLED_S):
            await send({"type": "http.response.body", "body": frame, "more_body": True})
    except (TimeoutError, OSError) as error:
        raise _CallerStoppedReading from error


def _wire_events(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """The events on the wire that one event of the answer is."""
    if isinstance(event, Passages):
        shown = [_as_json(PassageReply.of(passage)) for passage in event.passages]
        said = {"answer_id": event.answer_id, "view_id": event.view_id, "passages": shown}
        return [("passages", said | {"standalone_question": event.standalone_question})]
    if isinstance(event, CitationFound):
        return [("citation", _as_json(citation(event.citation)))]
    if isinstance(event, ClaimChecked):
        return [("support", _as_json(checked_sentence(event.claim)))]
    if isinstance(event, Finished):
        answer = event.answer
        usage = _as_json(UsageReply.model_validate(answer.usage)) if answer.usage else None
        used = {"usage": usage, "budget": _as_json(BudgetReply.model_validate(answer.budget))}
        return [("usage", used), ("done", _as_json(DoneReply.of(answer)))]
    return [("token", {"text": event.text})]


def _as_json(reply: BaseModel) -> dict[str, Any]:
    return reply.model_dump(mode="json")
