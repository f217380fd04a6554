"""A home that is backed up and put back holds what it held, and is another history from then on."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from indexes import durable, switching
from indexes.blobs import BlobFolder
from indexes.catalog import Catalog, copying
from indexes.catalog.audit.seals import load_key
from indexes.catalog.copying import Copied
from indexes.catalog.filters import Filters
from indexes.cli.administration import app
from indexes.errors import BadInput, Busy, ClearanceError, StorageFull
from indexes.home.archive import MANIFEST
from indexes.home.backup import back_up
from indexes.home.last_backup import read_last_backup
from indexes.home.restore import restore
from indexes.ingest_lock import ingest_lock
from indexes.kept_files import keep_files
from indexes.originals import OriginalFolder
from indexes.search.document_list import DocumentList
from indexes.settings import Settings
from tests.databases import only_sqlite
from tests.world import TESTER, World

pytestmark = only_sqlite


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"])
    world.put("salaries", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put("menu", "The canteen opens at noon", "public")
    return world


@pytest.fixture
def saved(staff: World, tmp_path: Path) -> Path:
    return save(staff, tmp_path / "saved.tar")


def save(world: World, place: Path) -> Path:
    with closing(world.catalog.open_trail()) as trail:
        back_up(world.home, world.catalog, trail, place, replace=False, with_key=True)
    return place


def put_back(saved: Path, home: Path, *, replace: bool = True) -> World:
    restore(Settings(home=home), saved, replace=replace, by=TESTER)
    return World(home)


def keep_original(world: World, uri: str, content: bytes) -> Path:
    sha256 = hashlib.sha256(content).hexdigest()
    folder = OriginalFolder(world.home)
    folder.keep(sha256, [content], world.catalog.originals, TESTER)
    world.put(uri, "A kept file", "public", original=sha256)
    return folder.path_of(sha256)


def names_in(saved: Path) -> set[str]:
    with tarfile.open(saved) as archive:
        return set(archive.getnames())


def test_a_home_put_back_elsewhere_answers_the_same(staff: World, tmp_path: Path) -> None:
    original = keep_original(staff, "letter", b"Dear all")
    saved = save(staff, tmp_path / "saved.tar")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    with closing(put_back(saved, tmp_path / "new")) as new:
        assert new.titles("ada", "When do salaries rise?", k=1) == ["salaries"]
        moved = new.home / original.relative_to(staff.home)
        assert moved.read_bytes() == b"Dear all"
        assert {path.name for path in new.home.glob("re*")} == {"restore.lock"}


def test_a_file_that_is_there_is_not_written_over_unless_told(saved: Path, staff: World) -> None:
    before = saved.read_bytes()
    with pytest.raises(BadInput, match="is there already"):
        save(staff, saved)
    assert saved.read_bytes() == before


def test_what_the_copied_catalog_names_stays_until_it_is_in_the_backup(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = keep_original(staff, "letter", b"Dear all")
    with BlobFolder(staff.home).begin() as blob:
        blob.write(b"x")
        blob.keep("waits")
    copy_into = Catalog.copy_into

    def and_meanwhile(catalog: Catalog, folder: Path) -> tuple[str, Copied]:
        copied = copy_into(catalog, folder)
        catalog.documents.delete("letter", by=TESTER)
        OriginalFolder(staff.home).clean_up(catalog.originals, TESTER)
        BlobFolder(staff.home).remove("waits")
        return copied

    monkeypatch.setattr(Catalog, "copy_into", and_meanwhile)
    saved = save(staff, tmp_path / "saved.tar")
    assert f"originals/{original.parent.name}/{original.name}" in names_in(saved)
    assert (staff.home / "uploads" / "waits").exists()
    OriginalFolder(staff.home).clean_up(staff.catalog.originals, TESTER)
    assert not original.exists()


@pytest.mark.parametrize("full", ["the copy", "the archive"])
def test_a_full_disk_leaves_no_half_backup(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    where = "indexes.catalog.Catalog.copy_into"
    monkeypatch.setattr(where if full == "the copy" else "tarfile.TarFile.addfile", no_space)
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(StorageFull):
        save(staff, folder / "saved.tar")
    assert list(folder.iterdir()) == []


def test_the_doctor_knows_when_the_last_backup_was_made(staff: World, tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert read_last_backup(staff.home) is None
    save(staff, tmp_path / "saved.tar")
    noted = read_last_backup(staff.home)
    assert noted is not None
    assert before <= noted <= datetime.now(UTC)
    assert staff.home.joinpath("last-backup.json").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_backup_left_aside_goes_with_the_next(staff: World, tmp_path: Path) -> None:
    left = tmp_path / ".saved.tar.partial-abc"
    left.mkdir()
    (left / "catalog.sqlite").write_bytes(b"text")
    save(staff, tmp_path / "saved.tar")
    assert not left.exists()


def test_callers_of_the_lost_future_are_refused_and_never_answered_wrongly(
    staff: World, tmp_path: Path
) -> None:
    saved = save(staff, tmp_path / "saved.tar")
    staff.put("rises", "Salaries rise in June", "group:hr")
    lost = staff.search("ada", "salaries")
    ada = staff.catalog.find_asker("ada")
    page = DocumentList(staff.catalog).page(ada, Filters(), None, 1)
    handed = staff.catalog.directory.hand_over("user", "ada", None, by=TESTER)
    with staff.catalog.directory.reading() as state:
        version = state.get("user", handed).version
    staff.close()
    with closing(put_back(saved, staff.home)) as now:
        now.put("rises", "Salaries fall in June", "group:hr")
        found = now.search("ada", "salaries")
        assert found.view_id != lost.view_id
        with pytest.raises(BadInput, match="before the catalog was put back"):
            now.searcher.search("salaries", ada, 3, at_least=lost.position)
        with pytest.raises(BadInput, match="before the catalog was put back"):
            DocumentList(now.catalog).page(ada, Filters(), page.next, 1)
        again = now.catalog.directory.hand_over("user", "ada", None, by=TESTER)
        with now.catalog.directory.reading() as state:
            assert state.get("user", again).version != version


def test_a_directory_entry_of_the_backup_has_a_version_of_its_own(
    staff: World, tmp_path: Path
) -> None:
    handed = staff.catalog.directory.hand_over("user", "ada", None, by=TESTER)
    with staff.catalog.directory.reading() as state:
        version = state.get("user", handed).version
    saved = save(staff, tmp_path / "saved.tar")
    staff.close()
    with closing(put_back(saved, staff.home)) as now, now.catalog.directory.reading() as state:
        assert state.get("user", handed).version != version


def test_a_checkpoint_of_the_lost_future_is_not_read(staff: World, tmp_path: Path) -> None:
    saved = save(staff, tmp_path / "saved.tar")
    staff.put("menu", "Salaries of the lost future", "public")
    staff.searcher.corpus.maintenance.save()
    checkpoint = staff.home / "derived"
    assert list(checkpoint.glob("checkpoint-*"))
    staff.close()
    with closing(put_back(saved, staff.home)) as now:
        assert not checkpoint.exists()
        now.put("menu", "The canteen opens at one", "public")
        texts = [hit.text for hit in now.search("ada", "canteen").hits if hit.title == "menu"]
        assert texts == ["The canteen opens at one"]


def test_a_restore_tells_which_keys_are_valid_again_and_signs_everybody_out(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked, kept = (staff.catalog.keys.issue("ada", by=TESTER) for _ in range(2))
    saved = save(staff, tmp_path / "saved.tar")
    staff.catalog.keys.revoke(revoked.id, by=TESTER)
    staff.close()
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["restore", str(saved), "--replace", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["valid_again"] == [revoked.id]
    assert "clearance keys revoke" in done.stderr
    assert kept.id not in done.stderr
    with closing(World(staff.home)) as now:
        changes = [
            each.body["changes"] for each in now.catalog.books(now.catalog.open_trail()).changes()
        ]
        assert changes[-1][0]["what"] == "catalog.restored"


def test_the_key_of_the_record_stays_where_a_backup_has_none(staff: World, tmp_path: Path) -> None:
    key = load_key(staff.home)
    with closing(staff.catalog.open_trail()) as trail:
        staff.catalog.books(trail).seal_changes(key)
        place = tmp_path / "saved.tar"
        back_up(staff.home, staff.catalog, trail, place, replace=False, with_key=False)
    assert "audit.key" not in names_in(place)
    staff.close()
    with closing(put_back(place, staff.home)):
        assert load_key(staff.home).public == key.public


def test_nothing_is_put_back_over_a_home_unless_told(saved: Path, staff: World) -> None:
    staff.close()
    with pytest.raises(BadInput, match="There is a home already"):
        restore(staff.settings, saved, replace=False, by=TESTER)


def test_nothing_is_put_back_while_somebody_uses_the_home(saved: Path, staff: World) -> None:
    staff.close()
    code = f"""
