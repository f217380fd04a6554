"""Ingestion that dies at any moment, and a disk that fills up: what is stored is whole, and the
next run goes on.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.conftest import query

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).resolve().parents[2]
DIMENSION = 64
KILLS = 15
FILES = 50


class Runs:
    """The ingest command as processes of their own, on one folder."""

    def __init__(self, docs: Path, home: Path, seconds_per_text: float) -> None:
        self.docs, self.home = docs, home
        self.seconds_per_text = seconds_per_text
        docs.mkdir(parents=True, exist_ok=True)

    def start(self) -> "subprocess.Popen[str]":
        request = {"paths": [str(self.docs)], "prune": True}
        settings = {"home": str(self.home), "chunk_tokens": 64}
        given = {
            "settings": settings,
            "request": request,
            "seconds_per_text": self.seconds_per_text,
        }
        command = [sys.executable, "-m", "ingest.testing", json.dumps(given)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def finish(self) -> tuple[int, dict[str, Any]]:
        process = self.start()
        out, err = process.communicate(timeout=120)
        assert out, err
        return process.returncode, json.loads(out)

    def kill_after(self, lines: int, seconds: float) -> int | None:
        """Kill it when it has said so many lines and this time has passed; its exit code if it was
        done before.
        """
        process = self.start()
        assert process.stderr is not None
        for _ in range(lines):
            if not process.stderr.readline():
                break
        time.sleep(seconds)
        over = process.poll()
        process.kill()  # SIGKILL
        process.communicate()
        return over

    def write(self, name: str, text: str) -> None:
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def rule(self, *allow: str, folder: str = "") -> None:
        self.write(f"{folder}/.access.yaml".lstrip("/"), json.dumps({"allow": list(allow)}))

    def documents(self) -> dict[str, tuple[str, int]]:
        """Text and number of chunks of each stored document, by path; fails if any of them is not
        whole.
        """
        database = self.home / "catalog.sqlite"
        if not database.exists() or not query(
            database, "SELECT 1 FROM sqlite_master WHERE name = 'documents'"
        ):
            return {}
        assert query(database, "PRAGMA integrity_check") == [("ok",)]
        assert query(database, "PRAGMA foreign_key_check") == []
        rows = query(
            database,
            "SELECT path, text, (SELECT count(*) FROM chunks WHERE document_id = d.id), "
            "(SELECT sum(length(vectors)) FROM vectors WHERE document_id = d.id), "
            "(SELECT group_concat(text, char(10, 10)) FROM "
            "(SELECT text FROM chunks WHERE document_id = d.id ORDER BY ordinal)) "
            "FROM documents d LEFT JOIN document_texts ON document_id = d.id",
        )
        assert len({path for path, *_ in rows}) == len(rows)
        for path, text, chunks, vectors, joined in rows:
            assert text, path
            assert chunks > 0, path
            assert vectors == chunks * DIMENSION * 4, path
            assert "".join(joined.split()) == "".join(text.split()), path
        return {path: (text, chunks) for path, text, chunks, *_ in rows}

    def readers(self) -> dict[str, set[str]]:
        rows = query(
            self.home / "catalog.sqlite",
            "SELECT path, name FROM documents LEFT JOIN reader_set_entries USING (reader_set_id) "
            "LEFT JOIN principals ON principals.id = principal_id",
        )
        return {path: {name for p, name in rows if p == path and name} for path, _ in rows}


def passage(rng: random.Random, number: int, version: int) -> str:
    parts = [
        f"Document {number} version {version} part {part} says {rng.random()}."
        for part in range(rng.randint(1, 9))
    ]
    return "\n\n".join(" ".join([part] * 6) for part in parts)


def test_a_run_killed_at_any_moment_leaves_whole_documents_and_the_next_goes_on(tmp_path):
    rng = random.Random(int(os.environ.get("CLEARANCE_TEST_SEED", "7")))
    runs = Runs(tmp_path / "docs", tmp_path / "home", seconds_per_text=0.004)
    runs.rule("group:hr", "group:finance")
    versions: dict[str, list[str]] = {}

    def edit(number: int, version: int) -> None:
        text = passage(rng, number, version)
        versions.setdefault(f"docs/{number}.txt", []).append(text)
        runs.write(f"{number}.txt", text)

    for number in range(FILES):
        edit(number, 0)
    killed, stored = 0, {}
    for kill in range(KILLS):
        # 0: at any moment from the start of the process on
        lines = rng.randint(1, FILES // 3) if kill % 3 else 0
        over = runs.kill_after(lines, rng.random() * (0.05 if lines else 3))
        killed += over is None
        stored = runs.documents()
        assert all(text in versions[path] for path, (text, _) in stored.items())
        for number in rng.sample(range(FILES), 5):
            edit(number, kill + 1)
        runs.rule("group:hr", *(["group:finance"] if kill % 2 else []))
        if kill == KILLS // 2:
            assert stored
            (runs.docs / "0.txt").unlink(missing_ok=True)
            versions.pop("docs/0.txt", None)
            edit(FILES, 0)
    assert killed >= KILLS // 2
    (runs.docs / "0.txt").unlink(missing_ok=True)
    versions.pop("docs/0.txt", None)
    runs.rule("group:hr")

    code, report = runs.finish()
    assert code == 0, report
    assert {path: text for path, (text, _) in runs.documents().items()} == {
        p: v[-1] for p, v in versions.items()
    }
    assert set(map(frozenset, runs.readers().values())) == {frozenset({"group:hr"})}

    code, report = runs.finish()
    assert code == 0
    assert report["totals"]["unchanged"] == len(versions) == sum(report["totals"].values())


def test_progress_survives_every_kill_so_that_killed_runs_alone_come_to_an_end(tmp_path):
    runs = Runs(tmp_path / "docs", tmp_path / "home", seconds_per_text=0.01)
    runs.rule("group:hr")
    for number in range(40):
        runs.write(f"{number:02}.txt", f"Text {number}. " * 10)
    sizes = []
    for _ in range(40):
        # the first line tells the number of files, each other is one file
        over = runs.kill_after(lines=9, seconds=0)
        sizes.append(len(runs.documents()))
        if over is not None or sizes[-1] == 40:
            break
    assert sizes == sorted(sizes)
    assert sizes[-1] == 40
    assert len(sizes) <= 8


def test_sigterm_ends_a_run_soon_with_whole_documents_and_says_so(tmp_path):
    runs = Runs(tmp_path / "docs", tmp_path / "home", seconds_per_text=0.05)
    runs.rule("group:hr")
    for number in range(200):
        runs.write(f"{number:03}.txt", f"Text {number}.")
    process = runs.start()
    assert process.stderr is not None
    for _ in range(5):
        process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    out, _ = process.communicate(timeout=60)
    report = json.loads(out)
    assert process.returncode == 130
    assert time.monotonic() - asked < 15
    assert report["interrupted"]
    unsaid = len(runs.documents()) - report["totals"]["new"]
    # the signal may come after a document was stored and before its line was written
    assert unsaid in (0, 1)
    assert report["totals"]["new"] < 190


def test_a_second_process_is_refused_while_the_first_works_and_admitted_when_it_was_killed(
    tmp_path,
):
    runs = Runs(tmp_path / "docs", tmp_path / "home", seconds_per_text=0.05)
    runs.rule("group:hr")
    for number in range(100):
        runs.write(f"{number}.txt", f"Text {number}.")
    first = runs.start()
    assert first.stderr is not None
    first.stderr.readline()
    code, report = runs.finish()
    assert code == 1
    assert f"process {first.pid}" in report["error"]["reason"]
    assert report["files"] == []
    first.kill()
    first.communicate()
    runs.seconds_per_text = 0
    code, report = runs.finish()
    assert code == 0
    assert len(runs.documents()) == 100


def test_a_full_disk_ends_the_run_with_a_remedy_and_space_lets_it_go_on(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip(
            f"NOT TESTED: a full disk needs the right to mount a small one ({mounted.stderr.decode().strip()})"
        )
    try:
        runs = Runs(tmp_path / "docs", disk / "home", seconds_per_text=0)
        runs.rule("group:hr")
        for number in range(60):
            runs.write(
                f"{number}.txt",
                "\n\n".join(f"Line {number} {part} " + "word " * 40 for part in range(300)),
            )
        code, report = runs.finish()
        assert code == 1
        assert "full" in report["error"]["reason"]
        assert "space" in report["error"]["remedy"]
        kept = len(runs.documents())
        assert kept == report["totals"]["new"] < 60
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        code, report = runs.finish()
        assert code == 0, report
        assert report["totals"]["unchanged"] == kept
        assert len(runs.documents()) == 60
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
