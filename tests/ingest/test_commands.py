"""The commands as a user meets them: exit codes, what is printed where, and jobs from the queue."""

import io
import json
import re
import threading
from typing import Any

import pytest
from typer.testing import CliRunner

from indexes import jobs
from indexes.cli import administration
from indexes.cli.common import command_line_actor
from indexes.cli.terminal import PlainProgress, ProgressBar, printable
from indexes.errors import Busy, SourceRefused
from indexes.ingest_lock import ingest_lock
from ingest.report import FileOutcome, FileProgress, IngestReport, failed_outcome
from ingest.worker import do_jobs
from tests.world import TESTER
from tests.writes import watched_writes


def test_ingest_prints_totals_on_stdout_and_progress_on_stderr_and_ends_with_zero(world, run):
    world.write("a.txt")
    result = run("ingest", world.docs, "--allow", "group:hr")
    assert result.exit_code == 0, result.output
    assert "Done: 1 new." in result.stdout
    assert "1 documents, 1 chunks in" in result.stdout
    assert re.search(r"new\s+docs/a\.txt\s+1 chunks", result.stderr)
    assert "Done: 1 unchanged." in run("ingest", world.docs, "--allow", "group:hr").stdout


def test_a_failed_file_ends_with_one_and_its_reason_and_remedy(world, run):
    world.write("a.txt")
    world.write("film.mkv")
    result = run("ingest", world.docs, "--allow", "group:hr")
    assert result.exit_code == 1
    assert "docs/film.mkv" in result.stdout
    assert "cannot be read" in result.stdout
    assert "→ Known endings" in result.stdout
    assert "1 new, 1 refused" in result.stdout


def test_json_is_the_only_thing_on_stdout(world, run):
    world.write("a.txt")
    world.write("empty.txt", "")
    report = json.loads(run("ingest", world.docs, "--allow", "group:hr", "--json").stdout)
    assert report["totals"]["new"] == report["totals"]["failed"] == 1
    assert [file["path"] for file in report["files"]] == ["docs/a.txt", "docs/empty.txt"]
    assert set(report) >= {
        "seconds",
        "documents_per_second",
        "chunks_per_second",
        "chunks",
        "succeeded",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest"],
        ["ingest", "no-such-folder", "--allow", "group:hr"],
        ["ingest", ".", "--allow", "hr"],
        ["ingest", ".", "--deny", "group:hr"],
        ["ingest", ".", "--manifest", "no-such-file"],
        ["ingest", ".", "--collection", ""],
        ["ingest", ".", "--collection", "x" * 1_000],
        ["ingest", ".", "--unknown"],
    ],
)
def test_wrong_use_ends_with_two_and_writes_nothing(world, run, monkeypatch, arguments):
    monkeypatch.chdir(world.docs)
    world.write("a.txt")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr
    assert "Traceback" not in result.output
    assert not (world.settings.home / "catalog.sqlite").exists() or world.stored() == {}


def test_wrong_use_with_json_is_json_too(world, run):
    result = run("ingest", world.docs, "--allow", "hr", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["remedy"]


def test_an_unknown_setting_is_wrong_use(world, run, monkeypatch):
    monkeypatch.setenv("CLEARANCE_CHUNK_TOKEN", "1")
    result = run("ingest", world.docs, "--allow", "group:hr")
    assert result.exit_code == 2
    assert "CLEARANCE_CHUNK_TOKEN" in result.stderr


def test_an_empty_folder_is_said_and_ends_with_zero(world, run):
    result = run("ingest", world.docs, "--allow", "group:hr")
    assert result.exit_code == 0
    assert "no documents" in result.stdout


def test_a_run_in_progress_is_named_and_ends_with_one(world, run):
    world.write("a.txt")
    with ingest_lock(world.settings.home):
        result = run("ingest", world.docs, "--allow", "group:hr")
    assert result.exit_code == 1
    assert "process" in result.stderr
    assert "no documents" not in result.stdout


def test_a_dry_run_says_would_be(world, run):
    world.write("a.txt")
    result = run("ingest", world.docs, "--allow", "group:hr", "--dry-run")
    assert result.exit_code == 0
    assert "Would be: 1 new." in result.stdout
    assert not world.settings.home.exists()


def test_warnings_of_the_parser_are_listed():
    report = IngestReport(watcher=FileProgress(PlainProgress(io.StringIO())))
    report.add(FileOutcome(path="a.pdf", status="new", chunks=3, warnings=("Page 2 has no text.",)))
    assert any("Page 2 has no text." in line for line in report.lines())
    assert report.summary()["files"][0]["warnings"] == ["Page 2 has no text."]


def test_names_cannot_steer_the_terminal():
    out = io.StringIO()
    name = "a\x1b[2J\r\n\u202e[bold]b.txt"
    FileProgress(PlainProgress(out)).show_outcome(
        failed_outcome(name, SourceRefused(), stale=False)
    )
    with ProgressBar(bar := io.StringIO(), "Ingesting") as shown:
        progress = FileProgress(shown)
        progress.expect_files(1)
        progress.show_outcome(failed_outcome(name, SourceRefused(), stale=False))
    for text in (out.getvalue(), printable(name)):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "\u202e" not in text
    assert "\x1b[2J" not in bar.getvalue()
    assert "[bold]b.txt" in bar.getvalue().replace("\n", "")


# --- the worker ---------------------------------------------------------------------------------


def enqueue(world, **payload: Any) -> str:
    with world.catalog() as catalog:
        return str(catalog.jobs.enqueue("ingest", payload, by=TESTER).id)


def job(world, job_id: str):
    with world.catalog() as catalog:
        return catalog.jobs.get(job_id)


def do_all_jobs(world) -> None:
    do_jobs(world.settings, once=True, load=world.load, make_parsers=world.parsers)


def test_the_worker_does_waiting_jobs_in_order_and_keeps_their_reports(world):
    world.write("a.txt")
    world.write("film.mkv")
    first = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    second = enqueue(world, paths=[str(world.docs)], allow=["group:finance"])
    do_all_jobs(world)
    result = job(world, first).result
    assert (result["totals"]["new"], result["totals"]["refused"]) == (1, 1)
    assert job(world, second).result["totals"]["relabelled"] == 1
    assert (job(world, second).state, job(world, second).done, job(world, second).total) == (
        "done",
        2,
        2,
    )
    assert world.stored()["a.txt"].readers.allow == {"group:finance"}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"paths": []},
        {"paths": ["no-such-folder"]},
        {"paths": ["."], "allow": ["hr"]},
        {"paths": ["."]},
        {"paths": ["/"], "manifest": "list.jsonl"},
        {"paths": ["/"], "sudo": True},
        {"paths": "/", "prune": "perhaps"},
    ],
)
def test_a_job_that_cannot_be_done_fails_with_a_reason_and_the_worker_goes_on(world, payload):
    world.write("a.txt")
    bad = enqueue(world, **payload)
    good = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    do_all_jobs(world)
    assert job(world, bad).state == "failed"
    assert job(world, bad).error
    assert job(world, good).state == "done"


