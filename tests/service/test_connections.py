"""The real server under connections that are slow, half sent, too many, or no HTTP; only on the
loopback device.
"""

import json
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.http import connections
from service.http.connections import (
    ACCEPTED_AT_ONCE,
    ConnectionLimits,
    Connections,
    connections_for,
)
from service.http.wrong_keys import ADDRESSES, FREE_ATTEMPTS, LONGEST_S, WrongKeys, address_group
from service.operating.metrics import Metrics
from service.testing.loopback import Loopback
from service.testing.models import words_without_loop
from tests.service.test_serve import START, environment

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def serving(house: Any, **limits: Any) -> Iterator[str]:
    given = {"most": 20, "per_address": 20, "head_s": 5.0, "idle_s": 5.0} | limits
    made = Connections(ConnectionLimits(**given), Metrics())
    with Loopback(house.app, "on", made.protocol, ACCEPTED_AT_ONCE) as server:
        yield server.url


def connect(url: str, sent: bytes = b"") -> socket.socket:
    where = urlsplit(url)
    line = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10)
    line.sendall(sent)
    return line


def all_of(line: socket.socket) -> bytes:
    """What comes until the connection ends, however it ends."""
    got = b""
    try:
        while piece := line.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply else 0


def live(url: str) -> int:
    """The status of /livez, asked on a connection of its own."""
    with connect(url, GET.replace(b"Host: x", b"Host: x\r\nConnection: close")) as line:
        return status(all_of(line))


def search(house: Any, framing: bytes, body: bytes = b'{"question": "soup"}') -> bytes:
    head = f"POST /search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.keys['ada']}\r\n".encode()
    return (
        head + b"Content-Type: application/json\r\nConnection: close\r\n" + framing + b"\r\n" + body
    )


# --- what can be understood in two ways ---------------------------------------------------------

BODY = b'{"question": "soup"}'
CHUNKED = b"14\r\n" + BODY + b"\r\n0\r\n\r\n"
TWO_WAYS: dict[str, bytes] = {
    "a length and chunks": b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 20\r\n",
    "two lengths": b"Content-Length: 20\r\nContent-Length: 21\r\n",
    "the same length twice": b"Content-Length: 20\r\nContent-Length: 20\r\n",
    "lengths in one line": b"Content-Length: 20, 20\r\n",
    "a signed length": b"Content-Length: +20\r\n",
    "a length in hexadecimal": b"Content-Length: 0x14\r\n",
    "an endless length": b"Content-Length: 99999999999999999999\r\n",
    "no length": b"Content-Length: \r\n",
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "a coding that is none": b"Transfer-Encoding: xchunked\r\n",
    "a coding behind a control character": b"Transfer-Encoding: \x0bchunked\r\n",
    "a blank before the colon": b"Content-Length : 20\r\n",
    "a folded line": b"Content-Length: 20\r\nX-Note: a\r\n b\r\n",
    "a folded length": b"Content-Length:\r\n 20\r\n",
    "a bare end of line": b"X-Note: a\nContent-Length: 20\r\n",
    "a bare return": b"X-Note: a\rContent-Length: 20\r\n",
    "a zero byte": b"X-Note: a\x00b\r\nContent-Length: 20\r\n",
    "a name with a zero byte": b"X-No\x00te: a\r\nContent-Length: 20\r\n",
    "a line without a colon": b"Content-Length: 20\r\nnonsense\r\n",
    "an empty name": b": 20\r\nContent-Length: 20\r\n",
}


def test_good_requests_are_answered(house: Any) -> None:
    with serving(house) as url:
        for sent in (
            search(house, b"Content-Length: 20\r\n"),
            search(house, b"Transfer-Encoding: chunked\r\n", CHUNKED),
            search(
                house, b"transfer-encoding:CHUNKED\r\nX-Empty:\r\nX-Drink: caf\xc3\xa9\r\n", CHUNKED
            ),
        ):
            with connect(url) as line:
                for place in range(0, len(sent), 50):  # in pieces, as networks have it
                    line.sendall(sent[place : place + 50])
                assert status(all_of(line)) == 200


