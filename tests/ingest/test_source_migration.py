"""Catalogs from before there were sources: what was ingested then is found unchanged, under the
same ids and paths.
"""

import importlib
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexes.catalog import Catalog
from indexes.catalog.database import Database
from tests import databases
from tests.ingest.test_moves import documents
from tests.ingest.test_pipeline import statuses
from tests.world import TESTER, document

give_sources = importlib.import_module(
    "indexes.catalog.migrations.versions.m0008_sources"
)._give_sources


def as_before(world) -> None:
    """Documents known by absolute path, no sources; then what the migration does."""
    with closing(Database(world.settings.catalog_url)) as database:
        with database.writing(TESTER) as connection:
            stored = connection.exec_driver_sql("SELECT id, root FROM sources").all()
            roots: dict[int, str] = {row.id: row.root for row in stored}
            for source, root in roots.items():
                old = f"source:{source}/"
                changed = "UPDATE documents SET source_id = NULL, uri = ? || substr(uri, ?) WHERE source_id = ?"
                connection.exec_driver_sql(
                    changed, (f"file://{root}/".replace("////", "///"), len(old) + 1, source)
                )
            connection.exec_driver_sql("DELETE FROM ingest_failures")
            connection.exec_driver_sql("DELETE FROM sources")
        with database.writing(TESTER) as connection:
            give_sources(connection)


def names(world) -> dict[str, str]:
    with world.catalog() as catalog:
        return {source.name: str(source.root) for source in catalog.sources.list()}


def test_a_folder_is_found_unchanged_whatever_the_names_in_it_are(world):
    for name in ("a.txt", "sub/deep/b c%d.txt", "食堂/菜单.txt", "x#y?.txt"):
        world.write(name, name)
    Path(os.fsdecode(os.fsencode(world.docs) + b"/\xff.txt")).write_text("no text")
    world.ingest(allow=("group:hr",))
    before = documents(world)
    as_before(world)
    assert documents(world) == before
    assert names(world) == {"docs": str(world.docs)}
    assert set(statuses(world.ingest(allow=("group:hr",))).values()) == {"unchanged"}
    assert documents(world) == before


def test_folders_inside_others_and_single_files_find_their_place(world):
    world.write("sub/a.txt", "a")
    world.write("b.txt", "b")
    other = world.docs.parent / "other"
    other.mkdir()
    (other / "c.txt").write_text("c")
    allow = {"allow": ("group:hr",)}
    world.ingest(paths=(world.docs / "sub", other / "c.txt"), **allow)
    first = documents(world)
    as_before(world)
    assert names(world) == {"sub": str(world.docs / "sub"), "other-files": str(other)}
    assert statuses(world.ingest(paths=(world.docs / "sub", other / "c.txt"), **allow)) == {
        "sub/a.txt": "unchanged",
        "c.txt": "unchanged",
    }
    assert documents(world) == first


def test_what_is_no_file_keeps_its_uri(tmp_path):
    catalog = Catalog.open(databases.catalog_at(tmp_path) or f"sqlite:///{tmp_path}/catalog.sqlite")
    catalog.generations.ensure("m", "f", 4, by=TESTER)
    for uri, path in (("set:s/1", "1"), ("bench:1", "x"), ("file:///srv/a.txt", "elsewhere/b.txt")):
        catalog.documents.put(
            document(uri, [], ["group:hr"], path=path), {1: np.zeros((0, 4), np.float32)}, by=TESTER
        )
    with catalog._database.writing(TESTER) as connection:
        give_sources(connection)
    assert set(catalog.documents.stored("")) == {"set:s/1", "bench:1", "file:///srv/a.txt"}
    assert catalog.sources.list() == []
    catalog.close()


@pytest.mark.parametrize(
    ("uri", "path", "root"),
    [
        ("file:///srv/docs/sub/a.txt", "docs/sub/a.txt", ("/srv/docs", False)),
        ("file:///srv/docs/sub/a.txt", "sub/a.txt", ("/srv/docs/sub", False)),
        ("file:///srv/docs/a.txt", "a.txt", ("/srv/docs", True)),
        ("file:///docs/a.txt", "docs/a.txt", ("/docs", False)),
        ("file:///a.txt", "a.txt", ("", True)),
        ("file:///srv/a%20b/%FF.txt", "a b/\ufffd.txt", ("/srv/a%20b", False)),
        ("file:///srv/a.txt", "b.txt", None),
    ],
)
def test_the_folder_that_was_ingested_is_the_uri_less_the_path(uri, path, root):
    module = importlib.import_module("indexes.catalog.migrations.versions.m0008_sources")
    assert module._root(uri, path) == root
