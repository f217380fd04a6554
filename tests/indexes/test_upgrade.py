"""A catalog of every earlier schema becomes one of this version, and `upgrade --check` tries it on a
copy.
"""

import hashlib
import json
import shutil
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from indexes.catalog import Catalog
from indexes.catalog.database import Database
from indexes.catalog.migrate import MIGRATIONS, newest_revision
from indexes.cli.administration import app
from indexes.errors import NotFound
from tests.databases import only_sqlite
from tests.world import TESTER

pytestmark = only_sqlite
REVISIONS = sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("m[0-9]*.py"))
ADA = "INSERT INTO principals (id, name, known) VALUES (7, 'user:ada', 1)"


@cache
def _catalogs() -> Path:
    """A folder with a catalog of each schema, by its number, in which there is a user."""
    folder = Path(mkdtemp(prefix="clearance-schemas-"))
    with closing(Database(f"sqlite:///{folder}/made.sqlite")) as database:
        for revision in REVISIONS:
            with database.writing(TESTER) as connection:
                _bring_to(connection, revision)
                if revision == REVISIONS[0]:
                    connection.execute(text(ADA))
            with database.engine.connect() as connection:
                raw = connection.connection.driver_connection
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
                raw.rollback()  # type: ignore[union-attr]
            shutil.copy(folder / "made.sqlite", folder / revision)
    return folder


def _bring_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEARANCE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_catalog_of_every_earlier_schema_opens_and_is_sound(home: Path, revision: str) -> None:
    shutil.copy(_catalogs() / revision, home / "catalog.sqlite")
    with closing(Catalog.open(f"sqlite:///{home}/catalog.sqlite")) as catalog:
        assert catalog.schema() == newest_revision()
        assert catalog.damage(whole=True) == []
        assert [each.name for each in catalog.people.everybody("user")] == ["user:ada"]


def test_an_upgrade_is_tried_on_a_copy_and_changes_nothing(home: Path) -> None:
    catalog = home / "catalog.sqlite"
    shutil.copy(_catalogs() / "0009", catalog)
    before = hashlib.sha256(catalog.read_bytes()).digest()
    told = json.loads(CliRunner().invoke(app, ["upgrade", "--check", "--json"]).stdout)
    assert told == {"before": "0009", "after": newest_revision(), "sound": True, "problems": []}
    assert hashlib.sha256(catalog.read_bytes()).digest() == before
    assert not list(home.glob("upgrade-*"))
    assert newest_revision() in CliRunner().invoke(app, ["upgrade"]).stdout


def test_where_there_is_no_catalog_none_is_made_to_try_an_upgrade(home: Path) -> None:
    done = CliRunner().invoke(app, ["upgrade", "--check"])
    assert isinstance(done.exception, NotFound)
    assert not (home / "catalog.sqlite").exists()
