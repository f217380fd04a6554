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
from service.http.middleware import HEADERS
from service.http.wrong_keys import group_of
from service.operating.metrics import Metrics

log = logging.getLogger("clearance.connections")

ALWAYS = b"/livez"
SPARE = 16  # places for those who may ask for nothing but that
ACCEPTED_AT_ONCE = 16  # taken from the system's queue before the limits are looked at
# for the catalog, the model server, files, and connections that are just being closed
FILES_KEPT = 200
MOST = 4_096
FEWEST = 32
LINGER_S = 2.0  # for who still sends to read why it is not listened to
STALLED_S = 30.0  # a caller who reads nothing for so long has left


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    most: int
    per_address: int
    head_s: float  # for a whole head to arrive
    idle_s: float  # between two requests

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
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
    """How many connections there may be where a process may have so many files open (negative:
    without end).
    """
    return MOST if files < 0 else max(FEWEST, min(MOST, files - FILES_KEPT))


class Connections:
    """Those of one process. Used by one thread."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self._metrics = metrics
        self._open: dict[str, set[Connection]] = {}
        self._count = 0
        # no request on them; the longest wait first
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._waiting_at: dict[str, OrderedDict[Connection, None]] = {}
        self._spare: OrderedDict[Connection, None] = OrderedDict()

    def protocol(self, **given: Any) -> asyncio.Protocol:
        """One more connection, as uvicorn asks for it."""
        return Connection(self, **given)

    def enter(self, connection: "Connection") -> None:
        """Makes room for it, or marks it as one that may ask for `/livez` only."""
        there = self._open.get(connection.address, ())
        if len(there) >= self.limits.per_address:
            connection.spare = not self._take_from(self._waiting_at.get(connection.address))
        elif self._count >= self.limits.most:
            connection.spare = not self._take_from(self._waiting)
        if connection.spare:
            self._spare[connection] = None
            if len(self._spare) > SPARE:
                self._close(next(iter(self._spare)))
        else:
            self._open.setdefault(connection.address, set()).add(connection)
            self._count += 1
            self.wait(connection)

    def leave(self, connection: "Connection") -> None:
        self.work(connection)
        self._spare.pop(connection, None)
        there = self._open.get(connection.address, set())
        if connection in there:
            there.remove(connection)
            self._count -= 1
            if not there:
                del self._open[connection.address]

    def wait(self, connection: "Connection") -> None:
        """No request is on it now."""
        if not connection.spare:
            self._waiting[connection] = None
            self._waiting_at.setdefault(connection.address, OrderedDict())[connection] = None

    def work(self, connection: "Connection") -> None:
        """A request is on it now."""
        self._waiting.pop(connection, None)
        there = self._waiting_at.get(connection.address)
        if there is not None:
            there.pop(connection, None)
            if not there:
                del self._waiting_at[connection.address]

    def refused(self, why: str) -> None:
        self._metrics.refused(why)

    def _take_from(self, waiting: "OrderedDict[Connection, None] | None") -> bool:
        if not waiting:
            return False
        self._close(next(iter(waiting)))
        return True

    def _close(self, connection: "Connection") -> None:
        self.leave(connection)
        self.refused("room was needed")
        connection.transport.abort()


class Connection(H11Protocol):
    """uvicorn's, with limits on time and number; a head is looked at before it is parsed; one
    request at a time.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._all = connections
        self._head = bytearray()
        self._late: asyncio.TimerHandle | None = None
        self._refused = False
        self.timeout_keep_alive = cast(int, connections.limits.idle_s)
        self.address = "unknown"
        self.spare = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = group_of(self.client[0] if self.client else "")
        self._all.enter(self)
        self._within(LINGER_S if self.spare else self._all.limits.head_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._all.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        state = self.conn.their_state
        if state is h11.IDLE:
            self._head_received(data)
        elif state is h11.SEND_BODY:
            super().data_received(data)
            self._one_at_a_time()
        elif self.cycle is not None:  # the next request came before the answer: it is not looked at
            self.cycle.keep_alive = False

    def _head_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._late is None:
            self._within(self._all.limits.head_s, self._too_slow)
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
        head = received[: end + len(request_head.END)]
        self._in_time()
        if len(head) > request_head.MAX_HEAD:
            self._refuse(problems.HEAD_TOO_LARGE)
        elif not request_head.is_good(head):
            self._refuse(problems.NOT_HTTP)
        elif self.spare and request_head.path(head) != ALWAYS:
            self._refuse(problems.FULL)
        else:
            self._all.work(self)
            super().data_received(received)
            self._one_at_a_time()

    def _one_at_a_time(self) -> None:
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
        if self.spare and self.cycle is not None and not self.transport.is_closing():
            self.transport.close()
        super().on_response_complete()
        if self.transport.is_closing():
            self._within(STALLED_S, self.transport.abort)
        else:
            self._all.wait(self)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._within(STALLED_S, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._in_time()

    def _watch_writing(self, left: int) -> None:
        """Gives up who reads nothing; who reads slowly may go on."""

        def look() -> None:
            now_left = self.transport.get_write_buffer_size()
            if now_left >= left:
                self.transport.abort()
            else:
                self._watch_writing(now_left)

        self._within(STALLED_S, look)

    def send_400_response(self, msg: str) -> None:
        self._refuse(problems.NOT_HTTP)

    def _too_slow(self) -> None:
        if self._head:
            self._refuse(problems.HEAD_TOO_SLOW)
        else:
            self._all.refused("silent")
            self.transport.abort()

    def _refuse(self, kind: problems.Kind) -> None:
        """Answers without having looked any further, and ends the connection."""
        # an answer is under way on it
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        self._all.refused(kind.slug)
        self.transport.write(_plain(kind))
        self._linger()

    def _linger(self) -> None:
        """Sends no more and throws away what comes, so that what was sent is not lost; ends soon."""
        self._refused = True
        self._all.wait(self)
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._within(LINGER_S, self.transport.abort)

    def _within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._in_time()
        self._late = self.loop.call_later(seconds, otherwise)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _plain(kind: problems.Kind) -> bytes:
    """A whole reply, for a connection on which nothing can be understood."""
    request_id = uuid.uuid4().hex
    response = problems.Problem(kind).response(
        request_id, {"Connection": "close", "X-Request-ID": request_id}
    )
    lines = [
        f"HTTP/1.1 {kind.status} Refused",
        *(f"{name}: {value}" for name, value in HEADERS.items()),
    ]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in response.raw_headers]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(response.body)
