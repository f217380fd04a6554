"""Connections as they come: slow, half sent, too many, or no HTTP at all.

`/livez` is answered whatever the others do.

There are as many connections as open files allow. One more takes the place of the one that has
waited longest without a request on it. Where all are at work, it may ask for `/livez` and nothing
else, on one of a few places kept for that.
"""

import asyncio
import logging
import resource
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from indexes.settings import Settings
from service.http import problems, request_head
from service.http.middleware import SAFE_HEADERS
from service.http.wrong_keys import address_group
from service.operating.metrics import Metrics

log = logging.getLogger("clearance.connections")

LIVENESS_PATH = b"/livez"
SPARE_PLACES = 16  # places for those who may ask for nothing but that
ACCEPTED_AT_ONCE = 16  # taken from the system's queue before the limits are looked at
# for the catalog, the model server, files, and connections that are just being closed
FILES_KEPT = 200
MAX_CONNECTIONS = 4_096
MIN_CONNECTIONS = 32
LINGER_S = 2.0  # for who still sends to read why it is not listened to
STALLED_S = 30.0  # a caller who reads nothing for so long has left


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    most: int
    per_address: int
    head_s: float  # for a whole head to arrive
    idle_s: float  # between two requests

    @classmethod
    def of(cls, settings: Settings) -> "ConnectionLimits":
        most = settings.max_connections or connections_for(
            resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        )
        return cls(
            most=most,
            per_address=settings.max_connections_per_address or max(1, most // 2),
            head_s=settings.header_timeout_s,
            idle_s=settings.keep_alive_s,
        )


def connections_for(files: int) -> int:
    """How many connections there may be if a process may have so many files open (negative:
    without end).
    """
    return (
        MAX_CONNECTIONS
        if files < 0
        else max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, files - FILES_KEPT))
    )


class Connections:
    """Those of one process. Used by one thread."""

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._metrics = metrics
        self._by_address: dict[str, set[Connection]] = {}
        self._count = 0
        # no request on them; the longest wait first
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._idle_by_address: dict[str, OrderedDict[Connection, None]] = {}
        self._spare: OrderedDict[Connection, None] = OrderedDict()

    def protocol(self, **given: Any) -> asyncio.Protocol:
        """One more connection, as uvicorn asks for it."""
        return Connection(self, **given)

    def admit(self, connection: "Connection") -> None:
        """Makes room for it, or marks it as one that may ask for `/livez` only."""
        there = self._by_address.get(connection.address, ())
        if len(there) >= self.limits.per_address:
            connection.is_spare = not self._close_longest_idle(
                self._idle_by_address.get(connection.address)
            )
        elif self._count >= self.limits.most:
            connection.is_spare = not self._close_longest_idle(self._idle)
        if connection.is_spare:
            self._spare[connection] = None
            if len(self._spare) > SPARE_PLACES:
                self._close(next(iter(self._spare)))
        else:
            self._by_address.setdefault(connection.address, set()).add(connection)
            self._count += 1
            self.mark_idle(connection)

    def remove(self, connection: "Connection") -> None:
        self.mark_busy(connection)
        self._spare.pop(connection, None)
        there = self._by_address.get(connection.address, set())
        if connection in there:
            there.remove(connection)
            self._count -= 1
            if not there:
                del self._by_address[connection.address]

    def mark_idle(self, connection: "Connection") -> None:
        """No request is on it now."""
        if not connection.is_spare:
            self._idle[connection] = None
            self._idle_by_address.setdefault(connection.address, OrderedDict())[connection] = None

    def mark_busy(self, connection: "Connection") -> None:
        """A request is on it now."""
        self._idle.pop(connection, None)
        there = self._idle_by_address.get(connection.address)
        if there is not None:
            there.pop(connection, None)
            if not there:
                del self._idle_by_address[connection.address]

    def count_refusal(self, why: str) -> None:
        self._metrics.count_refusal(why)

    def _close_longest_idle(self, idle: "OrderedDict[Connection, None] | None") -> bool:
        if not idle:
            return False
        self._close(next(iter(idle)))
        return True

    def _close(self, connection: "Connection") -> None:
        self.remove(connection)
        self.count_refusal("room was needed")
        connection.transport.abort()


