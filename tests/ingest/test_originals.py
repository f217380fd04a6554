"""Originals: the file that a document was made from is kept as it was, for as long as a document
needs it.
"""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from indexes import durable
from indexes.cli.documents import documents as commands
from indexes.errors import CorpusError
from indexes.originals import OriginalFolder
from tests.ingest.conftest import IngestWorld
from tests.world import TESTER

NOON = b"The canteen opens at noon.\r\n"
EVENING = b"The canteen opens at six."


@pytest.fixture
def keeping(world: IngestWorld) -> IngestWorld:
    world.settings = world.settings.model_copy(update={"keep_originals": True})
    world.rule("public")
    return world


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(world: IngestWorld, name: str, content: bytes) -> Path:
    path = world.write(name)
    path.write_bytes(content)
    return path


def files(world: IngestWorld) -> dict[str, bytes]:
    """What is kept, by name."""
    folder = world.settings.home / "originals"
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(world: IngestWorld) -> dict[str, str | None]:
    return {name: stored.original for name, stored in world.stored().items()}


def loose(world: IngestWorld) -> list[tuple[str]]:
    return world.rows("SELECT sha256 FROM loose_originals")


def test_nothing_is_kept_unless_the_settings_say_so(world: IngestWorld):
    world.rule("public")
    world.write("a.txt")
    world.ingest()
    assert kept(world) == {"a.txt": None}
    assert not (world.settings.home / "originals").exists()


def test_the_bytes_are_kept_to_the_letter_and_for_the_owner_alone(keeping: IngestWorld):
    write(keeping, "a.txt", NOON)
    keeping.ingest()
    assert kept(keeping) == {"a.txt": sha256(NOON)}
    assert files(keeping) == {sha256(NOON): NOON}
    folder = keeping.settings.home / "originals"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())} == {0o700}
    assert loose(keeping) == []


def test_two_documents_share_one_file_until_the_last_is_gone(keeping: IngestWorld):
    one, two = write(keeping, "a.txt", NOON), write(keeping, "b.txt", NOON)
    keeping.ingest()
    assert files(keeping) == {sha256(NOON): NOON}
    one.unlink()
    keeping.ingest(prune=True, prune_anyway=True)
    assert files(keeping) == {sha256(NOON): NOON}
    two.unlink()
    keeping.ingest(prune=True, prune_anyway=True)
    assert files(keeping) == {}


def test_of_a_replaced_file_nothing_is_left(keeping: IngestWorld):
    write(keeping, "a.txt", NOON)
    keeping.ingest()
    write(keeping, "a.txt", EVENING)
    keeping.ingest()
    assert kept(keeping) == {"a.txt": sha256(EVENING)}
    assert files(keeping) == {sha256(EVENING): EVENING}


def test_a_moved_file_keeps_its_original(keeping: IngestWorld):
    write(keeping, "a.txt", NOON).rename(keeping.docs / "kept.txt")
    keeping.ingest()
    (keeping.docs / "kept.txt").rename(keeping.docs / "elsewhere.txt")
    keeping.ingest()
    assert kept(keeping) == {"elsewhere.txt": sha256(NOON)}
    assert files(keeping) == {sha256(NOON): NOON}


def test_a_file_that_could_not_be_parsed_is_not_kept(keeping: IngestWorld):
    write(keeping, "a.pdf", b"%PDF-1.7 and nothing after it")
    assert keeping.ingest()["code"] == 1
    assert files(keeping) == {}
    assert loose(keeping) == []


def test_members_of_an_archive_are_kept_each_by_itself(keeping: IngestWorld):
    import zipfile

    with zipfile.ZipFile(keeping.docs / "all.zip", "w") as archive:
        archive.writestr("inner/a.txt", NOON)
    keeping.ingest()
    assert files(keeping) == {sha256(NOON): NOON}


