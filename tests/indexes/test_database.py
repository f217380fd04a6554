"""Writers that overlap, databases that go away, and catalogs that are exchanged under a running
process.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import QueuePool, create_engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from indexes.catalog import Catalog
from indexes.catalog.schema import documents, reader_sets
from indexes.errors import (
    AlreadyExists,
    BadConfiguration,
    CatalogUnavailable,
    ClearanceError,
    NotFound,
)
from indexes.model import Readers
from tests.databases import SERVER, only_sqlite, sqlite
from tests.world import TESTER, World, as_bytes, document

WRITERS = 8
only_postgresql = pytest.mark.skipif(SERVER is None, reason="about a server")


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    world.put("salaries", "Salaries rise in May", "group:hr")
    world.put("pumps", "Part AB-12/4 replaces pump E1027", "group:eng")
    return world


# --- writers that overlap -----------------------------------------------------------------------


@pytest.fixture
def catalogs(staff: World) -> Iterator[list[Catalog]]:
    """Of several writers, each with connections of its own."""
    opened = [Catalog.open(staff.settings.catalog_url) for _ in range(WRITERS)]
    yield opened
    for catalog in opened:
        catalog.close()


def together(catalogs: list[Catalog], do: Callable[[Catalog, int], Any]) -> list[Any]:
    """What each of several writers got, all started at the same moment."""
    start = Barrier(WRITERS, timeout=30)

    def one(number: int) -> Any:
        start.wait()
        try:
            return do(catalogs[number], number)
        except (AlreadyExists, NotFound) as error:
            return error

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(one, range(WRITERS)))


def test_of_writers_that_overlap_each_decides_on_what_the_one_before_has_left(
    staff: World, catalogs: list[Catalog]
) -> None:
    people = staff.catalog.people
    for turn in range(3):
        user, team = f"eve{turn}", f"team{turn}"
        made = together(catalogs, partial(_add_user, user))
        assert [type(each) for each in made].count(AlreadyExists) == WRITERS - 1
        people.add_group(team, by=TESTER)
        together(catalogs, partial(_join, team, user))
        assert people.groups()[f"group:{team}"] == (f"user:{user}",)
        left = together(catalogs, partial(_leave, team, user))
        assert [type(each) for each in left].count(NotFound) == WRITERS - 1
        gone = together(catalogs, partial(_remove_group, team))
        assert [type(each) for each in gone].count(NotFound) == WRITERS - 1


def _add_user(user: str, catalog: Catalog, _: int) -> None:
    catalog.people.add_user(user, by=TESTER)


def _join(team: str, user: str, catalog: Catalog, _: int) -> None:
    catalog.people.add_member(team, f"user:{user}", by=TESTER)


def _leave(team: str, user: str, catalog: Catalog, _: int) -> None:
    catalog.people.remove_member(team, f"user:{user}", by=TESTER)


def _remove_group(team: str, catalog: Catalog, _: int) -> None:
    catalog.people.remove_group(team, by=TESTER)


def test_writers_that_overlap_make_one_document_of_one_uri_and_one_set_of_the_same_readers(
    staff: World, catalogs: list[Catalog]
) -> None:
    def put(catalog: Catalog, number: int) -> str:
        made = document("same", f"text {number}", ["user:new", "group:hr"])
        vectors = staff.embedder.passages([f"text {number}"])
        return catalog.documents.put(
            made, {g.id: vectors for g in catalog.generations.writable()}, by=TESTER
        )

    with staff.catalog._database.reading() as connection:
        before = connection.scalar(select(func.count()).select_from(reader_sets)) or 0
    assert len(set(together(catalogs, put))) == 1
    with staff.catalog._database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(documents)) == 3
        assert connection.scalar(select(func.count()).select_from(reader_sets)) == before + 1


def test_a_member_who_is_removed_while_others_write_stays_removed(
    staff: World, catalogs: list[Catalog]
) -> None:
    """Many relabel and join at the same time; what each was told is what holds in the end."""
    people = staff.catalog.people
    for group in range(WRITERS):
        people.add_group(f"g{group}", by=TESTER)
    for turn in range(6):
        people.add_user(f"x{turn}", by=TESTER)

    def work(catalog: Catalog, number: int) -> None:
        for turn in range(6):
            catalog.people.add_member(f"g{number}", "user:ada", by=TESTER)
            readers = Readers(
                allow=frozenset({f"group:g{number}"}), deny=frozenset({f"user:x{turn}"})
            )
            assert catalog.documents.relabel("salaries", readers, by=TESTER)
            catalog.people.remove_member(f"g{number}", "user:ada", by=TESTER)

    assert together(catalogs, work) == [None] * WRITERS
    assert all(
        members == () for group, members in people.groups().items() if group.startswith("group:g")
    )
    assert staff.titles("ada", "salaries") == []


# --- databases that cannot be used --------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql+psycopg://u:secret@host:port/x",
        "postgresql+nonsense://u:secret@host/x",
        "mysql+pymysql://u:secret@host/x",
        "sqlite://",
        "",
    ],
)
def test_a_url_that_names_no_catalog_is_told_with_what_to_write_instead(url: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        Catalog.open(url)
    assert "sqlite:////" in str(caught.value.remedy)
    assert "secret" not in f"{caught.value} {caught.value.remedy}"


def test_a_server_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(CatalogUnavailable) as caught:
        Catalog.open("postgresql+psycopg://clearance:secret@127.0.0.1:9/clearance")
    assert "CLEARANCE_DATABASE_URL" in str(caught.value.remedy)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def home_is_a_file(home: Path) -> None:
    home.write_text("x")


def catalog_is_a_folder(home: Path) -> None:
    (home / "catalog.sqlite").mkdir(parents=True)


def catalog_is_something_else(home: Path) -> None:
    home.mkdir()
    (home / "catalog.sqlite").write_bytes(b"not a database" * 1000)


def home_is_inside_a_file(home: Path) -> None:
    home.parent.joinpath("file").write_text("x")
    home.symlink_to(home.parent / "file" / "home")


UNUSABLE = [home_is_a_file, catalog_is_a_folder, catalog_is_something_else, home_is_inside_a_file]


@only_sqlite
@pytest.mark.parametrize("spoil", UNUSABLE)
def test_a_home_that_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    spoil(home)
    with pytest.raises(ClearanceError) as caught:
        Catalog.open(f"sqlite:///{home}/catalog.sqlite")
    assert "CLEARANCE_HOME" in str(caught.value.remedy)


@only_sqlite
@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["users", "list"], ["serve", "--port", "0"], ["ingest", "nothing"]]
)
def test_commands_tell_it_without_a_traceback(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "nothing").mkdir()
    homes = {"file": tmp_path / "file" / "home", "refused": tmp_path}
    (tmp_path / "file").write_text("x")
    url = {"refused": "postgresql+psycopg://clearance:secret@127.0.0.1:9/clearance"}
    for kind, home in homes.items():
        given = {"CLEARANCE_HOME": str(home), "CLEARANCE_DATABASE_URL": url.get(kind, "")}
        done = subprocess.run(
            [sys.executable, "-c", "from indexes.cli.main import main; main()", *command],
            env={**os.environ, **given},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (1, 2), kind
        assert "Traceback" not in done.stderr
        assert "error:" in done.stderr
        assert "CLEARANCE_" in done.stderr
        assert "secret" not in done.stderr


@only_postgresql
def test_a_server_that_goes_away_in_the_middle_is_told_and_comes_back(staff: World) -> None:
    assert SERVER is not None
    before = as_bytes(staff.search("ada", "salaries"))
    name = staff.catalog._database.engine.url.database
    admin = create_engine(SERVER, isolation_level="AUTOCOMMIT")

    def end_all() -> None:
        with admin.connect() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(text(ended), {"name": name})

    def read() -> None:
        with staff.catalog.reading() as state:
            end_all()
            state.document_count()

    def read_through_the_driver() -> None:
        with staff.catalog.reading() as state:
            end_all()
            state.changed_since(0, 10)

    def write() -> None:
        with staff.catalog._database.writing(TESTER) as connection:
            end_all()
            connection.execute(text("SELECT 1"))

    for work in (read, read_through_the_driver, write):
        with pytest.raises(CatalogUnavailable):
            work()
    assert as_bytes(staff.search("ada", "salaries")) == before
    admin.dispose()


# --- a catalog that is exchanged under a running process ----------------------------------------


def by_moving(copy: Path, catalog: Path, world: World) -> None:
    copy.replace(catalog)


def by_the_backup_of_sqlite(copy: Path, catalog: Path, world: World) -> None:
    source, target = sqlite.connect(copy), sqlite.connect(catalog)
    source.backup(target)
    source.close()
    target.close()


def by_stopping_and_starting(copy: Path, catalog: Path, world: World) -> None:
    world.searcher.corpus.maintenance.save()
    world.catalog.close()
    for left in catalog.parent.glob("catalog.sqlite*"):
        left.unlink()
    shutil.copy(copy, catalog)
    world.catalog = Catalog.open(world.settings.catalog_url)
    world.searcher = world.new_searcher()


def by_removing_and_copying(copy: Path, catalog: Path, world: World) -> None:
    catalog.unlink()
    with pytest.raises(CatalogUnavailable):
        world.search("ada", "salaries")
    assert not catalog.exists(), "an empty catalog was made in place of the one that was missing"
    shutil.copy(copy, catalog)


WAYS = [by_moving, by_the_backup_of_sqlite, by_stopping_and_starting, by_removing_and_copying]


def saved_copy(world: World, copy: Path) -> None:
    source, target = sqlite.connect(world.home / "catalog.sqlite"), sqlite.connect(copy)
    source.backup(target)
    source.close()
    target.close()


@only_sqlite
@pytest.mark.parametrize("written_since", [False, True])
@pytest.mark.parametrize("put_back", WAYS)
def test_a_catalog_put_back_from_a_copy_is_what_is_searched(
    staff: World, tmp_path: Path, put_back: Callable[[Path, Path, World], None], written_since: bool
) -> None:
    staff.search("ada", "salaries")
    saved_copy(staff, tmp_path / "copy")
    for number in range(5):
        staff.put(f"news{number}", f"Salaries fall in June {number}", "group:hr")
        staff.put(f"orders{number}", f"Part {number}", "group:eng")
    staff.relabel("pumps", "group:hr")
    assert len(staff.titles("ada", "salaries part")) == 7
    put_back(tmp_path / "copy", staff.home / "catalog.sqlite", staff)
    if written_since:  # as many changes as before, and rows of the same numbers
        for number in range(5):
            staff.put(f"memo{number}", f"Salaries stay in July {number}", "group:eng")
            staff.put(f"letter{number}", f"Part {number} of Salaries", "group:hr")
        staff.relabel("salaries", "group:eng")
    fresh = World(staff.home)
    fresh.searcher = _built_from(fresh, tmp_path / "other")
    for user in ("ada", "bob"):
        for mode in ("hybrid", "dense", "keyword"):
            found = staff.search(user, "salaries part", mode=mode)
            assert as_bytes(found) == as_bytes(fresh.search(user, "salaries part", mode=mode))
    expected = {f"letter{n}" for n in range(5)} if written_since else {"salaries"}
    assert set(staff.titles("ada", "salaries part")) == expected
    with staff.catalog._database.reading() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    fresh.close()


def _built_from(world: World, home: Path) -> Any:
    from indexes.search.searcher import Searcher

    settings = world.settings.model_copy(
        update={"home": home, "database_url": world.settings.catalog_url}
    )
    return Searcher(world.catalog, world.embedder, settings)


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT nothing FROM nowhere"])
def test_a_reading_leaves_nothing_to_the_next_one(staff: World, statement: str) -> None:
    for number in range(3):
        with suppress(ClearanceError, SQLAlchemyError), staff.catalog._database.reading() as one:
            one.execute(text(statement))
        staff.put(f"news{number}", f"Salaries fall in week {number}", "group:hr")
        assert len(staff.titles("ada", "salaries")) == 2 + number


@only_sqlite
def test_a_few_connections_are_kept_for_reading_and_closed_with_the_catalog(staff: World) -> None:
    database = staff.catalog._database
    for count in (1, 3, 20):
        with ExitStack() as together:
            for _ in range(count):
                together.enter_context(database.reading())
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 16
    staff.catalog.close()
    assert pool.checkedout() == 0
    assert staff.titles("ada", "salaries") == ["salaries"]


@only_sqlite
def test_a_catalog_that_is_moved_away_while_it_is_read_is_read_to_the_end(
    staff: World, tmp_path: Path
) -> None:
    saved_copy(staff, tmp_path / "copy")
    staff.put("news", "Salaries fall in June", "group:hr")
    start = Barrier(2, timeout=10)

    def read() -> int:
        with staff.catalog.reading() as state:
            start.wait()
            start.wait()
            return state.document_count()

    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read)
        start.wait()
        (tmp_path / "copy").replace(staff.home / "catalog.sqlite")
        start.wait()
        assert staff.titles("ada", "salaries") == ["salaries"]
        assert reading.result() == 3


@only_postgresql
def test_a_database_put_back_from_a_copy_is_what_is_searched(staff: World) -> None:
    assert SERVER is not None
    name = staff.catalog._database.engine.url.database
    staff.search("ada", "salaries")
    staff.catalog._database.engine.dispose()
    admin = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}copy" TEMPLATE "{name}"'))
    for number in range(5):
        staff.put(f"news{number}", f"Salaries fall in June {number}", "group:hr")
    assert len(staff.titles("ada", "salaries")) == 6
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        connection.execute(text(f'ALTER DATABASE "{name}copy" RENAME TO "{name}"'))
    for number in range(5):
        staff.put(f"letter{number}", f"Salaries stay {number}", "group:eng")
    assert staff.titles("ada", "salaries") == ["salaries"]
    assert len(staff.titles("bob", "salaries")) == 6
    admin.dispose()