from indexes.catalog import Catalog
catalog = Catalog.open("sqlite:///{staff.home}/catalog.sqlite")
print("open", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "open\n"
        with pytest.raises(Busy, match="uses this home"):
            restore(staff.settings, saved, replace=True, by=TESTER)
        service.communicate("\n")
    put_back(saved, staff.home).close()


@pytest.mark.parametrize("whole_steps", [0, 1, 2, 9, 13, 14, 15, 22, 99])
def test_a_kill_leaves_the_old_home_or_the_new_one(
    staff: World, saved: Path, whole_steps: int
) -> None:
    keep_original(staff, "letter", b"Dear all")
    staff.close()
    child = os.fork()
    if child == 0:
        _restore_and_die(staff.home, saved, whole_steps)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (9 if whole_steps < 99 else 7)
    with closing(World(staff.home)) as now:
        is_old = whole_steps == 0
        assert (staff.home / "originals").exists() == is_old
        titles = set(now.titles("ada", "kept salaries canteen"))
        assert titles == {"salaries", "menu", *(["letter"] if is_old else [])}
    put_back(saved, staff.home).close()


def _restore_and_die(home: Path, saved: Path, whole_steps: int) -> None:
    """Killed in the switch, when it has written or moved so many things."""
    left = whole_steps

    def counted(done):
        def step(*given, **named):
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return done(*given, **named)

        return step

    try:
        switching._note = counted(switching._note)
        Path.rename = counted(Path.rename)  # type: ignore[method-assign]
        restore(Settings(home=home), saved, replace=True, by=TESTER)
    finally:
        os._exit(7)


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


HOSTILE = {
    "a path out of the home": _entry("../escaped"),
    "a path from the root": _entry("/escaped"),
    "a link": _entry("audit.key", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": _entry("audit.key", tarfile.LNKTYPE, "catalog.sqlite"),
    "a device": _entry("audit.key", tarfile.CHRTYPE),
    "a folder": _entry("originals", tarfile.DIRTYPE),
    "a file with holes": _entry("audit.key", tarfile.GNUTYPE_SPARSE),
    "a file that no home has": _entry(".access.yaml"),
    "a file that is not listed": _entry("uploads/stray"),
    "the catalog twice": _entry("catalog.sqlite"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_archive_changes_nothing(saved: Path, tmp_path: Path, hostile: str) -> None:
    other = tmp_path / "hostile.tar"
    with tarfile.open(saved) as archive, tarfile.open(other, "w") as made:
        for about in archive:
            if about.name == MANIFEST:
                made.addfile(HOSTILE[hostile])
            made.addfile(about, archive.extractfile(about))
    _is_refused(other, tmp_path / "new")


@pytest.mark.parametrize("how", ["cut off", "one bit", "no manifest", "packed", "empty", "no tar"])
def test_what_is_no_whole_backup_changes_nothing(saved: Path, tmp_path: Path, how: str) -> None:
    content = saved.read_bytes()
    with tarfile.open(saved) as archive:
        end = archive.getmember(MANIFEST).offset
    damaged = {
        "cut off": content[: len(content) // 2],
        "one bit": content[:5_000] + bytes([content[5_000] ^ 1]) + content[5_001:],
        "no manifest": content[:end] + bytes(1_024),
        "packed": _packed(content),
        "empty": b"",
        "no tar": b"x" * 4_000,
    }[how]
    other = tmp_path / "damaged.tar"
    other.write_bytes(damaged)
    _is_refused(other, tmp_path / "new")


def _packed(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, 1)


def _is_refused(archive: Path, home: Path) -> None:
    with pytest.raises(ClearanceError, match="Nothing was changed"):
        restore(Settings(home=home), archive, replace=False, by=TESTER)
    assert {path.name for path in home.iterdir()} <= {"ingest.lock", "restore.lock"}


def _bytes_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def test_what_was_erased_is_in_no_byte_of_the_home_once_it_is_compacted(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    monkeypatch.chdir(tmp_path)
    secret = "Xyzzyquux" * 300
    path = keep_original(staff, "letter", secret.encode())
    public_id = staff.put("secret", secret, "public")
    vector = staff.embedder.passages([secret]).astype("<f4").tobytes()
    assert "secret" in staff.titles("ada", secret)
    staff.searcher.corpus.maintenance.save()
    assert secret.encode() in _bytes_of(staff.home)
    assert vector in _bytes_of(staff.home / "derived")
    staff.catalog.documents.delete("letter", by=TESTER)
    staff.catalog.listing.remove([public_id], erase=True, by=TESTER)
    done = CliRunner().invoke(app, ["compact", "--json"])
    assert done.exit_code == 0
    left = _bytes_of(staff.home)
    assert b"Xyzzyquux" not in left
    assert vector not in left
    assert not path.exists()
    assert staff.titles("ada", "canteen", k=1) == ["menu"]
    staff.searcher.corpus.maintenance.save()  # by a service that had it in memory
    assert list((staff.home / "derived").glob("checkpoint-*"))
    left = _bytes_of(staff.home)
    assert b"xyzzyquux" not in left.lower()
    assert vector not in left


def test_the_home_is_smaller_once_what_was_removed_is_compacted(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        staff.put(f"filler{number}", [os.urandom(2_000).hex() for _ in range(5)], "public")
    for number in range(20):
        staff.catalog.documents.delete(f"filler{number}", by=TESTER)
    told = json.loads(CliRunner().invoke(app, ["compact", "--json"]).stdout)
    assert told["bytes_after"] < told["bytes_before"]


def test_nothing_is_compacted_while_a_backup_is_made(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    with keep_files(staff.home):
        done = CliRunner().invoke(app, ["compact"])
    assert isinstance(done.exception, Busy)


def test_who_reads_or_ingests_is_not_disturbed_by_a_compaction(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    monkeypatch.setattr(copying, "WAIT_MS", 10)
    with staff.catalog.reading():
        staff.put("late", "late", "public")
        done = CliRunner().invoke(app, ["compact"])
    assert isinstance(done.exception, Busy)
    with ingest_lock(staff.home):
        done = CliRunner().invoke(app, ["compact"])
    assert isinstance(done.exception, Busy)
    assert CliRunner().invoke(app, ["compact"]).exit_code == 0


def test_writing_goes_on_while_a_copy_is_made(staff: World, tmp_path: Path) -> None:
    with staff.catalog.reading():
        staff.put("late", "late", "public")
        save(staff, tmp_path / "saved.tar")


def _found(monkeypatch: pytest.MonkeyPatch, home: Path, *options: str) -> tuple[int, set[str]]:
    monkeypatch.setenv("CLEARANCE_HOME", str(home))
    monkeypatch.chdir(home.parent)
    done = CliRunner().invoke(app, ["verify", "--json", *options])
    said = json.loads(done.stdout)
    assert said["sound"] == (done.exit_code == 0)
    return done.exit_code, {each["where"] for each in said["findings"]}


def test_verify_looks_at_permissions_originals_and_the_record(
    staff: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep_original(staff, "letter", b"Dear all")
    assert _found(monkeypatch, staff.home) == (0, set())
    path.write_bytes(b"Dear some")
    assert _found(monkeypatch, staff.home, "--quick") == (0, set())
    assert _found(monkeypatch, staff.home) == (1, {"originals"})
    path.write_bytes(b"Dear all")
    (staff.home / "catalog.sqlite").chmod(0o644)
    assert _found(monkeypatch, staff.home) == (1, {"home"})
    assert _found(monkeypatch, staff.home) == (0, set())  # the command before has mended it
    with staff.catalog._database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE audit_records SET body = '{}' WHERE number = 1")
        connection.commit()
    assert _found(monkeypatch, staff.home) == (1, {"audit"})


def test_verify_finds_a_page_of_the_catalog_that_is_damaged(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff.close()
    with closing(Catalog.open(f"sqlite:///{staff.home}/catalog.sqlite")) as catalog:
        catalog.shrink()
        with catalog._database.engine.connect() as connection:
            wanted = "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_documents_source_id'"
            page = connection.exec_driver_sql(wanted).scalar_one()
    with (staff.home / "catalog.sqlite").open("r+b") as file:
        file.seek((page - 1) * 4_096 + 8)
        file.write(b"\xff" * 64)
    code, found = _found(monkeypatch, staff.home)
    assert code == 1
    assert "database" in found


def test_durable_leftovers_may_be_folders(tmp_path: Path) -> None:
    (tmp_path / ".a.partial-1").mkdir()
    durable.remove_leftovers(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
