"""HTTP/1.1 to one server: one request at a time on a connection, which is used again afterwards.

A general client takes two milliseconds of processor time for a request, which each question pays
twice. This one leaves out what model servers are never asked for: redirects, cookies, proxies,
compression, HTTP/2.
"""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import h11
import httpx2

MOST_IDLE = 32  # connections kept for the next request
HEAD_BYTES = 100 * 1024  # longest head of a reply
READ_AHEAD = 256 * 1024  # bytes that may wait to be read
OTHER_ADDRESS_S = 0.25  # before the next address of a host is tried beside the first


class ConnectionFailed(Exception):
    """No reply, or no more of it. `connecting`: there was no connection in the first place."""

    def __init__(self, *, connecting: bool) -> None:
        super().__init__()
        self.connecting = connecting


class HttpClient:
    """The connections to one server. Used by one event loop."""

    def __init__(self, base: str, headers: Mapping[str, str], *, connect_timeout_s: float) -> None:
        """base: with a path if that stands before every other."""
        url = httpx2.URL(base)
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = _tls_context() if url.scheme == "https" else None
        self._prefix = url.raw_path.rstrip(b"/")
        self._headers = [(b"Host", url.netloc), (b"Accept", b"*/*")]
        if url.userinfo:
            pair = f"{url.username}:{url.password}".encode()
            self._headers.append((b"Authorization", b"Basic " + base64.b64encode(pair)))
        self._headers += [(name.encode(), value.encode()) for name, value in headers.items()]
        self._connect_timeout_s = connect_timeout_s
        self._idle: deque[_Connection] = deque()

    async def send(self, method: str, path: str, content: bytes | None = None) -> "Reply":
        """The reply as soon as its head has come; it has to be closed. content: JSON, if any.

        Raises ConnectionFailed.
        """
        headers = list(self._headers)
        if content is not None:
            length = str(len(content)).encode()
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", length)]
        request = h11.Request(method=method, target=self._prefix + path.encode(), headers=headers)
        connection = self._idle_connection() or await self._connect()
        try:
            return Reply(self, connection, await connection.exchange(request, content))
        except BaseException:
            connection.close()
            raise

    async def aclose(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def take_back(self, connection: "_Connection") -> None:
        """Keeps it for the next request, if its reply has been read to the end."""
        if connection.make_idle() and len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _idle_connection(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> "_Connection":
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    happy_eyeballs_delay=OTHER_ADDRESS_S,
                )
        except (OSError, TimeoutError) as error:
            raise ConnectionFailed(connecting=True) from error
        return connection


class Reply:
    """What comes back for one request."""

    def __init__(self, client: HttpClient, connection: "_Connection", head: h11.Response) -> None:
        self._client = client
        self._connection: _Connection | None = connection
        self.status = head.status_code
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers
        }
        """By their names in small letters."""

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises ConnectionFailed if it does not come to its end."""
        while self._connection is not None and (data := await self._connection.receive_body()):
            yield data

    async def read(self) -> bytes:
        """The whole body. Raises what `chunks` raises."""
        async with aclosing(self.chunks()) as chunks:
            return b"".join([data async for data in chunks])

    def close(self) -> None:
        """Nothing more of it is wanted: a server that is still at work on it sees that."""
        if self._connection is not None:
            self._client.take_back(self._connection)
            self._connection = None


class _Connection(asyncio.Protocol):
    """One connection. What comes while nothing was asked for ends it."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._came: deque[bytes] = deque()
        self._waiting = 0  # bytes that have come and were not taken
        self._asked = False
        self._ended = False
        self._news: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        return not self._ended and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            self.close()
            return
        self._came.append(data)
        self._waiting += len(data)
        if self._waiting > READ_AHEAD:
            self._transport.pause_reading()
        self._tell_news()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._tell_news()

    async def exchange(self, request: h11.Request, content: bytes | None) -> h11.Response:
        """The head of the reply. Raises ConnectionFailed."""
        self._asked = True
        events: list[h11.Event] = [request]
        if content is not None:
            events.append(h11.Data(data=content))
        parts = [self._http.send(event) for event in (*events, h11.EndOfMessage())]
        self._transport.write(b"".join(part for part in parts if part))
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise ConnectionFailed(connecting=False)

    async def receive_body(self) -> bytes:
        """The next bytes of the body; none at its end. Raises ConnectionFailed."""
        while self._http.their_state is h11.SEND_BODY:
            event = await self._next_event()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        return b""

    def make_idle(self) -> bool:
        """Ready for the next request, if the last one has been answered to the end: of that, what
        has come already is enough.
        """
        try:
            while self._http.their_state is h11.SEND_BODY:
                if self._http.next_event() is h11.NEED_DATA:
                    self._http.receive_data(self._came.popleft())
            if self._http.trailing_data[0] or self._came or not self.is_open:
                return False
            self._http.start_next_cycle()
        except (h11.ProtocolError, IndexError):  # IndexError: no more has come
            return False
        self._waiting = 0
        self._transport.resume_reading()
        self._asked = False
        return True

    def close(self) -> None:
        self._ended = True
        self._transport.abort()

    async def _next_event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._take())
        except h11.RemoteProtocolError as error:
            raise ConnectionFailed(connecting=False) from error
        return event

    async def _take(self) -> bytes:
        """What has come; none if no more will come."""
        while not self._came:
            if self._ended:
                return b""
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        data = self._came.popleft()
        self._waiting -= len(data)
        if self._waiting <= READ_AHEAD and not self._ended:
            self._transport.resume_reading()
        return data

    def _tell_news(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _tls_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
