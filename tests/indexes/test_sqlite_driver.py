"""Which SQLite opens a catalog."""

from types import ModuleType

import pytest

from indexes.catalog import sqlite_driver
from indexes.catalog.sqlite_driver import MODULES, check_sqlite, choose_driver
from indexes.errors import UnsafeDatabase


def loader(**versions: tuple[int, ...]):
    """Gives modules of these names with a SQLite of these versions; there are no others."""

    def load(name: str) -> ModuleType:
        if name.partition(".")[0] not in versions:
            raise ImportError(name)
        module = ModuleType(name)
        module.__dict__["sqlite_version_info"] = versions[name.partition(".")[0]]
        return module

    return load


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"pysqlite3": (3, 53, 4), "sqlite3": (3, 40, 1)}, "SQLite 3.53.4 of pysqlite3"),
        ({"sqlcipher3": (3, 53, 4), "sqlite3": (3, 40, 1)}, "SQLite 3.53.4 of sqlcipher3"),
        ({"sqlite3": (3, 51, 3)}, "SQLite 3.51.3 of sqlite3"),
        ({"pysqlite3": (3, 46, 0), "sqlite3": (3, 52, 0)}, "SQLite 3.52.0 of sqlite3"),
    ],
)
def test_the_first_safe_sqlite_that_is_installed_opens_the_catalog(versions, chosen):
    driver = choose_driver(MODULES, loader(**versions))
    assert driver.describe() == chosen
    check_sqlite(driver)


def test_an_unsafe_sqlite_is_refused_with_what_to_do():
    driver = choose_driver(MODULES, loader(pysqlite3=(3, 46, 1), sqlite3=(3, 40, 1)))
    with pytest.raises(UnsafeDatabase, match=r"SQLite 3\.46\.1 of pysqlite3; 3\.51\.3") as refused:
        check_sqlite(driver)
    assert "sqlcipher3" in str(refused.value.remedy)


def test_without_any_sqlite_it_is_refused_too():
    with pytest.raises(UnsafeDatabase):
        choose_driver(MODULES, loader())


def test_the_sqlite_of_this_installation_is_safe():
    assert sqlite_driver.sqlite_driver().is_safe
