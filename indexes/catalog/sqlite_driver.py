"""Which SQLite opens a catalog: the newest of the modules that are installed.

A module brings its own SQLite, or takes the system's. On x86-64 the dependencies bring `pysqlite3`, on
64-bit ARM its sister `sqlcipher3`, which without a key reads and writes the same files. The standard
module is as good if the Python was built with a SQLite that is new enough.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from indexes.errors import UnsafeDatabase

MODULES = ("pysqlite3.dbapi2", "sqlcipher3.dbapi2", "sqlite3")
SAFE_SQLITE = (3, 51, 3)  # earlier ones may corrupt a WAL that several processes write


@dataclass(frozen=True, slots=True)
class SqliteDriver:
    """A module and the version of the SQLite in it."""

    module: ModuleType
    version: tuple[int, ...]

    @property
    def is_safe(self) -> bool:
        return self.version >= SAFE_SQLITE

    def describe(self) -> str:
        """`SQLite 3.53.4 of pysqlite3`, for people."""
        return f"SQLite {written(self.version)} of {self.module.__name__.partition('.')[0]}"


@cache
def sqlite_driver() -> SqliteDriver:
    """The one that this process uses, safe or not."""
    return choose_driver(MODULES)


def choose_driver(
    names: Sequence[str], load: Callable[[str], ModuleType] = importlib.import_module
) -> SqliteDriver:
    """The first of these modules whose SQLite is safe; if none is, the one with the newest.

    Raises UnsafeDatabase if there is none at all.
    """
    found: list[SqliteDriver] = []
    for name in names:
        try:
            module = load(name)
        except ImportError:
            continue
        driver = SqliteDriver(module, tuple(module.sqlite_version_info))
        if driver.is_safe:
            return driver
        found.append(driver)
    if not found:
        raise UnsafeDatabase("This Python has no SQLite.", remedy=remedy())
    return max(found, key=lambda each: each.version)


def check_sqlite(driver: SqliteDriver) -> None:
    """Raises UnsafeDatabase for a SQLite whose WAL may be corrupted by several processes."""
    if not driver.is_safe:
        needed = f"{written(SAFE_SQLITE)} or newer is needed."
        raise UnsafeDatabase(f"{driver.describe()}; {needed}", remedy=remedy())


def remedy() -> str:
    """What to do about a SQLite that is too old."""
    return (
        "Install the package pysqlite3 (on 64-bit ARM: sqlcipher3), a Python that was built with a"
        " newer SQLite, or set CLEARANCE_DATABASE_URL to a PostgreSQL."
    )


def written(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
