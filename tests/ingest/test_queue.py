"""`clearance ingest --queue`: what a worker does is what the command itself would have done."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from indexes.cli import administration
from indexes.cli.common import command_line_actor
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.worker import do_jobs
from tests.ingest.conftest import query
from tests.world import TESTER
from tests.writes import watched_writes

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
STORED = """
    SELECT d.path, d.uri, d.title, d.collection, d.content_hash, d.modified_at, t.text, model, vectors,
        (SELECT group_concat(name || ' ' || effect) FROM
            (SELECT name, effect FROM reader_set_entries JOIN principals ON principals.id = principal_id
             WHERE reader_set_entries.reader_set_id = d.reader_set_id ORDER BY name)),
        (SELECT group_concat(text, '|') FROM
            (SELECT text FROM chunks WHERE document_id = d.id ORDER BY ordinal))
    FROM documents d JOIN document_texts t ON t.document_id = d.id
    JOIN vectors v ON v.document_id = d.id JOIN generations ON generations.id = generation_id
    ORDER BY d.path
"""


def do_all_jobs(world: Any, settings: Settings | None = None) -> None:
    do_jobs(settings or world.settings, once=True, load=world.load, make_parsers=world.parsers)


def jobs_of(world: Any) -> list[Any]:
    with world.catalog() as catalog:
        return list(catalog.jobs.latest(100))


def queue(run: Any, *arguments: object) -> str:
    told = run("ingest", *arguments, "--queue", "--json")
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert said["state"] == "queued"
    return str(said["job"])


def test_a_queued_ingest_ends_with_the_same_catalog_as_a_direct_one(world, run, monkeypatch):
    world.rule("group:hr")
    world.write("a.txt")
    world.write("deep/b.md", "# Salaries\n\nThey rise in March.")
    world.write("film.mkv")
    homes = {}
    monkeypatch.chdir(world.docs.parent)
    for way in ("direct", "queued"):
        home = world.docs.parent / way
        monkeypatch.setenv("CLEARANCE_HOME", str(home))
        arguments = (world.docs.name, "--collection", "papers")
        if way == "direct":
            assert run("ingest", *arguments).exit_code == 1
        else:
            queue(run, *arguments)
            monkeypatch.chdir("/")  # a worker has a folder of its own
            do_all_jobs(world, Settings(home=home))
        homes[way] = query(home / "catalog.sqlite", STORED)
    assert len(homes["direct"]) == 2
    assert homes["queued"] == homes["direct"]


def test_a_link_in_the_path_leads_where_it_led_when_the_job_was_put_down(world, run, monkeypatch):
    world.write("a.txt")
    link, other = world.docs.parent / "link", world.docs.parent / "other"
    link.symlink_to(world.docs)
    monkeypatch.chdir(world.docs.parent)
    waiting = queue(run, "link", "--allow", "group:hr")
    other.mkdir()
    (other / "secret.txt").write_text("Not for them.")
    link.unlink()
    link.symlink_to(other)
    do_all_jobs(world)
    assert jobs_of(world)[0].id == waiting
    assert list(world.stored()) == ["a.txt"]
    with world.catalog() as catalog:
        assert [source.root for source in catalog.sources.list()] == [world.docs]


def test_a_path_that_is_no_text_is_queued_too(world, run):
    folder = world.docs / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "a.txt").write_text("The canteen opens at noon.")
    queue(run, folder, "--allow", "group:hr")
    do_all_jobs(world)
    assert jobs_of(world)[0].result["totals"]["new"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no-such-folder", "--allow", "group:hr"], 2),
        ([".", "--allow", "hr"], 2),
        ([".", "--deny", "group:hr"], 2),
        ([".", "--allow", "group:hr", "--deny", "user:nobody"], 2),
        ([".", "--manifest", "no-such-file"], 2),
        ([".", "--manifest", "bad.jsonl"], 2),
        ([".", "--collection", ""], 2),
        ([".", "--source", "nowhere"], 1),
        (["a.txt", "--source", "docs"], 2),
        ([".", "--allow", "group:hr", "--dry-run"], 2),
    ],
)
def test_what_could_not_begin_is_refused_at_once(world, run, monkeypatch, arguments, code):
    monkeypatch.chdir(world.docs)
    world.write("a.txt")
    world.write("bad.jsonl", '{"file": "a.txt", "deny": ["user:eve"]}')
    refused = run("ingest", *arguments, "--queue", "--json")
    assert refused.exit_code == code, refused.output
    assert json.loads(refused.stdout)["error"]["reason"]
    assert jobs_of(world) == []
    assert world.stored() == {}


def test_a_setting_that_accepts_no_unknown_name_holds_for_the_queue(world, run, monkeypatch):
    monkeypatch.setenv("CLEARANCE_UNKNOWN_PRINCIPALS", "refuse")
    refused = run("ingest", world.docs, "--allow", "group:nobody", "--queue")
    assert (refused.exit_code, jobs_of(world)) == (2, [])


def test_what_a_job_writes_whoever_asked_for_it_writes(world, run):
    world.write("a.txt")
    with watched_writes() as seen:
        queue(run, world.docs, "--allow", "group:hr")
    assert seen["jobs"] == {command_line_actor().name}
    with watched_writes() as seen:
        do_all_jobs(world)
    assert seen.pop("jobs") == {"system:worker"}
    assert {"documents", "vectors", "sources", "generations"} <= set(seen)
    assert set().union(*seen.values()) == {command_line_actor().name}


def test_a_job_from_before_this_was_noted_acts_for_the_worker(world):
    world.write("a.txt")
    payload = IngestRequest(paths=(world.docs,), allow=("group:hr",)).payload()
    with world.catalog() as catalog:
        catalog.jobs.enqueue("ingest", payload, by=TESTER)
        with catalog._database.writing(TESTER) as connection:
            connection.exec_driver_sql("UPDATE jobs SET asked_by = NULL")
    with watched_writes() as seen:
        do_all_jobs(world)
    assert seen["documents"] == {"system:worker"}


def test_an_operator_sees_what_waits_and_what_came_of_it(world, run):
    def told(*words: str) -> str:
        done = CliRunner().invoke(administration.app, ["jobs", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    world.write("a.txt")
    world.write("film\x1b[2J.mkv")
    said = run("ingest", world.docs, "--allow", "group:hr", "--queue").stdout
    waiting = jobs_of(world)[0].id
    assert f"clearance jobs show {waiting}" in said
    assert f"{waiting}  ingest   queued   0 of 0" in told("list")
    do_all_jobs(world)
    shown = told("show", waiting)
    assert f"done     2 of 2  asked for by {command_line_actor().name}" in shown
    assert "Known endings" in shown
    assert "Done: 1 new, 1 refused." in shown
    assert "\x1b" not in shown
    listed = json.loads(told("show", waiting, "--json"))
    assert listed["result"]["totals"]["new"] == 1
    assert listed["payload"]["paths"] == [str(world.docs)]
    with world.catalog() as catalog, catalog._database.writing(TESTER) as connection:
        connection.exec_driver_sql("UPDATE jobs SET public_id = '-abc', state = 'failed'")
        connection.exec_driver_sql("UPDATE jobs SET error = 'Given up.'")
    assert "Given up." in told("show", "-abc")


def start_worker(settings: dict[str, Any], seconds_per_text: float) -> "subprocess.Popen[bytes]":
    given = {"settings": settings, "seconds_per_text": seconds_per_text}
    command = [sys.executable, "-m", "ingest.testing", json.dumps(given)]
    return subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True)


@pytest.mark.slow
def test_the_job_of_a_killed_worker_is_taken_up_by_the_next(world, run):
    for number in range(60):
        world.write(f"{number}.txt", f"Text {number}.")
    waiting = queue(run, world.docs, "--allow", "group:hr")
    worker = start_worker({"home": str(world.settings.home), "chunk_tokens": 64}, 0.1)
    end = time.monotonic() + PATIENCE_S
    while not world.stored():
        assert time.monotonic() < end
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    (job,) = jobs_of(world)
    assert (job.id, job.state, job.fence) == (waiting, "running", 1)
    assert 0 < len(world.stored()) < 60
    with world.catalog() as catalog:  # as if its lease had run out
        catalog.jobs.progress(job, job.done, job.total, lease_s=-1, by=TESTER)
    do_all_jobs(world)
    (job,) = jobs_of(world)
    assert (job.state, job.fence, job.done, job.total) == ("done", 2, 60, 60)
    assert len(world.stored()) == 60
    assert job.result["totals"]["new"] < 60