def test_the_setting_holds_for_documents_that_are_there_from_the_next_run_on(world: IngestWorld):
    world.rule("public")
    write(world, "a.txt", NOON)
    world.ingest()
    before = world.rows("SELECT row, text FROM chunks")
    plain = world.settings
    world.settings = plain.model_copy(update={"keep_originals": True})
    world.ingest()
    assert files(world) == {sha256(NOON): NOON}
    assert kept(world) == {"a.txt": sha256(NOON)}
    assert world.rows("SELECT row, text FROM chunks") == before  # not parsed again
    world.settings = plain
    world.ingest()
    assert kept(world) == {"a.txt": None}
    assert files(world) == {}


def test_operators_see_whether_a_file_is_kept(keeping: IngestWorld):
    write(keeping, "a.txt", NOON)
    write(keeping, "broken.pdf", b"%PDF-1.7 and nothing after it")
    keeping.ingest()
    with keeping.catalog() as catalog:
        listed = {one.path: one.original for one in catalog.listing.documents()}
    assert listed == {"docs/a.txt": True, "docs/broken.pdf": False}


@pytest.mark.parametrize("erase", [False, True])
def test_a_removed_document_takes_its_file_with_it(
    keeping: IngestWorld, monkeypatch: pytest.MonkeyPatch, erase: bool
):
    write(keeping, "a.txt", NOON)
    keeping.ingest()
    with keeping.catalog() as catalog:
        (listed,) = catalog.listing.documents()
    monkeypatch.setenv("CLEARANCE_HOME", str(keeping.settings.home))
    told = ["remove", str(listed.id), *(["--erase"] if erase else [])]
    assert CliRunner().invoke(commands, told).exit_code == 0
    assert files(keeping) == {}
    assert loose(keeping) == []


def test_a_file_that_cannot_be_removed_is_told_and_removed_later(
    keeping: IngestWorld, monkeypatch: pytest.MonkeyPatch
):
    write(keeping, "a.txt", NOON)
    keeping.ingest()
    folder = OriginalFolder(keeping.settings.home)
    with keeping.catalog() as catalog:
        catalog.documents.delete(next(iter(catalog.documents.stored("source:"))), by=TESTER)
        with monkeypatch.context() as broken:
            broken.setattr(durable, "remove_leftovers", _refuse)
            with pytest.raises(CorpusError):
                folder.clean_up(catalog.originals, TESTER)
        assert files(keeping) == {sha256(NOON): NOON}
        assert folder.clean_up(catalog.originals, TESTER) == 1
    assert files(keeping) == {}


def test_a_full_disk_stops_the_run_and_stores_nothing_without_its_file(
    keeping: IngestWorld, monkeypatch: pytest.MonkeyPatch
):
    write(keeping, "a.txt", NOON)
    with monkeypatch.context() as broken:
        broken.setattr(durable, "replace_file", _full)
        report = keeping.ingest()
    assert report["code"] == 1
    assert keeping.stored() == {}
    keeping.ingest()
    assert files(keeping) == {sha256(NOON): NOON}


_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from indexes.catalog import Catalog
    from indexes.model import Actor
    from indexes.originals import OriginalFolder, sha256_of

    when, home = sys.argv[1:]
    die = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
    content = [b"A secret ", b"that nobody stores."]

    def blocks():
        yield content[0]
        if when == "half-written":
            die()
        yield content[1]

    catalog = Catalog.open(f"sqlite:///{home}/catalog.sqlite")
    folder = OriginalFolder(Path(home))
    folder.keep(sha256_of(content), blocks(), catalog.originals, Actor("system:test"))
    die()
"""


@pytest.mark.parametrize("when", ["half-written", "written"])
def test_what_a_killed_run_left_goes_with_the_next(keeping: IngestWorld, when: str):
    write(keeping, "a.txt", NOON)
    keeping.ingest()
    told = [sys.executable, "-c", textwrap.dedent(_KILLED), when, str(keeping.settings.home)]
    ended = subprocess.run(told, env={**os.environ}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(files(keeping)) == 2
    keeping.ingest()
    assert files(keeping) == {sha256(NOON): NOON}
    assert loose(keeping) == []


def _refuse(*given: object, **named: object) -> None:
    raise PermissionError(13, "Permission denied")


def _full(*given: object, **named: object) -> None:
    raise OSError(28, "No space left on device")
