"""The client of model servers: connections are used again, and no reply is taken for another's."""

import asyncio

import pytest

from service.llm.http_client import ConnectionFailed, HttpClient

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


class Server:
    """Answers requests with what a function writes for the number of each, and counts connections."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self.heads: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> HttpClient:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.client = HttpClient(f"http://{host}:{port}", {"X-Own": "1"}, connect_timeout_s=5)
        return self.client

    async def __aexit__(self, *raised: object) -> None:
        await self.client.aclose()
        for writer in self.writers:
            writer.close()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.heads.append(head)
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            for piece in self._replies.pop(0).split(b"|"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)


async def ask(client: HttpClient, content: bytes | None = b"{}") -> bytes:
    reply = await client.send("POST", "/ask", content)
    try:
        return await reply.read()
    finally:
        reply.close()


def test_one_connection_carries_one_request_after_the_other() -> None:
    async def asked() -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-|Encoding: chunked\r\n\r\n4\r\nsi|de\r\n0\r\n|\r\n"
        async with (server := Server(PLAIN + b"so|up", chunked, PLAIN + b"fish")) as client:
            assert [await ask(client) for _ in range(3)] == [b"soup", b"side", b"fish"]
            assert server.connections == 1
            assert b"\r\nX-Own: 1\r\n" in server.heads[0]

    asyncio.run(asked())


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async def asked() -> None:
        async with (server := Server(*[PLAIN + b"so|up"] * 3)) as client:
            assert await asyncio.gather(*(ask(client) for _ in range(3))) == [b"soup"] * 3
            assert server.connections == 3

    asyncio.run(asked())


@pytest.mark.parametrize(
    "reply",
    [
        PLAIN + b"soup" + PLAIN + b"evil",
        PLAIN + b"soup|" + PLAIN + b"evil",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nsoup",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nsoup",
    ],
    ids=["more in one piece", "more later", "close", "an old version"],
)
def test_a_connection_on_which_more_came_or_that_ends_is_not_used_again(reply: bytes) -> None:
    async def asked() -> None:
        async with (server := Server(reply, PLAIN + b"fish")) as client:
            assert await ask(client) == b"soup"
            await asyncio.sleep(0.05)
            assert await ask(client) == b"fish"
            assert server.connections == 2

    asyncio.run(asked())


def test_a_reply_that_is_not_read_to_its_end_ends_its_connection() -> None:
    async def asked() -> None:
        async with (server := Server(PLAIN + b"so", PLAIN + b"fish")) as client:
            reply = await client.send("GET", "/ask")
            reply.close()
            assert await ask(client) == b"fish"
            assert server.connections == 2

    asyncio.run(asked())


def test_an_end_that_has_come_need_not_be_read() -> None:
    async def asked() -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsoup\r\n0\r\n\r\n"
        async with (server := Server(chunked, PLAIN + b"fish")) as client:
            reply = await client.send("GET", "/ask")
            async for data in reply.chunks():
                assert data == b"soup"
                break
            reply.close()
            assert await ask(client) == b"fish"
            assert server.connections == 1

    asyncio.run(asked())


@pytest.mark.parametrize(
    "reply",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000, b"220 smtp\r\n\r\n"],
    ids=["no HTTP", "an endless head", "another protocol"],
)
def test_what_is_no_reply_is_a_failure(reply: bytes) -> None:
    async def asked() -> None:
        async with Server(reply) as client:
            with pytest.raises(ConnectionFailed) as failed:
                await ask(client)
            assert not failed.value.connecting

    asyncio.run(asked())


def test_a_server_that_hangs_up_is_a_failure_and_none_at_all_another_one() -> None:
    async def asked() -> None:
        async with (server := Server(PLAIN + b"so")) as client:
            reply = await client.send("GET", "/ask")
            server.writers[0].close()
            with pytest.raises(ConnectionFailed) as failed:
                await reply.read()
            assert not failed.value.connecting
            reply.close()
        with pytest.raises(ConnectionFailed) as failed:
            await ask(client)
        assert failed.value.connecting

    asyncio.run(asked())


def test_a_path_and_a_name_before_the_address_go_with_every_request() -> None:
    async def asked() -> None:
        async with (server := Server(PLAIN + b"soup")) as client:
            port = server._server.sockets[0].getsockname()[1]
            other = HttpClient(f"http://me:pass@127.0.0.1:{port}/llm", {}, connect_timeout_s=5)
            assert await ask(other, None) == b"soup"
            assert server.heads[0].startswith(b"POST /llm/ask HTTP/1.1\r\n")
            assert b"Authorization: Basic bWU6cGFzcw==\r\n" in server.heads[0]
            await other.aclose()
            assert client is not other

    asyncio.run(asked())
