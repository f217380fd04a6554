"""`clearance watch`: a real process follows a real folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change

from indexes.job_kinds import IngestRequest
from ingest.watching import requests_for
from tests.ingest.conftest import query

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
FOLLOW = """
import json, signal, sys
from functools import partial
from pathlib import Path
from indexes.cli.terminal import INTERRUPTED, graceful
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.cli.ingest import ingest_once
from ingest.isolation.sandbox import Parsers
from ingest.testing import SpyEmbedder
from ingest.watching import FolderWatch

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell of these tests does with Ctrl-C
given = json.loads(sys.argv[1])
settings, embedder = Settings(home=given["home"], chunk_tokens=64, parse_workers=1), SpyEmbedder()
parsers = partial(Parsers, parser="ingest.testing:paragraphs")
def perform(request):
    if ingest_once(request, settings, as_json=True, load=lambda *_: embedder, make_parsers=parsers) == INTERRUPTED:
        raise KeyboardInterrupt  # as the command does: the signal may come in the middle of a run
try:
    with graceful():
        FolderWatch(IngestRequest(paths=(Path(given["docs"]),)), perform, debounce_ms=100).follow()
except KeyboardInterrupt:
    sys.exit(130)
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Any]:
    docs, home = tmp_path / "docs", tmp_path / "home"
    write(docs / ".access.yaml", "allow: [group:hr]")
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        write(docs / name, f"This is {name}.")
    given = json.dumps({"docs": str(docs), "home": str(home)})
    command = [sys.executable, "-c", FOLLOW, given]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )  # fmt: skip
    yield docs, home, process
    process.kill()
    process.communicate()


def readers(home: Path) -> dict[str, str]:
    """Whom each document is for, by its path."""
    database = home / "catalog.sqlite"
    if not database.exists():
        return {}
    try:
        rows = query(
            database,
            "SELECT path, (SELECT group_concat(name) FROM reader_set_entries e JOIN principals p "
            "ON p.id = e.principal_id WHERE e.reader_set_id = d.reader_set_id) FROM documents d",
        )
    except Exception:  # it is just being made
        return {}
    return {path.removeprefix("docs/"): names or "" for path, names in rows}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_a_folder_is_followed_until_it_is_interrupted(followed: Any) -> None:
    docs, home, process = followed
    until(lambda: set(readers(home)) == {"a.txt", "b.txt", "c.txt", "d.txt"})
    write(docs / "new/e.txt", "This is new.")
    until(lambda: "new/e.txt" in readers(home))
    write(docs / "new/.access.yaml", "allow: [group:eng]")
    until(lambda: readers(home)["new/e.txt"] == "group:eng")
    (docs / "a.txt").unlink()
    until(lambda: "a.txt" not in readers(home))
    (docs / "b.txt").write_text("This is b, again.")
    wanted = "SELECT text FROM document_texts JOIN documents ON id = document_id WHERE path = 'docs/b.txt'"
    until(lambda: query(home / "catalog.sqlite", wanted) == [("This is b, again.",)])
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert b"Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_a_folder_that_goes_away_takes_nothing_with_it(followed: Any) -> None:
    docs, home, process = followed
    until(lambda: len(readers(home)) == 4)
    docs.rename(docs.parent / "away")
    time.sleep(3)
    assert process.poll() is None
    assert len(readers(home)) == 4
    (docs.parent / "away").rename(docs)
    write(docs / "e.txt", "This came later.")
    until(lambda: "e.txt" in readers(home))
    assert set(readers(home)) == {"a.txt", "b.txt", "c.txt", "d.txt", "e.txt"}
    assert set(readers(home).values()) == {"group:hr"}


# --- what is asked for after which changes ------------------------------------------------------


def asked(docs: Path, *changes: tuple[Change, str]) -> list[tuple[tuple[str, ...], bool]]:
    whole = IngestRequest(paths=(docs,), allow=("group:hr",))
    made = requests_for(whole, {(change, str(docs / name)) for change, name in changes})
    assert all(each.allow == ("group:hr",) for each in made)
    return [
        (tuple(sorted(str(path.relative_to(docs)) for path in each.paths)), each.prune)
        for each in made
    ]


def test_only_what_changed_is_looked_at_and_the_whole_if_something_went(tmp_path: Path) -> None:
    for name in ("a.txt", "in/b.txt", "in/.access.yaml", ".hidden/c.txt"):
        write(tmp_path / name, "allow: [group:hr]")
    assert asked(tmp_path, (Change.modified, "a.txt"), (Change.added, "in/b.txt")) == [
        (("a.txt", "in/b.txt"), False)
    ]
    assert asked(tmp_path, (Change.modified, "in/.access.yaml")) == [(("in",), False)]
    assert asked(tmp_path, (Change.deleted, "in/.access.yaml")) == [(("in",), False)]
    assert asked(tmp_path, (Change.added, "in/access.yml")) == [(("in",), False)]
    assert asked(tmp_path, (Change.deleted, "gone.txt")) == [((".",), True)]
    assert asked(tmp_path, (Change.added, "in")) == [((".",), True)]
    assert asked(tmp_path, (Change.added, "a.txt"), (Change.deleted, "in/x.txt")) == [
        ((".",), True)
    ]
    assert asked(tmp_path, (Change.modified, ".hidden/c.txt"), (Change.added, "a.txt~")) == []