class Connection(H11Protocol):
    """uvicorn's, with limits on time and number; a head is looked at before it is parsed; one
    request at a time.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._connections = connections
        self._head = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self.timeout_keep_alive = cast(int, connections.limits.idle_s)
        self.address = "unknown"
        self.is_spare = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _JoinedWrites(transport, self.loop))
        self.address = address_group(self.client[0] if self.client else "")
        self._connections.admit(self)
        self._start_timer(
            LINGER_S if self.is_spare else self._connections.limits.head_s, self._refuse_slow_head
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        state = self.conn.their_state
        if state is h11.IDLE:
            self._receive_head(data)
        elif state is h11.SEND_BODY:
            super().data_received(data)
            self._end_after_one_request()
        elif self.cycle is not None:  # the next request came before the answer: it is not looked at
            self.cycle.keep_alive = False

    def _receive_head(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._timer is None:
            self._start_timer(self._connections.limits.head_s, self._refuse_slow_head)
        searched = max(0, len(self._head) - len(request_head.END) + 1)
        self._head += data
        end = self._head.find(request_head.END, searched)
        if end < 0:
            if len(self._head) > request_head.MAX_HEAD:
                self._refuse(problems.HEAD_TOO_LARGE)
            elif not request_head.could_begin(bytes(self._head)):
                self._refuse(problems.NOT_HTTP)
            return
        received, self._head = bytes(self._head), bytearray()
        self._stop_timer()
        self._take_request(received, received[: end + len(request_head.END)])

    def _take_request(self, received: bytes, head: bytes) -> None:
        """Pass on what was received, if the head that it begins with is good."""
        if len(head) > request_head.MAX_HEAD:
            self._refuse(problems.HEAD_TOO_LARGE)
        elif not request_head.is_good(head):
            self._refuse(problems.NOT_HTTP)
        elif self.is_spare and request_head.path_of(head) != LIVENESS_PATH:
            self._refuse(problems.FULL)
        else:
            self._connections.mark_busy(self)
            super().data_received(received)
            self._end_after_one_request()

    def _end_after_one_request(self) -> None:
        """What stands behind a whole request would be parsed without having been looked at: the
        connection ends.
        """
        if (
            self.conn.their_state is h11.DONE
            and self.conn.trailing_data[0]
            and self.cycle is not None
        ):
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._linger()  # it has its answer, whatever the rest of its body is
            return
        if self.is_spare and self.cycle is not None and not self.transport.is_closing():
            self.transport.close()
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_timer(STALLED_S, self.transport.abort)
        else:
            self._connections.mark_idle(self)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._start_timer(STALLED_S, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_timer()

    def _watch_writing(self, left: int) -> None:
        """Gives up who reads nothing; who reads slowly may go on."""

        def give_up_if_stuck() -> None:
            now_left = self.transport.get_write_buffer_size()
            if now_left >= left:
                self.transport.abort()
            else:
                self._watch_writing(now_left)

        self._start_timer(STALLED_S, give_up_if_stuck)

    def send_400_response(self, msg: str) -> None:
        self._refuse(problems.NOT_HTTP)

    def _refuse_slow_head(self) -> None:
        if self._head:
            self._refuse(problems.HEAD_TOO_SLOW)
        else:
            self._connections.count_refusal("silent")
            self.transport.abort()

    def _refuse(self, kind: problems.ProblemKind) -> None:
        """Answers without having looked any further, and ends the connection."""
        # an answer is under way on it
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        self._connections.count_refusal(kind.slug)
        self.transport.write(_refusal(kind))
        self._linger()

    def _linger(self) -> None:
        """Sends no more and throws away what comes, so that what was sent is not lost; ends soon."""
        self._is_refused = True
        self._connections.mark_idle(self)
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start_timer(LINGER_S, self.transport.abort)

    def _start_timer(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, otherwise)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_PASSED_ON = ("can_write_eof", "get_extra_info", "is_closing", "pause_reading", "resume_reading")


class _JoinedWrites:
    """A transport that sends in one piece what is written in one turn of the event loop: the head of
    a reply, its body and its end would be three.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        for name in _PASSED_ON:
            setattr(self, name, getattr(transport, name))

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + sum(map(len, self._written))

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._written.clear()
        self._transport.abort()

    def _flush(self) -> None:
        if self._written:
            written = b"".join(self._written)
            self._written.clear()
            self._transport.write(written)


def _refusal(kind: problems.ProblemKind) -> bytes:
    """A whole reply, for a connection on which nothing can be understood."""
    request_id = uuid.uuid4().hex
    response = problems.Problem(kind).response(
        request_id, {"Connection": "close", "X-Request-ID": request_id}
    )
    lines = [
        f"HTTP/1.1 {kind.status} Refused",
        *(f"{name}: {value}" for name, value in SAFE_HEADERS.items()),
    ]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in response.raw_headers]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(response.body)
