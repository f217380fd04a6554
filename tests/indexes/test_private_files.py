"""Whatever a home was before, nobody but its owner reads it."""

import os
from pathlib import Path

import pytest

from indexes.catalog import Catalog
from indexes.errors import BadConfiguration
from indexes.private_files import keep_private
from tests.databases import sqlite
from tests.world import TESTER


@pytest.fixture(autouse=True)
def _loose_umask():
    before = os.umask(0o000)
    yield
    os.umask(before)


def loose(home: Path) -> list[Path]:
    """What somebody else may do something with; models, which are no secret, left out."""
    places = [home, *(place for place in home.rglob("*") if "models" not in place.parts)]
    return [place for place in places if place.stat().st_mode & 0o077]


def test_a_home_that_others_could_read_is_closed_and_that_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in (
        "catalog.sqlite",
        "ingest.lock",
        "derived/1/vectors",
        "report.json",
        "models/m/weights",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x", encoding="utf-8")
    changed = keep_private(home)
    assert {
        "catalog.sqlite",
        "derived",
        "derived/1",
        "derived/1/vectors",
        "ingest.lock",
        "report.json",
    } < set(changed)
    assert not loose(home)
    assert (home / "models/m/weights").stat().st_mode & 0o077
    assert keep_private(home) == ()


def test_the_files_of_documents_are_behind_a_folder_that_is_closed(tmp_path: Path) -> None:
    """It may hold a million of them: each opening of the home looks at the folder alone."""
    file = tmp_path / "home/originals/ab/abcd"
    file.parent.mkdir(parents=True)
    file.write_text("x", encoding="utf-8")
    assert keep_private(tmp_path / "home")[1:] == ("originals",)
    assert (tmp_path / "home/originals").stat().st_mode & 0o077 == 0


def test_a_catalog_and_all_that_SQLite_makes_beside_it_are_private(tmp_path: Path) -> None:
    for file in (tmp_path / "home/catalog.sqlite", tmp_path / "elsewhere/other.sqlite"):
        file.parent.mkdir(mode=0o755)
        catalog = Catalog.open(f"sqlite:///{file}")
        catalog.people.add_user("ada", by=TESTER)
        assert {place.name for place in file.parent.iterdir()} >= {
            file.name,
            f"{file.name}-wal",
            f"{file.name}-shm",
        }
        assert not [place for place in loose(file.parent) if place != file.parent]
        catalog.close()


def test_what_is_made_later_is_private_whatever_the_umask_was(tmp_path: Path) -> None:
    keep_private(tmp_path / "home")
    (tmp_path / "home/later").write_text("x", encoding="utf-8")
    assert not loose(tmp_path / "home")


@pytest.mark.parametrize("name", ["catalog.sqlite", "derived", "derived/CURRENT"])
def test_a_link_in_a_home_is_refused_and_what_it_leads_to_is_left_alone(
    tmp_path: Path, name: str
) -> None:
    other = tmp_path / "other"
    other.write_text("x", encoding="utf-8")
    other.chmod(0o644)
    (tmp_path / "home" / name).parent.mkdir(parents=True)
    (tmp_path / "home" / name).symlink_to(other)
    with pytest.raises(BadConfiguration, match="link"):
        keep_private(tmp_path / "home")
    assert other.stat().st_mode & 0o777 == 0o644
    with pytest.raises(BadConfiguration, match="link"):
        Catalog.open(f"sqlite:///{tmp_path / 'home/catalog.sqlite'}")


def test_opening_a_home_again_does_not_drop_the_locks_of_who_has_it(tmp_path: Path) -> None:
    """Closing a file drops all locks that the process has on it; SQLite would not notice."""
    file = tmp_path / "home/catalog.sqlite"
    Catalog.open(f"sqlite:///{file}").close()
    holder = sqlite.connect(str(file), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    keep_private(file.parent)
    child = os.fork()
    if child == 0:
        try:
            other = sqlite.connect(str(file), isolation_level=None, timeout=0.1)
            other.execute("BEGIN IMMEDIATE")
            os._exit(1)
        except sqlite.OperationalError:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    holder.close()
