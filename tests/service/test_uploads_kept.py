"""Uploads over real connections: what breaks off leaves nothing; and many steps in any order never give
a document to more people than its rule and its own readers allow.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from indexes.settings import Settings
from ingest.isolation.sandbox import Parsers
from service.testing.loopback import Loopback
from tests.uploading import Uploading, rule, uploading
from tests.world import TESTER

SEED = int(os.environ.get("CLEARANCE_TEST_SEED", "1"))
STEPS = int(os.environ.get("UPLOAD_STEPS", "60"))
PEOPLE = {
    "ann": {"public", "user:ann", "group:staff", "group:board"},
    "eve": {"public", "user:eve", "group:staff"},
    "bob": {"public", "user:bob", "group:board"},
}


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    with Parsers(Settings(parse_workers=1), parser="ingest.testing:paragraphs") as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    with uploading(tmp_path, parsers, upload_timeout_s=1.0) as made:
        yield made
    capsys.readouterr()


def form(place: Uploading, *, length: int) -> bytes:
    """The beginning of an upload that is to be so long."""
    lines = ["POST /documents HTTP/1.1", "Host: x", f"Authorization: Bearer {place.keys['ann']}"]
    lines += ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {length}", "", ""]
    body = '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + "a" * 5_000
    return ("\r\n".join(lines) + body).encode()


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10)


def test_an_upload_that_breaks_off_or_never_ends_leaves_nothing(place: Any) -> None:
    with Loopback(place.http.app, "off") as server:
        with connect(server.url) as line:
            line.sendall(form(place, length=900_000))
        with connect(server.url) as line:
            line.sendall(form(place, length=900_000))
            assert b" 408 " in line.recv(65_536)
        with connect(server.url) as line:
            line.sendall(form(place, length=9_000_000))
            assert b" 413 " in line.recv(65_536)
        time.sleep(0.3)
    assert place.files() == []
    assert place.catalog.jobs.latest(10) == []
    assert place.catalog.uploads.blob_ids() == set()


SERVE = """
import json, sys
import uvicorn
from indexes.settings import Settings
from ingest.testing import SpyEmbedder
from service.app import create_app
given = json.loads(sys.argv[1])
app = create_app(Settings(home=given["home"]), embedder=SpyEmbedder("multilingual-e5-small"))
uvicorn.run(app, port=given["port"], log_level="error")
"""


@pytest.mark.slow
def test_a_service_that_is_killed_leaves_nothing_half_sent(place: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = json.dumps({"home": str(place.settings.home), "port": port})
    process = subprocess.Popen([sys.executable, "-c", SERVE, given], cwd=Path(__file__).parents[2])
    try:
        for _ in range(300):
            try:
                line = connect(f"http://127.0.0.1:{port}")
                break
            except OSError:
                time.sleep(0.1)
        with line:
            line.sendall(form(place, length=900_000))
            time.sleep(1.0)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    finally:
        process.kill()
        process.wait()
    assert place.files() == []


def test_bytes_that_nobody_knows_are_removed_by_a_worker(place: Any) -> None:
    folder = place.settings.home / "uploads"
    folder.mkdir()
    for name, age in {"old": 7_200, "young": 60}.items():
        (folder / name).write_text("bytes")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    place.work()
    assert place.files() == ["young"]


# --- any order of steps -------------------------------------------------------------------------


def may_read(who: str, readers: Any) -> bool:
    return bool(PEOPLE[who] & readers.allow) and not PEOPLE[who] & readers.deny


Own = tuple[frozenset[str] | None, frozenset[str]]


class Model:
    """Who may see what at most, in a few lines: by the own readers in force or those of an upload that
    waits, under the widest of the rules that may be in force.
    """

    def __init__(self) -> None:
        self.own: dict[str, Own] = {}
        self.waiting: dict[str, tuple[Any, Own]] = {}  # the reply to the newest upload, its readers
        self.rule = rule("group:staff", "group:board")
        self.seen: dict[str, Any] = {}  # the rule that the last run over a path found

    def bound(self, path: str, who: str) -> bool:
        """Whether this person may read it at most."""
        owns = [self.own.get(path, (None, frozenset()))]
        rules = [self.rule, self.seen.get(path, self.rule)]
        if PEOPLE[who] & self.rule.deny:
            return False
        return any(
            bool(PEOPLE[who] & each.allow)
            and (allow is None or bool(PEOPLE[who] & allow))
            and not PEOPLE[who] & deny
            for each in rules
            for allow, deny in owns
        )

    def worked(self, place: Uploading) -> None:
        """After all jobs were done: what was uploaded holds, if it was put into its place."""
        for path, (reply, own) in self.waiting.items():
            if place.job(reply)["state"] == "done":
                self.own[path], self.seen[path] = own, self.rule
        self.waiting.clear()


@pytest.mark.slow
def test_no_order_of_steps_gives_a_document_to_more_people(place: Any) -> None:
    rng, model = random.Random(SEED), Model()
    names = ("group:staff", "group:board")
    paths = ("a.txt", "in/b.txt", "in/c.txt")
    ids: dict[str, str] = {}

    def own() -> tuple[list[str] | None, list[str]]:
        allow = rng.choice([None, ["group:staff"], ["group:board"], list(names)])
        return allow, rng.choice([[], [], ["user:eve"], ["user:bob"]])

    def upload() -> None:
        path, (allow, deny) = rng.choice(paths), own()
        sent: dict[str, Any] = {} if allow is None else {"allow": allow}
        sent |= {"deny": deny} if deny else {}
        reply = place.upload(path, f"Text {rng.random()}.", **sent)
        assert reply.status_code in (202, 422), reply.text
        if reply.status_code == 202:
            said = (None if allow is None else frozenset(allow), frozenset(deny))
            # a later upload that says nothing leaves what was in force, not what waited
            model.waiting[path] = (reply, said if sent else model.own.get(path, said))

    def patch() -> None:
        if not ids:
            return
        path, (allow, deny) = rng.choice(sorted(ids)), own()
        reply = place.ask(
            "PATCH", f"/documents/{ids[path]}/readers", json={"allow": allow, "deny": deny}
        )
        assert reply.status_code in (200, 404, 422), reply.text
        if reply.status_code == 200:
            model.own[path] = (None if allow is None else frozenset(allow), frozenset(deny))
            if path in model.waiting:
                model.waiting[path] = (model.waiting[path][0], model.own[path])

    def delete() -> None:
        if ids and rng.random() < 0.5:
            path = rng.choice(sorted(ids))
            if place.ask("DELETE", f"/documents/{ids.pop(path)}").status_code == 202:
                model.own.pop(path, None)
                model.waiting.pop(path, None)

    def set_rule() -> None:
        allow = rng.choice([names, names, names[:1], names[1:], ("public",)])
        model.rule = rule(*allow, deny=rng.choice([(), (), ("user:eve",)]))
        place.catalog.sources.set_rule("handbook", model.rule, by=TESTER)

    def run() -> None:
        place.ingest(prune=rng.random() < 0.5)
        model.seen = dict.fromkeys(paths, model.rule)

    def work() -> None:
        place.work()
        model.worked(place)

    steps = (upload, upload, patch, patch, delete, set_rule, run, work, work)
    for number in range(STEPS):
        step = rng.choice(steps)
        step()
        for document in place.ask("GET", "/admin/documents", "root").json()["documents"]:
            if document["id"]:
                ids[document["path"].removeprefix("docs/")] = document["id"]
        for path, document_id in ids.items():
            for who in place.may_open(document_id) & set(PEOPLE):
                assert model.bound(path, who), (number, step.__name__, path, who, vars(model))
