"""P2 over HTTP, with the service, those who change rights, and callers in processes of their own."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.timing import run_house
from indexes.catalog import Catalog
from service.leaktest.client import Client
from service.leaktest.doors import Call
from tests.attack.hammer import Change, HammerReply, hammer, prepare, wrong_replies
from tests.world import TESTER, World

SEED = int(os.environ.get("CLEARANCE_TEST_SEED", "1"))
SECONDS = float(os.environ.get("ATTACK_SECONDS", "6"))
QUESTION = {"question": "what does the late letter say", "mode": "keyword"}
BODY = b'{"question": "what does the late letter say", "mode": "keyword"}'


@pytest.mark.slow
def test_what_was_taken_away_holds_for_every_reply_that_begins_afterwards(tmp_path: Path) -> None:
    keys, ids = prepare(tmp_path, 2)
    with run_house(tmp_path) as url:
        assert hammer(url, tmp_path, keys, ids, SECONDS, SEED) == []


def test_the_log_of_the_hammer_catches_what_comes_late() -> None:
    taken = Change("zqw0n0x", False, 10.0, 11.0)
    given = Change("zqw0n0x", True, 20.0, 21.0)

    def wrong(begun: float, ended: float, *words: str) -> list[str]:
        return wrong_replies(
            [taken, given], [HammerReply("search", begun, ended, frozenset(words), True)]
        )

    assert wrong(11.5, 12.0, "zqw0n0x") == ["search tells zqw0n0x, which was taken away"]
    assert wrong(11.5, 12.0) == []
    assert wrong(10.5, 12.0, "zqw0n0x") == [], "it began before the acknowledgement"
    assert wrong(19.0, 20.5, "zqw0n0x") == [], "it was being given back meanwhile"
    assert wrong(21.5, 22.0, "zqw0n1x") == ["search lacks zqw0n0x, which had been given"]
    assert wrong(5.0, 6.0, "zqw0n0x") == []


# --- a request whose headers come before the change, and whose body comes after it --------------


@dataclass
class Slow:
    """A service, and requests that arrive in two halves."""

    url: str
    catalog: Catalog
    world: World

    def begun(self, key: str, path: str = "/search") -> socket.socket:
        """A connection on which the headers have been sent and read, and the body has not come yet."""
        host, port = self.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 10)
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {key}",
            f"Content-Length: {len(BODY)}",
        ]
        connection.sendall(
            "\r\n".join(
                [*head, "Content-Type: application/json", "Connection: close", "", ""]
            ).encode()
        )
        time.sleep(0.3)
        return connection

    @staticmethod
    def finished(connection: socket.socket) -> bytes:
        with connection:
            connection.sendall(BODY)
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    world = World(tmp_path_factory.mktemp("slow"))
    world.put("first", "An open letter.", "public")
    with run_house(world.home) as url:
        yield Slow(url, world.catalog, world)
    world.close()


def newcomer(slow: Slow, name: str) -> Any:
    slow.catalog.people.add_user(name, by=TESTER)
    return slow.catalog.keys.issue(name, by=TESTER)


def test_a_key_that_is_revoked_before_the_body_comes_reads_nothing(slow: Slow) -> None:
    key = newcomer(slow, "early")
    connection = slow.begun(key.secret)
    slow.catalog.keys.revoke(key.id, by=TESTER)
    slow.world.put("late", "The late letter says heliotrope.", "user:early", "public")
    said = slow.finished(connection)
    assert said.startswith(b"HTTP/1.1 401 "), said[:200]
    assert b"heliotrope" not in said


def test_a_person_who_is_removed_before_the_body_comes_reads_nothing(slow: Slow) -> None:
    key = newcomer(slow, "brief")
    connection = slow.begun(key.secret)
    slow.catalog.people.remove_user("brief", by=TESTER)
    slow.world.put("late", "The late letter says heliotrope.", "public")
    said = slow.finished(connection)
    assert said.startswith(b"HTTP/1.1 401 "), said[:200]
    assert b"heliotrope" not in said


@pytest.mark.parametrize("path", ["/search", "/ask"])
def test_an_open_request_is_not_the_next_person_of_that_name(slow: Slow, path: str) -> None:
    name = f"twice{path.strip('/')}"
    key = newcomer(slow, name)
    connection = slow.begun(key.secret, path)
    slow.catalog.people.remove_user(name, by=TESTER)
    fresh = newcomer(slow, name)
    slow.world.put(f"letter to {name}", "The late letter says marmalade.", f"user:{name}")
    said = slow.finished(connection)
    assert said.startswith(b"HTTP/1.1 401 "), said[:200]
    assert b"marmalade" not in said
    with Client(slow.url) as client:
        search = Call(door="", route="POST /search", path="/search", body=QUESTION)
        assert b"marmalade" in client.answer(search, fresh.secret).body
        assert client.answer(search, key.secret).status == 401
