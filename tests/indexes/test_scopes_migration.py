"""Keys of before there were scopes for everything may ask, as they could, and nothing more."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from indexes.catalog import Catalog
from indexes.catalog.database import Database
from indexes.catalog.migrate import MIGRATIONS
from indexes.errors import NotAuthenticated
from tests.world import TESTER

BEFORE = "0011"


def make_catalog_of_before(url: str, keys: dict[str, str]) -> None:
    """With a user and these keys, by id, each with its scopes as JSON."""
    database = Database(url)
    with database.writing(TESTER) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
        _add_keys(connection, keys)
    database.close()


def _add_keys(connection: Connection, keys: dict[str, str]) -> None:
    connection.execute(
        text("INSERT INTO principals (id, name, known, state) VALUES (7, 'user:ada', 1, 'active')")
    )
    added = (
        "INSERT INTO api_keys (id, secret_sha256, user_id, label, scopes, created_at)"
        " VALUES (:id, :digest, 7, 'of before', :scopes, '2026-01-01 00:00:00')"
    )
    for key_id, scopes in keys.items():
        values = {"id": key_id, "digest": bytes(32), "scopes": scopes}
        connection.execute(text(added), values)


@pytest.mark.parametrize("keys", [{}, {"plainplain00": "[]", "adminadmin00": '["admin"]'}])
def test_they_keep_what_they_had_and_may_ask(tmp_path: Path, keys: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite"
    make_catalog_of_before(url, keys)
    catalog = Catalog.open(url)
    expected = {"plainplain00": ("ask",), "adminadmin00": ("admin", "ask")}
    assert {key.id: key.scopes for key in catalog.keys.list()} == {
        key_id: expected[key_id] for key_id in keys
    }
    with pytest.raises(NotAuthenticated):
        catalog.keys.authenticate("clr_plainplain00_" + "A" * 43)
    catalog.close()
