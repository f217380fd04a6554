"""Where the catalogs of tests live: SQLite in each test's folder, or PostgreSQL.

With CLEARANCE_TEST_POSTGRES, the URL of a server on which databases may be made, every catalog is a
database there. The tests are the same; `tests/indexes/test_postgres.py` runs them so.
"""

import atexit
import hashlib
import os
import secrets
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from indexes.catalog import Catalog
from indexes.catalog.sqlite_driver import sqlite_driver

SERVER = os.environ.get("CLEARANCE_TEST_POSTGRES")
sqlite = sqlite_driver().module  # as the product opens a file
_RUN = secrets.token_hex(4)


only_sqlite = pytest.mark.skipif(SERVER is not None, reason="about SQLite's own files and settings")


def examples(number: int) -> int:
    """How many examples hypothesis tries: a database of its own for each is slow."""
    return number if SERVER is None else max(5, number // 20)


def catalog_at(home: Path) -> str | None:
    """The URL of the catalog that belongs to this folder; None: the default, a file in it."""
    if SERVER is None:
        return None
    name = f"t{_RUN}{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"
    template = _template()
    with _server().connect() as connection:
        if not connection.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        ):
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
            atexit.register(_drop, name)
    return _url(name)


@cache
def _template() -> str:
    name = f"template{_RUN}"
    with _server().connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    atexit.register(_drop, name)
    Catalog.open(_url(name)).close()
    return name


@cache
def _server() -> Engine:
    assert SERVER is not None
    return create_engine(SERVER, isolation_level="AUTOCOMMIT")


def _drop(name: str) -> None:
    with _server().connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _url(name: str) -> str:
    assert SERVER is not None
    return make_url(SERVER).set(database=name).render_as_string(hide_password=False)