def test_a_job_of_a_worker_that_died_is_done_by_the_next(world):
    world.write("a.txt")
    waiting = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    with world.catalog() as catalog:
        assert catalog.jobs.claim(("ingest",), lease_s=-1, by=TESTER) is not None
    do_all_jobs(world)
    assert job(world, waiting).state == "done"


def test_a_job_that_kills_every_worker_is_given_up(world):
    deadly = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    with world.catalog() as catalog:
        for _ in range(jobs.MAX_ATTEMPTS):
            catalog.jobs.claim(("ingest",), lease_s=-1, by=TESTER)
    do_all_jobs(world)
    assert job(world, deadly).state == "failed"
    assert "Given up" in job(world, deadly).error


def test_a_worker_whose_job_was_taken_over_stops_without_a_result(world, monkeypatch):
    monkeypatch.setattr(jobs, "PROGRESS_S", 0.01)
    for number in range(50):
        world.write(f"{number}.txt", f"Text {number}.")
    lost = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    passages = world.embedder.passages
    taken = threading.Event()

    def take_over(texts):
        if not taken.is_set():
            with world.catalog() as catalog:
                wanted = catalog.jobs.get(lost)
                catalog.jobs.progress(wanted, 0, 0, lease_s=-1, by=TESTER)
                assert (
                    catalog.jobs.claim(("ingest",), lease_s=600, by=TESTER).fence
                    == wanted.fence + 1
                )
            taken.set()
            threading.Event().wait(0.3)
        return passages(texts)

    world.embedder.passages = take_over
    do_all_jobs(world)
    assert job(world, lost).state == "running"
    assert job(world, lost).result is None


def test_the_worker_leaves_the_queue_alone_while_a_command_works(world):
    world.write("a.txt")
    waiting = enqueue(world, paths=[str(world.docs)], allow=["group:hr"])
    with ingest_lock(world.settings.home):
        do_all_jobs(world)
        with pytest.raises(Busy), ingest_lock(world.settings.home):
            pass
    assert job(world, waiting).state == "queued"


# --- who acts -----------------------------------------------------------------------------------


def test_a_run_acts_for_who_started_it_and_a_job_for_who_asked_for_it(world, run):
    world.write("a.txt")
    with watched_writes() as seen:
        assert run("ingest", world.docs, "--allow", "group:hr").exit_code == 0
        assert run("sources", "rename", "docs", "papers").exit_code == 0
    assert {"documents", "vectors", "sources", "generations"} <= set(seen)
    made = {"system:migration", "system:maintenance"}  # the catalog was new
    assert set().union(*seen.values()) - made == {command_line_actor().name}
    world.write("a.txt", "The canteen opens at one.")
    world.write("b.txt")
    enqueue(world, paths=[str(world.docs)], allow=["group:finance"])
    with watched_writes() as seen:
        do_all_jobs(world)
    assert {"documents", "vectors", "jobs"} <= set(seen)
    assert seen.pop("jobs") == {"system:worker"}
    assert set().union(*seen.values()) == {TESTER.name}


# --- who may write, and jobs --------------------------------------------------------------------


def test_writers_of_a_source_are_named_and_shown(world, run):
    assert run("sources", "add", "handbook", world.docs, "--allow", "public").exit_code == 0
    said = run("sources", "writers", "handbook", "--allow", "group:editors")
    assert said.exit_code == 0, said.output
    assert "writers: group:editors" in said.stdout
    shown = json.loads(run("sources", "show", "handbook", "--json").stdout)
    assert (shown["writers"], shown["allow"]) == (["group:editors"], ["public"])
    assert "nobody" in run("sources", "writers", "handbook").stdout
    assert run("sources", "writers", "no-such", "--allow", "public").exit_code == 1


def test_a_job_is_cancelled_and_tried_again_from_the_command_line(world, run):
    world.write("a.txt")
    told = json.loads(run("ingest", world.docs, "--allow", "group:hr", "--queue", "--json").stdout)

    def tell(*words: str) -> Any:
        return CliRunner().invoke(administration.app, ["jobs", *words])

    assert "cancelled" in tell("cancel", told["job"]).stdout
    assert tell("cancel", told["job"]).exit_code != 0
    again = json.loads(tell("retry", told["job"], "--json").stdout)
    assert again["state"] == "queued"
    assert again["payload"]["paths"] == [str(world.docs)]
    assert tell("retry", again["id"]).exit_code != 0
