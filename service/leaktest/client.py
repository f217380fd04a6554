"""HTTP over a bare socket: what it costs is a small part of what it measures, and it hides no byte
of a reply.
"""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from indexes.errors import BadInput, ClearanceError
from service.leaktest.comparing import ObservedReply
from service.leaktest.doors import Call

TIMEOUT_S = 60.0
_PIECE = 1 << 16


class ServiceAway(ClearanceError):
    """The service does not answer."""

    retryable = True


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request as it goes over the wire."""

    content: bytes
    method: str


class Client:
    """One connection that is kept open. Not to be shared between threads."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Raises BadInput for what is no address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                f"{url!a} is no address of a service.",
                remedy="Write it like http://127.0.0.1:8080.",
            )
        self._host, self._secure = parts.hostname, parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._at = parts.netloc.rpartition("@")[2]
        self._under = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def prepare(self, call: Call, key: str | None) -> PreparedRequest:
        body = call.body if isinstance(call.body, bytes) else b""
        if call.body is not None and not body:
            body = json.dumps(call.body).encode()
        lines = [f"{call.method} {self._under}{call.path} HTTP/1.1", f"Host: {self._at}"]
        lines += [f"Authorization: Bearer {key}"] if key else []
        lines += [f"{name}: {value}" for name, value in call.headers.items()]
        if call.method not in ("GET", "HEAD"):
            lines += ["Content-Type: application/json"] if body else []
            lines += [f"Content-Length: {len(body)}"]
        return PreparedRequest("\r\n".join([*lines, "", ""]).encode("ascii") + body, call.method)

    def answer(self, call: Call, key: str | None) -> ObservedReply:
        """Raises ServiceAway if nothing answers."""
        return self.send(self.prepare(call, key))[0]

    def send(self, prepared: PreparedRequest) -> tuple[ObservedReply, float]:
        """The reply, and the seconds until its last byte.

        A connection that the server has closed is opened anew.
        """
        for fresh in (self._socket is None, True):
            try:
                if fresh:
                    self._connect()
                return self._exchange(prepared)
            except (OSError, EOFError) as error:
                self.close()
                if fresh:
                    raise ServiceAway(f"{self._host}:{self._port}: {error}") from error
        raise ServiceAway(f"{self._host}:{self._port}")

    def _connect(self) -> None:
        self.close()
        made = socket.create_connection((self._host, self._port), self._timeout_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = (
            ssl.create_default_context().wrap_socket(made, server_hostname=self._host)
            if self._secure
            else made
        )

    def _exchange(self, prepared: PreparedRequest) -> tuple[ObservedReply, float]:
        assert self._socket is not None
        start = time.perf_counter()
        self._socket.sendall(prepared.content)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            self._receive_more(received)
        status, headers = _parse_head(bytes(received[:end]))
        body = received[end + 4 :]
        if prepared.method != "HEAD" and status not in (204, 304):
            body = self._receive_body(headers, body)
        took = time.perf_counter() - start
        if headers.get("connection", "").lower() == "close":
            self.close()
        return ObservedReply(status, headers, bytes(body)), took

    def _receive_body(self, headers: Mapping[str, str], begun: bytearray) -> bytearray:
        """The whole body, of which this much came with the head."""
        if "content-length" in headers:
            while len(begun) < int(headers["content-length"]):
                self._receive_more(begun)
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            return self._receive_chunks(begun)
        else:
            self._receive_rest(begun)
        return begun

    def _receive_more(self, received: bytearray) -> None:
        assert self._socket is not None
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise EOFError("The connection was closed.")
        received += piece

    def _receive_chunks(self, received: bytearray) -> bytearray:
        body = bytearray()
        while True:
            while (end := received.find(b"\r\n")) < 0:
                self._receive_more(received)
            size = int(received[:end], 16)
            while len(received) < end + 2 + size + 2:
                self._receive_more(received)
            body += received[end + 2 : end + 2 + size]
            del received[: end + 2 + size + 2]
            if size == 0:
                return body

    def _receive_rest(self, received: bytearray) -> None:
        try:
            while True:
                self._receive_more(received)
        except EOFError:
            self.close()


def _parse_head(content: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = content.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
    return int(first.split(" ")[1]), headers
