"""Ways in that were found once: through the files while they are read, through the names in rules,
through groups.
"""

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.catalog import Catalog
from indexes.errors import ClearanceError
from indexes.job_kinds import IngestRequest
from indexes.settings import Settings
from ingest.cli.ingest import ingest_once
from ingest.isolation.sandbox import Parsers
from ingest.testing import SpyEmbedder
from service.app import create_app
from tests.world import TESTER, World

SECONDS = float(os.environ.get("ATTACK_SECONDS", "6"))
SECRET = "heliotrope"
MODEL = "multilingual-e5-small"  # what the settings name; its place is taken by an instant one
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    with Parsers(Settings(parse_workers=2, parse_timeout_s=30)) as made:
        yield made


@pytest.fixture
def house(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "home", embedder=SpyEmbedder(MODEL), parse_workers=2)
    world.people(mallory=["interns"], bob=["board"])
    yield world
    world.close()


def ingest(world: World, docs: Path, parsers: Parsers, **more: Any) -> int:
    def load(model: str, _fingerprint: str | None = None) -> SpyEmbedder:
        return SpyEmbedder(model)

    wanted = IngestRequest(**{"paths": (docs,), **more})
    return ingest_once(
        wanted,
        world.settings,
        as_json=True,
        load=load,
        make_parsers=lambda settings: contextlib.nullcontext(parsers),
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def search(world: World, user: str, question: str) -> bytes:
    """What this person gets over HTTP."""
    key = world.catalog.keys.issue(user, by=TESTER).secret
    app = create_app(world.settings, embedder=world.embedder, catalog=world.catalog)
    with TestClient(app) as http:
        body = {"question": question, "mode": "keyword", "k": 50}
        return http.post("/search", json=body, headers={"Authorization": f"Bearer {key}"}).content


# --- files that are exchanged while they are read -----------------------------------------------


def exchange(one: Path, other: Path) -> None:
    """Two names swap what they stand for, in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.renameat2(AT_FDCWD, bytes(one), AT_FDCWD, bytes(other), RENAME_EXCHANGE)


@pytest.mark.slow
def test_a_folder_that_is_exchanged_with_a_link_brings_nothing_of_others(
    house: World, tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    write(docs / "board/.access.yaml", "allow: [group:board]")
    write(docs / "interns/.access.yaml", "allow: [group:interns]")
    for number in range(8):
        write(docs / f"board/files/{number}.txt", f"The board report {number} says {SECRET}.")
        write(docs / f"interns/files/{number}.txt", f"The interns' report {number} says canteen.")
    link = docs / "interns/link"
    link.symlink_to("../board/files")
    stop = threading.Event()

    def keep_exchanging() -> None:
        while not stop.is_set():
            exchange(docs / "interns/files", link)

    attacker = threading.Thread(target=keep_exchanging)
    attacker.start()
    end, runs = time.monotonic() + SECONDS, 0
    try:
        while time.monotonic() < end:
            ingest(house, docs, parsers)
            runs += 1
            assert SECRET.encode() not in search(house, "mallory", "report says"), f"in run {runs}"
    finally:
        stop.set()
        attacker.join()
        capsys.readouterr()
    assert b"heliotrope" in search(house, "bob", "board report says")


# --- rules that are none, and names that nobody has ---------------------------------------------


@pytest.mark.parametrize(
    "name", [".Access.yaml", "access.yaml", ".acces.yaml", ".access.json", ".access.yaml.txt"]
)
def test_a_rule_by_a_wrong_name_does_not_open_its_folder(
    house: World, tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    docs = tmp_path / "docs"
    write(docs / ".access.yaml", "allow: [public]")
    write(docs / "open.txt", "The open report says canteen.")
    write(docs / f"board/{name}", "allow: [group:board]")
    write(docs / "board/a.txt", f"The board report says {SECRET}.")
    code = ingest(house, docs, parsers)
    told = capsys.readouterr().out
    said = search(house, "mallory", "report says")
    assert SECRET.encode() not in said
    assert b"canteen" in said
    assert code != 0
    assert name in told


def test_a_deny_of_somebody_unknown_is_refused(
    house: World, tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    write(docs / ".access.yaml", "allow: [public]\ndeny: [user:Mallori]")
    write(docs / "a.txt", f"The board report says {SECRET}.")
    assert ingest(house, docs, parsers) != 0
    assert "Mallori" in capsys.readouterr().out
    assert SECRET.encode() not in search(house, "mallory", "report says")


@pytest.mark.parametrize(
    "denied", ["user:Mallory", "user:ｍallory", "user:mallor\u0443", "user:mal\u200blory"]
)
def test_a_deny_means_its_person_however_it_is_spelt_or_is_refused(
    house: World, tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str], denied: str
) -> None:
    docs = tmp_path / "docs"
    write(docs / ".access.yaml", f"allow: [public]\ndeny: ['{denied}']")
    write(docs / "a.txt", f"The board report says {SECRET}.")
    ingest(house, docs, parsers)
    capsys.readouterr()
    assert SECRET.encode() not in search(house, "mallory", "report says")


def test_nobody_may_be_written_as_an_empty_list(
    house: World, tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    write(docs / ".access.yaml", "allow: []")
    write(docs / "a.txt", f"The board report says {SECRET}.")
    assert ingest(house, docs, parsers) == 0, capsys.readouterr().out
    capsys.readouterr()
    for user in ("mallory", "bob"):
        assert SECRET.encode() not in search(house, user, "report says")


# --- groups that a deny names -------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_removing_a_group_lifts_no_deny(house: World, again: bool) -> None:
    house.put("letter", f"The report says {SECRET}.", "public", deny=["group:interns"])
    assert SECRET.encode() not in search(house, "mallory", "report says")
    gone = without_errors(house.catalog, "remove_group", "interns")
    if gone and again:
        house.catalog.people.add_group("interns", by=TESTER)
    assert SECRET.encode() not in search(house, "mallory", "report says")


def test_removing_a_person_and_making_it_again_lifts_no_deny_of_the_first(house: World) -> None:
    """The first one stays denied, or cannot be removed; the second is somebody else and needs a
    deny of its own.
    """
    house.put("letter", f"The report says {SECRET}.", "group:interns", deny=["user:mallory"])
    if without_errors(house.catalog, "remove_user", "mallory"):
        house.catalog.people.add_user("mallory", by=TESTER)
    assert SECRET.encode() not in search(house, "mallory", "report says")


def without_errors(catalog: Catalog, step: str, *given: str) -> bool:
    """Whether it was done; False: it was refused."""
    try:
        getattr(catalog.people, step)(*given, by=TESTER)
    except ClearanceError:
        return False
    return True