def test_what_can_be_understood_in_two_ways_is_refused(house: Any) -> None:
    with serving(house) as url:
        for name, framing in TWO_WAYS.items():
            with connect(url, search(house, framing)) as line:
                reply = all_of(line)
            assert status(reply) == 400, name
            head, _, body = reply.partition(b"\r\n\r\n")
            assert json.loads(body)["type"] == "/problems/bad-request", name
            assert b"connection: close" in head.lower()
            assert b"application/problem+json" in head
            assert reply.count(b"HTTP/1.1 ") == 1, name


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\nHost: x\n\n",
        b"GET /livez HTTP/1.1\r\nHost: x\n\r\n",
        b"\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /livez\r\nHost: x\r\n\r\n",
        b"GET /li\x00vez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"POST /search HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(house: Any, sent: bytes) -> None:
    with serving(house) as url, connect(url, sent) as line:
        assert status(all_of(line)) == 400


def test_a_request_behind_another_is_not_answered_on_its_connection(house: Any) -> None:
    first = search(house, b"Content-Length: 20\r\n").replace(b"Connection: close\r\n", b"")
    with serving(house) as url:
        for sent in (
            first + GET,
            GET + GET,
            search(house, b"Transfer-Encoding: chunked\r\n", CHUNKED + GET),
        ):
            with connect(url, sent) as line:
                assert all_of(line).count(b"HTTP/1.1 200") == 1


def test_one_connection_carries_one_request_after_the_other(house: Any) -> None:
    with serving(house) as url, connect(url) as line:
        for _ in range(3):
            line.sendall(GET)
            reply = b""
            while b'{"status":"live"}' not in reply:
                reply += line.recv(65536)
            assert status(reply) == 200


def test_too_long_a_head_is_refused_before_its_end(house: Any) -> None:
    with (
        serving(house) as url,
        connect(url, b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000) as line,
    ):
        assert status(all_of(line)) == 431


# --- slowness -----------------------------------------------------------------------------------


def test_a_head_that_does_not_come_to_its_end_is_given_up(house: Any) -> None:
    with serving(house, head_s=0.5) as url:
        with connect(url) as silent, connect(url, b"GET /livez HT") as half:
            assert all_of(silent) == b""
            assert status(all_of(half)) == 408
        # each byte in time, the whole never
        with connect(url, b"GET /livez HTTP/1.1\r\n") as drops:
            drops.settimeout(0.05)
            assert status(next(filter(None, (dripped(drops) for _ in range(400))))) == 408


def dripped(line: socket.socket) -> bytes:
    """What comes back for one more byte."""
    line.sendall(b"X")
    try:
        return line.recv(65536)
    except TimeoutError:
        return b""


