"""Uploads with several workers as processes of their own, of which some are killed at any moment: each
is done by another, none twice, and nothing half-done is left.
"""

import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes.settings import Settings
from ingest.isolation.sandbox import Parsers
from tests.ingest.conftest import query
from tests.uploading import Uploading, uploading
from tests.world import TESTER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
KILLS = 8
MODEL = "hashing"  # of the workers' embedder


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    with (
        Parsers(Settings(parse_workers=1), parser="ingest.testing:paragraphs") as parsers,
        uploading(tmp_path, parsers, model=MODEL, embedding_model=MODEL, chunk_tokens=64) as made,
    ):
        yield made


def start_worker(place: Uploading, **more: str) -> "subprocess.Popen[bytes]":
    home = str(place.settings.home)
    settings = {"home": home, "chunk_tokens": 64, "embedding_model": MODEL, "parse_workers": 1}
    given = {"settings": settings, "seconds_per_text": 0.05, "once": False, **more}
    command = [sys.executable, "-m", "ingest.testing", json.dumps(given)]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        # whatever the shell of these tests does with Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def end_leases(place: Uploading) -> None:
    """As if the time of those who were killed had run out."""
    with place.catalog._database.writing(TESTER) as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET lease_until = '2000-01-01 00:00:00' WHERE state = 'running'"
        )


def states(place: Uploading) -> list[str]:
    return [job.state for job in place.catalog.jobs.latest(1_000)]


def test_uploads_are_done_once_whoever_is_killed(place: Any) -> None:
    rng = random.Random(7)
    newest: dict[str, str] = {}
    asked = []
    for number in range(30):
        name = f"folder{number % 3}/{number % 20}.txt"
        newest[name] = "\n\n".join(f"Version {number} part {part}." for part in range(4))
        reply = place.upload(name, newest[name], allow=["group:board"])
        assert reply.status_code == 202, reply.text
        asked.append((name, reply.json()["job"]))
    workers = [start_worker(place) for _ in range(3)]
    try:
        end, kills = time.monotonic() + PATIENCE_S, 0
        while {"queued", "running"} & set(states(place)):
            assert time.monotonic() < end, states(place)
            time.sleep(rng.uniform(0.2, 1.0))
            if kills < KILLS and "done" in states(place):
                victim = rng.randrange(len(workers))
                workers[victim].kill()
                workers[victim].wait()
                kills += 1
                end_leases(place)
                workers[victim] = start_worker(place)
        assert kills > 2
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    found = {
        str(file.relative_to(place.docs)): file.read_text()
        for file in place.docs.rglob("*")
        if file.is_file()
    }
    assert found == newest
    database = place.settings.home / "catalog.sqlite"
    stored = query(
        database, "SELECT path, text FROM documents JOIN document_texts ON document_id = id"
    )
    assert {path.removeprefix("docs/"): text for path, text in stored} == newest
    assert len(stored) == len(newest)
    last = dict(asked)  # the newest job of each path
    for name, job in asked:
        state = place.ask("GET", f"/jobs/{job}").json()
        if last[name] == job:
            assert state["succeeded"], state
        else:
            assert state["state"] == "failed", state
            assert "newer" in state["error"]
    for path, _ in stored:
        document = query(database, "SELECT public_id FROM documents WHERE path = ?", path)[0][0]
        assert place.may_open(document) == {"ann", "bob"}
    assert query(database, "SELECT count(*) FROM blobs") == [(0,)]
    assert query(database, "SELECT count(*) FROM uploads") == [(0,)]
    assert list((place.settings.home / "uploads").iterdir()) == []


def test_a_job_that_is_being_done_ends_when_it_is_cancelled(place: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(400):
            archive.writestr(f"{number}.txt", "\n\n".join(f"{number} {n}." * 20 for n in range(3)))
    reply = place.upload("a.zip", packed.getvalue())
    job = reply.json()["job"]
    worker = start_worker(place)
    try:
        _wait_for(lambda: place.ask("GET", "/documents").json()["documents"])
        assert place.ask("POST", f"/jobs/{job}/cancel").json()["state"] == "running"
        _wait_for(lambda: place.job(reply)["state"] == "cancelled")
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    assert place.ask("GET", "/documents").json()["documents"] == []
    assert [file for file in place.docs.rglob("*") if file.is_file()] == []


def test_an_upload_whose_worker_was_interrupted_is_cancelled_as_a_whole(place: Any) -> None:
    reply = place.upload("a.txt", "hang 1")
    job = reply.json()["job"]
    worker = start_worker(place, parser="ingest.testing:obey")
    try:
        _wait_for(lambda: (place.docs / "a.txt").exists())
        time.sleep(1.0)
        worker.send_signal(signal.SIGINT)
        _wait_for(lambda: place.job(reply)["state"] == "queued")
        place.ask("POST", f"/jobs/{job}/cancel")
    finally:
        worker.kill()
        worker.wait()
    place.work()
    assert place.job(reply)["state"] == "cancelled"
    assert [file for file in place.docs.rglob("*") if file.is_file()] == []


def test_a_file_that_takes_for_ever_is_left_alone_when_its_job_is_cancelled(place: Any) -> None:
    reply = place.upload("a.txt", "hang 1")
    job = reply.json()["job"]
    worker = start_worker(place, parser="ingest.testing:obey")
    try:
        _wait_for(lambda: (place.docs / "a.txt").exists())
        time.sleep(1.0)
        began = time.monotonic()
        assert place.ask("POST", f"/jobs/{job}/cancel").json()["state"] == "running"
        _wait_for(lambda: place.job(reply)["state"] == "cancelled")
        assert time.monotonic() - began < 20
        next_one = place.upload("b.txt", "say This is read.")
        _wait_for(lambda: place.job(next_one)["succeeded"])
    finally:
        worker.kill()
        worker.wait()
    assert [file.name for file in place.docs.rglob("*") if file.is_file()] == ["b.txt"]


def _wait_for(holds: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
