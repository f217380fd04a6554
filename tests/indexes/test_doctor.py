"""`clearance doctor`: each check where all is well and where it is not, and all of them on a home."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from indexes.catalog.inspection import ChangesHead, JobTimes, KeyTimes, open_inspection
from indexes.catalog.sqlite_driver import SqliteDriver
from indexes.cli.doctor import catalog, home, installation
from indexes.cli.doctor.checks import CHECKS
from indexes.cli.doctor.command import doctor
from indexes.cli.doctor.findings import (
    Check,
    Finding,
    advice,
    exit_code_of,
    good,
    run_checks,
    unknown,
    wrong,
)
from indexes.cli.doctor.installation import Library
from indexes.derived.checkpoint import CheckpointFacts, describe_checkpoint, save
from indexes.errors import BadConfiguration, IndexDamaged
from indexes.home.last_backup import NOTE, read_last_backup
from indexes.model import IndexGeneration
from indexes.settings import Settings
from tests.databases import only_sqlite, sqlite
from tests.world import TESTER, World

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GB = 1_000_000_000
GENERATION = IndexGeneration(id=1, model="e5", fingerprint="f" * 64, dimension=384, state="active")
SQLITE = ModuleType("pysqlite3.dbapi2")


def library(name: str, found: str | None, *, fits: bool = True, pinned: str | None = None):
    return Library(name, ">=2", found, fits, pinned)


def key(*, expires: timedelta | None = None, used: timedelta = DAY) -> KeyTimes:
    return KeyTimes(NOW - 365 * DAY, None if expires is None else NOW + expires, NOW - used)


def job(state: str, ago: timedelta, lease: timedelta | None = None) -> JobTimes:
    return JobTimes(state, NOW - ago, None if lease is None else NOW + lease)


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        ("good", installation.judge_python((3, 12, 1), "Linux", "x86_64")),
        ("advice", installation.judge_python((3, 15, 0), "Linux", "x86_64")),
        ("wrong", installation.judge_python((3, 12, 1), "Darwin", "arm64")),
        ("good", installation.judge_libraries([library("numpy", "2.4", pinned="2.4")])),
        ("advice", installation.judge_libraries([library("numpy", "2.5", pinned="2.4")])),
        ("wrong", installation.judge_libraries([library("numpy", "1.0", fits=False)])),
        ("wrong", installation.judge_libraries([library("numpy", None, fits=False)])),
        ("good", installation.judge_sqlite(SqliteDriver(SQLITE, (3, 51, 3)), holds_catalog=True)),
        ("wrong", installation.judge_sqlite(SqliteDriver(SQLITE, (3, 51, 2)), holds_catalog=True)),
        ("advice", installation.judge_sqlite(SqliteDriver(SQLITE, (3, 46)), holds_catalog=False)),
        ("good", installation.judge_processor("x86_64", frozenset({"avx2"}), int8=False)),
        ("good", installation.judge_processor("aarch64", frozenset({"i8mm"}), int8=False)),
        ("advice", installation.judge_processor("x86_64", frozenset({"sse4_2"}), int8=False)),
        ("good", home.judge_modes(home.Modes(7, (), ()))),
        ("wrong", home.judge_modes(home.Modes(7, ("catalog.sqlite",), ()))),
        ("wrong", home.judge_modes(home.Modes(7, (), ("audit.key",)))),
        ("good", home.judge_secret_files({".env": 0o100600})),
        ("wrong", home.judge_secret_files({".env": 0o100640})),
        ("good", home.judge_disk(home.DiskSpace(9 * GB, 2 * GB))),
        ("advice", home.judge_disk(home.DiskSpace(2 * GB, 3 * GB))),
        ("wrong", home.judge_disk(home.DiskSpace(GB // 2, 0))),
        ("good", home.judge_checkpoint(None, NOW)),
        ("good", home.judge_checkpoint(CheckpointFacts(NOW - HOUR, GB, True), NOW)),
        ("advice", home.judge_checkpoint(CheckpointFacts(NOW - 8 * DAY, GB, True), NOW)),
        ("advice", home.judge_checkpoint(CheckpointFacts(NOW - HOUR, GB, False), NOW)),
        ("wrong", home.judge_checkpoint(IndexDamaged("CURRENT"), NOW)),
        ("good", home.judge_backup(NOW - DAY, NOW)),
        ("advice", home.judge_backup(NOW - 30 * DAY, NOW)),
        ("advice", home.judge_backup(None, NOW)),
        ("good", catalog.judge_schema(("0016", "0016"))),
        ("wrong", catalog.judge_schema(("0015", "0016"))),
        ("wrong", catalog.judge_schema(("0017", "0016"))),
        ("wrong", catalog.judge_schema((None, "0016"))),
        ("good", catalog.judge_latency(0.0004)),
        ("advice", catalog.judge_latency(0.08)),
        ("good", catalog.judge_clock(None, NOW, NOW)),
        ("good", catalog.judge_clock(NOW + timedelta(seconds=1), None, NOW)),
        ("wrong", catalog.judge_clock(NOW + timedelta(seconds=9), NOW, NOW)),
        ("wrong", catalog.judge_clock(None, NOW + HOUR, NOW)),
        ("good", catalog.judge_generation(None, "e5")),
        ("good", catalog.judge_generation(GENERATION, "e5")),
        ("wrong", catalog.judge_generation(GENERATION, "minilm")),
        ("good", catalog.judge_memory(1_000_000, 8 * GB)),
        ("wrong", catalog.judge_memory(2_000_000, 8 * GB)),
        ("unknown", catalog.judge_memory(5, None)),
        ("good", catalog.judge_keys([key(), key(expires=60 * DAY), key(expires=-DAY)], NOW)),
        ("advice", catalog.judge_keys([key(expires=3 * DAY)], NOW)),
        ("advice", catalog.judge_keys([key(used=200 * DAY)], NOW)),
        ("good", catalog.judge_names(0)),
        ("advice", catalog.judge_names(2)),
        ("good", catalog.judge_unread(0)),
        ("advice", catalog.judge_unread(3)),
        ("good", catalog.judge_jobs([job("queued", DAY), job("running", HOUR, lease=HOUR)], NOW)),
        ("advice", catalog.judge_jobs([job("failed", DAY)], NOW)),
        ("wrong", catalog.judge_jobs([job("queued", HOUR)], NOW)),
        ("wrong", catalog.judge_jobs([job("running", DAY, lease=-HOUR)], NOW)),
        ("good", catalog.judge_failures({})),
        ("advice", catalog.judge_failures({"failed": 2, "gone": 1})),
        ("good", catalog.judge_head(ChangesHead(9, True, 9, None), NOW)),
        ("good", catalog.judge_head(ChangesHead(9, True, 8, NOW), NOW)),
        ("advice", catalog.judge_head(ChangesHead(9, True, 2, NOW - DAY), NOW)),
        ("wrong", catalog.judge_head(ChangesHead(9, False, 9, None), NOW)),
        ("wrong", catalog.judge_head(ChangesHead(3, True, 9, None), NOW)),
    ],
)
def test_a_check_tells_good_from_bad_and_what_to_do(state: str, finding: Finding) -> None:
    assert finding.state == state
    assert finding.told.endswith(".")
    assert (finding.remedy is None) == (state in ("good", "unknown"))


def test_memory_is_reckoned_with_what_was_measured() -> None:
    measured = json.loads(Path("bench/results/starts-200k.json").read_text(encoding="utf-8"))
    assert measured["catalog_own_bytes_a_passage"] == catalog.BYTES_A_PASSAGE


def test_the_least_limit_of_memory_counts(tmp_path: Path) -> None:
    limit, total, absent = tmp_path / "max", tmp_path / "meminfo", tmp_path / "absent"
    total.write_text("MemTotal:        1000 kB\nMemFree: 5 kB\n", encoding="ascii")
    limit.write_text("max\n", encoding="ascii")
    assert catalog.read_memory([limit], total) == 1_024_000
    limit.write_text("500000\n", encoding="ascii")
    assert catalog.read_memory([limit], total) == 500_000
    assert catalog.read_memory([absent], absent) is None


# Running checks


def test_a_check_that_breaks_or_hangs_is_a_line_and_hinders_no_other() -> None:
    def break_down(_: Settings) -> Finding:
        raise RuntimeError("a secret")

    def hang(_: Settings) -> Finding:
        time.sleep(60)
        return good("Never.")

    def refuse(_: Settings) -> Finding:
        raise BadConfiguration("It is odd.", remedy="Mend it.")

    checks = [
        Check("breaks", break_down),
        Check("hangs", hang, limit_s=0.05),
        Check("refuses", refuse),
        Check("works", lambda _: good("Fine.")),
    ]
    found = run_checks(checks, Settings())
    assert list(found) == ["breaks", "hangs", "refuses", "works"]
    assert [each.state for some in found.values() for each in some] == [*["unknown"] * 3, "good"]
    assert "secret" not in found["breaks"][0].told
    assert found["refuses"][0].remedy == "Mend it."


@pytest.mark.parametrize("first", [wrong("Down.", "Start it."), unknown("Down?")])
def test_what_needs_a_thing_that_is_wrong_is_left_out(first: Finding) -> None:
    checks = [
        Check("needs it", lambda _: good("Fine."), needs="database"),
        Check("database", lambda _: first),
    ]
    assert list(run_checks(checks, Settings())) == ["database"]


def test_exit_codes_tell_what_is_worst() -> None:
    fine, told = good("Fine."), advice("Hm.", "Do.")
    assert exit_code_of([]) == exit_code_of([fine, told]) == 0
    assert exit_code_of([fine, unknown("?")]) == 2
    assert exit_code_of([unknown("?"), wrong("Bad.", "Mend.")]) == 1


# Reading


def test_what_others_can_use_of_a_home_is_found_and_models_are_no_secret(tmp_path: Path) -> None:
    place = tmp_path / "home"
    for folder in (place, place / "models", place / "originals", place / "checkpoint-1"):
        folder.mkdir(mode=0o700)
    for name, mode in (("models/m", 0o644), ("originals/o", 0o644), ("audit.key", 0o600)):
        (place / name).write_text("x", encoding="ascii")
        (place / name).chmod(mode)
    assert home.read_modes(place, os.geteuid()).open == ()
    (place / "checkpoint-1" / "a.npy").write_text("x", encoding="ascii")
    (place / "checkpoint-1" / "a.npy").chmod(0o604)
    (place / "audit.key").chmod(0o640)
    found = home.read_modes(place, os.geteuid())
    assert sorted(found.open) == ["audit.key", "checkpoint-1/a.npy"]
    assert "audit.key" in home.read_modes(place, os.geteuid() + 1).of_others


def test_files_with_secrets_are_found_by_the_settings_that_name_them(tmp_path: Path) -> None:
    secret = tmp_path / "llm.key"
    secret.write_text("zanzibar-9041", encoding="ascii")
    secret.chmod(0o644)
    named = {"CLEARANCE_LLM_API_KEY_FILE": str(secret), "OTHER_FILE": str(secret)}
    found = home.read_secret_files(named, tmp_path / ".env")
    assert list(found) == ["CLEARANCE_LLM_API_KEY_FILE"]
    told = home.judge_secret_files(found)
    assert told.state == "wrong"
    assert "zanzibar" not in told.told


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ('{"at": "2026-11-30T02:00:00+00:00", "files": 3}', datetime(2026, 11, 30, 2, tzinfo=UTC)),
        ('{"at": "2026-11-30T02:00:00"}', datetime(2026, 11, 30, 2, tzinfo=UTC)),
        ('{"at": 5}', None),
        ("[]", None),
        ("[" * 9_000, None),
        ("", None),
    ],
)
def test_the_note_of_a_backup_is_read_whatever_stands_in_it(tmp_path, note, told) -> None:
    assert read_last_backup(tmp_path) is None
    (tmp_path / NOTE).write_text(note, encoding="utf-8")
    assert read_last_backup(tmp_path) == told


def test_a_checkpoint_that_was_changed_is_damaged(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "a.npy").write_bytes(b"right")

    assert describe_checkpoint(tmp_path) is None
    save(tmp_path, {"model": "e5"}, write)
    described = describe_checkpoint(tmp_path)
    assert described is not None
    assert described.is_ours
    next(tmp_path.glob("checkpoint-*/a.npy")).write_bytes(b"wrong")
    with pytest.raises(IndexDamaged):
        describe_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("setting", "name", "state"),
    [
        ("answer_scorer", "packaged", "good"),
        ("answer_scorer", "/no/such/folder", "wrong"),
        ("reranker_model", "/no/such/folder", "wrong"),
        ("reranker_model", "cross-encoder/ms-marco", "advice"),
    ],
)
def test_models_that_settings_name_are_looked_for(tmp_path, setting, name, state) -> None:
    settings = Settings(home=tmp_path, **{"answer_scorer": "words", setting: name})
    assert [each.state for each in home.judge_models(home.read_models(settings))] == [state]


def test_requirements_for_other_machines_and_extras_do_not_count() -> None:
    asked = ["numpy>=1", "no-such-thing>=1; extra == 'dev'", "no-such-thing; sys_platform == 'x'"]
    assert [each.name for each in installation.read_libraries(asked, {})] == ["numpy"]
    assert not installation.read_libraries(["numpy>=999"], {})[0].fits


# A real catalog


@pytest.fixture
def lived_in(world: World) -> World:
    """A home with people, groups, keys and documents, some of which nobody can read."""
    world.people(ada=["staff"], bob=[])
    world.catalog.people.add_group("empty", by=TESTER)
    world.put("menu", "Soup on Mondays.", "public")
    world.put("pay", "Salaries rise in March.", "group:staff")
    world.put("nobody", "Nobody reads this.", "group:empty")
    world.put("stranger", "For somebody unknown.", "user:zoe")
    world.put("denied", "Allowed and denied.", "user:bob", deny=["user:bob"])
    world.catalog.keys.issue("ada", by=TESTER)
    return world


def test_the_catalog_tells_counts(lived_in: World) -> None:
    with open_inspection(lived_in.settings.catalog_url) as seen:
        found, newest = seen.schema()
        assert found == newest
        assert seen.passages() == 5
        assert seen.names_that_mean_nobody() == 1
        assert seen.documents_nobody_reads() == 3
        assert len(seen.keys()) == 1
        assert seen.latency_s() < 60
        head = seen.changes_head()
        assert head.follows
        assert head.number > head.sealed == 0
        newest_moment = seen.newest_moment()
        assert newest_moment is not None
        assert newest_moment <= datetime.now(UTC)


@only_sqlite
def test_a_changed_record_does_not_follow(lived_in: World) -> None:
    with sqlite.connect(str(lived_in.home / "catalog.sqlite")) as connection:
        connection.execute(
            "UPDATE audit_records SET body = '{}' WHERE number = (SELECT max(number) FROM audit_records)"
        )
    with open_inspection(lived_in.settings.catalog_url) as seen:
        assert not seen.changes_head().follows


@only_sqlite
def test_to_look_changes_nothing(lived_in: World) -> None:
    file = lived_in.home / "catalog.sqlite"
    file.chmod(0o644)
    with (
        open_inspection(lived_in.settings.catalog_url) as seen,
        pytest.raises(Exception, match="read"),
    ):
        seen._connection.exec_driver_sql("DELETE FROM documents")
    assert file.stat().st_mode & 0o777 == 0o644
    with (
        pytest.raises(BadConfiguration),
        open_inspection(f"sqlite:///{lived_in.home}/other.sqlite"),
    ):
        pass
    assert not (lived_in.home / "other.sqlite").exists()


def run_doctor(monkeypatch: pytest.MonkeyPatch, settings: Settings, *words: str):
    app = typer.Typer()
    app.command()(doctor)
    patient = [replace(check, limit_s=120) for check in CHECKS]  # the machine may be busy
    monkeypatch.setattr("indexes.cli.doctor.command.find_checks", lambda: patient)
    monkeypatch.setattr("indexes.settings.load", lambda: settings)
    return CliRunner().invoke(app, list(words))


def test_a_home_that_is_lived_in_is_told_without_names_and_texts(lived_in: World, monkeypatch):
    settings = lived_in.settings.model_copy(update={"embedding_model": lived_in.embedder.name})
    lived_in.search("ada", "soup")
    lived_in.searcher.corpus.maintenance.save()
    done = run_doctor(monkeypatch, settings, "--json")
    told = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert {check.name for check in CHECKS} == set(told)
    assert told["catalog"]["state"] == "good"
    assert told["checkpoint"]["told"].startswith("The checkpoint of the indexes is whole")
    assert told["names"]["told"].endswith(": 1.")
    assert told["readers"]["told"] == "Documents that nobody can read: 3."
    of_this_machine = {told.pop(name)["state"] for name in ("disk", "memory")}
    assert {each["state"] for each in told.values()} <= {"good", "advice"}, told
    assert done.exit_code == (1 if "wrong" in of_this_machine else 0)
    for secret in ("ada", "zoe", "staff", "menu", "Salaries", "clr_"):
        assert secret not in done.stdout


def test_a_database_that_is_down_is_one_line(tmp_path: Path, monkeypatch) -> None:
    url = "postgresql+psycopg://clearance:zanzibar-9041@127.0.0.1:1/none"
    done = run_doctor(monkeypatch, Settings(home=tmp_path, database_url=url))
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.stdout.splitlines() if " catalog " in line] == [
        "WRONG"
    ]
    assert "latency" not in done.stdout
    assert "zanzibar" not in done.stdout


def test_without_a_catalog_it_could_not_look(tmp_path: Path, monkeypatch) -> None:
    done = run_doctor(monkeypatch, Settings(home=tmp_path))
    assert done.exit_code == 2, done.stdout
    assert not list(tmp_path.iterdir())


def test_settings_that_cannot_be_read_are_a_line(monkeypatch) -> None:
    monkeypatch.setenv("CLEARANCE_NO_SUCH", "1")
    app = typer.Typer()
    app.command()(doctor)
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "CLEARANCE_NO_SUCH" in done.stdout