def test_a_body_that_does_not_come_to_its_end_is_given_up(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.app import create_app

    settings = house.settings.model_copy(update={"body_timeout_s": 0.5})
    house.app = create_app(
        settings, embedder=house.embedder, model=house.model, catalog=house.catalog
    )
    with (
        serving(house) as url,
        connect(url, search(house, b"Content-Length: 20\r\n", b"{")) as line,
    ):
        reply = all_of(line)
        assert (status(reply), b"body-too-slow" in reply) == (408, True)


def test_who_has_been_refused_cannot_hold_the_connection_with_its_body(
    house: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.3)
    sent = search(house, b"Content-Length: 1000000\r\n", b"{").replace(
        house.keys["ada"].encode(), b"wrong"
    )
    with serving(house) as url, connect(url, sent.replace(b"Connection: close\r\n", b"")) as line:
        assert status(all_of(line)) == 401


def test_a_connection_without_requests_is_closed(house: Any) -> None:
    with serving(house, idle_s=0.3) as url, connect(url, GET) as line:
        assert status(all_of(line)) == 200


# --- too many -----------------------------------------------------------------------------------


def test_a_new_connection_takes_the_place_of_the_one_that_waits_longest(house: Any) -> None:
    with serving(house, most=5, per_address=5) as url, ExitStack() as held:
        lines = [held.enter_context(connect(url, b"GET /livez HT")) for _ in range(5)]
        time.sleep(0.2)
        assert [live(url) for _ in range(3)] == [200] * 3
        assert all_of(lines[0]) == b""
        lines[4].sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert status(lines[4].recv(65536)) == 200


def test_where_all_are_at_work_livez_is_answered_and_nothing_else(house: Any) -> None:
    house.model.delay_s = 0.5
    house.model.reply = words_without_loop(60)
    body = b'{"question": "When do salaries rise?", "stream": true}'
    ask = search(house, b"Content-Length: %d\r\n" % len(body), body).replace(b"/search", b"/ask")
    with serving(house, most=4, per_address=4) as url, ExitStack() as held:
        streams = [held.enter_context(connect(url, ask)) for _ in range(4)]
        assert [status(line.recv(100)) for line in streams] == [200] * 4
        half = [held.enter_context(connect(url, b"GET /livez HT")) for _ in range(40)]
        assert [live(url) for _ in range(5)] == [200] * 5
        with connect(url, search(house, b"Content-Length: 20\r\n")) as line:
            reply = all_of(line)
            assert (status(reply), b"Retry-After" in reply or b"retry-after" in reply) == (
                503,
                True,
            )
        assert len(half) == 40


@pytest.mark.slow
def test_hundreds_of_silent_connections_do_not_keep_livez_from_being_answered(
    tmp_path: Path, models: Path
) -> None:
    """As many open files as 400, and more connections than that without a key."""
    (tmp_path / "models").symlink_to(models)

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))

    command = [*START, "--port", "0"]
    process = subprocess.Popen(
        command, env=environment(tmp_path), stderr=subprocess.PIPE, text=True, preexec_fn=few_files
    )
    try:
        assert process.stderr is not None
        url = next(
            line.split("answers on ")[1].split(";")[0]
            for line in process.stderr
            if "answers on" in line
        )
        with ExitStack() as held:
            for number in range(420):
                held.enter_context(connect(url, b"GET /livez HT" if number % 2 else b""))
                if number % 70 == 0:
                    assert live(url) == 200
            assert [live(url) for _ in range(20)] == [200] * 20
    finally:
        process.kill()
        process.wait()


def test_connections_leave_room_for_other_files() -> None:
    assert connections_for(400) == 200
    assert connections_for(1_024) == 824
    assert connections_for(64) == 32
    assert connections_for(-1) == connections_for(10**6) == 4_096


def test_one_person_is_one_address() -> None:
    assert address_group("10.1.2.3") == address_group("::ffff:10.1.2.3") == "10.1.2.3"
    assert (
        address_group("2001:db8::1")
        == address_group("2001:db8::ffff:2")
        != address_group("2001:db8:0:1::1")
    )
    assert address_group("fe80::1%eth0") == address_group("fe80::2")
    assert address_group("") == "unknown"


# --- wrong keys ---------------------------------------------------------------------------------


def test_wrong_keys_are_answered_ever_more_slowly_within_bounds() -> None:
    wrong = WrongKeys()
    delays = [wrong.delay("10.0.0.1") for _ in range(200)]
    assert delays[:FREE_ATTEMPTS] == [0.0] * FREE_ATTEMPTS
    assert delays == sorted(delays)
    assert 0 < delays[FREE_ATTEMPTS + 1] <= delays[-1] == LONGEST_S
    assert wrong.delay("10.0.0.2") == 0.0


def test_no_more_addresses_are_remembered_than_there_is_room_for() -> None:
    wrong = WrongKeys()
    for number in range(ADDRESSES + 50):
        wrong.delay(f"address {number}")
    assert len(wrong._seen) == ADDRESSES


def test_a_right_key_never_waits_behind_wrong_ones(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    from starlette.testclient import TestClient

    from service.http import auth

    with TestClient(house.app) as http:
        monkeypatch.setattr(auth, "asyncio", SimpleNamespace(sleep=sleep))
        for _ in range(FREE_ATTEMPTS + 5):
            assert http.get("/whoami", headers={"Authorization": "Bearer wrong"}).status_code == 401
        waited = len(slept)
        assert waited >= 3
        assert http.get("/whoami", headers=house.headers("ada")).status_code == 200
        assert len(slept) == waited
